/**
 * The least that a bridge does, as a program: for each row change a message of a given size, made of nothing but the
 * commit time, sent with a Msg-Id and an ack of its own at the end of each read. No window, no fence, no confirmation.
 * `raw-bridge.js URL SLOT PUBLICATION NATS-URL SUBJECT HEADER-BYTES PAYLOAD-BYTES`; it runs until it is ended.
 */
import { connect } from 'node:net'
import { readReplication } from './replication.ts'

const [
  url = '',
  slot = '',
  publication = '',
  nats = '',
  subject = '',
  headerBytes = '0',
  payloadBytes = '0',
] = process.argv.slice(2)
/** As many tokens as the daemon's, which who measures listens to. */
const INBOX = '_INBOX.raw.0'
const { hostname, port } = new URL(nats)
const socket = connect(Number(port), hostname).setNoDelay(true)
let sent = 0
let burst = ''

socket.on('data', chunk => {
  if (chunk.includes('PING\r\n')) socket.write('PONG\r\n')
  if (chunk.includes('-ERR')) throw new Error(chunk.toString('latin1'))
})
socket.write(`CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB ${INBOX}.* 1\r\n`)
await readReplication(url, slot, publication, {
  change(committedAt) {
    const number = ++sent
    const header = padded(
      `NATS/1.0\r\nNats-Msg-Id: raw.${process.pid}.${number}\r\nFiller: `,
      headerBytes,
      '\r\n\r\n',
    )
    const time = new Date(committedAt).toISOString().slice(0, -1)
    // With its microseconds, as the daemon's.
    const exact = `${time}${String(Math.round((committedAt % 1) * 1000)).padStart(3, '0')}Z`
    const payload = padded(
      `{"id":1,"timestamp":"${exact}","created_at":"${exact}","filler":"`,
      payloadBytes,
      '"}',
    )
    const lengths = `${header.length} ${header.length + payload.length}`
    burst += `HPUB ${subject} ${INBOX}.${number} ${lengths}\r\n${header}${payload}\r\n`
  },
  ends() {
    if (burst !== '') socket.write(burst, 'latin1')
    burst = ''
  },
})

function padded(text: string, bytes: string, end: string): string {
  return text + 'x'.repeat(Math.max(0, Number(bytes) - text.length - end.length)) + end
}
