/** Publish acks are taken out of what NATS sends, wherever the reads are cut; the client gets all the rest, whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Answers } from '../../src/publish/answers.ts'

const INBOX = '_INBOX.abc'
const ACK = '{"stream":"s","seq":7}'
const STATUS = 'NATS/1.0 503\r\n\r\n'

/** What came of `text`, read in pieces of `size` bytes. */
function read(text: string, size: number): { answers: string[]; client: string[] } {
  const answers: string[] = []
  const client: string[] = []
  const parser = {
    parse: (bytes: Uint8Array) => void client.push(Buffer.from(bytes).toString('latin1')),
  }
  const reader = new Answers(parser, INBOX, (epoch, number, bytes, start, end) => {
    answers.push(`${epoch}.${number} ${Buffer.from(bytes.subarray(start, end)).toString('latin1')}`)
  })
  const all = Buffer.from(text, 'latin1')
  for (let at = 0; at < all.length; at += size) reader.parse(all.subarray(at, at + size))
  return { answers, client }
}

const answer = (token: string, body = ACK, sid = '3') =>
  `MSG ${INBOX}.${token} ${sid} ${body.length}\r\n${body}\r\n`

const OTHERS = [
  'PING\r\n',
  'PONG\r\n',
  '+OK\r\n',
  "-ERR 'Stale Connection'\r\n",
  'INFO {"server_id":"x","max_payload":1048576}\r\n',
  'MSG orders.created 1 5\r\nhello\r\n',
  'MSG orders.created 1 reply.to 2\r\n\r\n\r\n',
  'MSG orders.created 1 0\r\n\r\n',
  `MSG _INBOX.other.1.2 9 ${ACK.length}\r\n${ACK}\r\n`,
  // Another form of an answer to our inbox: the client's to read.
  `MSG ${INBOX}.1.2 3 reply.to ${ACK.length}\r\n${ACK}\r\n`,
  `MSG ${INBOX}.1.x 3 ${ACK.length}\r\n${ACK}\r\n`,
  `MSG ${INBOX}.1 3 ${ACK.length}\r\n${ACK}\r\n`,
  `HMSG ${INBOX}.1.2 3 ${STATUS.length} ${STATUS.length}\r\n${STATUS}\r\n`,
  `MSG orders.created 1 ${answer('9.9').length}\r\n${answer('9.9')}\r\n`,
]

test('answers and others, however the reads are cut', () => {
  const parts = OTHERS.flatMap((other, i) => [answer(`1.${i}`), other, answer(`12.${i + 100_000}`)])
  const wanted = OTHERS.flatMap((_, i) => [`1.${i} ${ACK}`, `12.${i + 100_000} ${ACK}`])
  for (let size = 1; size <= 200; size++) {
    const { answers, client } = read(parts.join(''), size)
    assert.deepEqual(answers, wanted, `reads of ${size}`)
    assert.deepEqual(client, OTHERS, `reads of ${size}`)
  }
})

test('an answer of no bytes, and one of many', () => {
  const long = 'x'.repeat(100_000)
  for (const size of [1_000, 1_000_000]) {
    assert.deepEqual(read(answer('1.2', '') + answer('1.3', long), size).answers, ['1.2 ', `1.3 ${long}`])
  }
})

test('a client that reads far behind gets its messages whole', () => {
  const big = `MSG orders 1 50000\r\n${'y'.repeat(50_000)}\r\n`
  assert.deepEqual(read(big + answer('1.1') + big, 777), { answers: [`1.1 ${ACK}`], client: [big, big] })
})
