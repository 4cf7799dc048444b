/**
 * Frames of the replication stream that are none: each ends the run with one clear error. The connection is played by
 * its two ends alone, a socket to read from and a place for what is sent, because PostgreSQL sends no such frames.
 */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { mock, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Client } from 'pg'
import { toLsn } from '../../src/lsn.ts'
import { ReplicationStream } from '../../src/source/replication/stream.ts'
import { begin, u8, u32, u64 } from '../kit/pgoutput-message.ts'

const KEEPALIVE = Buffer.concat([Buffer.from('k'), u64(9n), u64(0n), u8(0)])
const DATA = Buffer.concat([Buffer.from('w'), u64(1n), u64(1n), u64(0n), begin(1n, 0n, 1)])

/** A transaction's BEGIN. Both times in microseconds. */
function beginAt(committed: bigint, sent: bigint): Buffer {
  return Buffer.concat([Buffer.from('w'), u64(1n), u64(1n), u64(sent), begin(1n, committed, 1)])
}

/** What became of the stream after these bytes: the error that ended it; null: it goes on. */
async function play(bytes: Buffer, look = (_socket: PassThrough) => {}): Promise<unknown> {
  const socket = new PassThrough()
  const connection = Object.assign(new EventEmitter(), {
    stream: socket,
    query: () => {},
    sendCopyFromChunk: () => {},
    endCopyFrom: () => {},
  })
  const client = Object.assign(new EventEmitter(), {
    connection,
    query: (stream: ReplicationStream) => stream.submit(),
    end: async () => {},
  }) as unknown as Client
  const stop = new AbortController()
  const stream = new ReplicationStream({
    client,
    types: { get: () => undefined, load: async () => {} },
    slotName: 's',
    publicationName: 'p',
    startLsn: toLsn(0n),
    statusIntervalMs: 60_000,
    silenceLimitMs: 60_000,
    onStreaming: () => {},
    onPartial: () => {},
  })
  let error: unknown = null
  const run = stream.run({ change: () => {}, progress: () => {} }, stop.signal).catch(reason => {
    error = reason
  })
  socket.write(bytes)
  for (let turns = 0; turns < 5; turns++) await turn()
  const found = error
  look(socket)
  if (found === null) {
    stop.abort()
    stream.handleReadyForQuery()
  }
  await run
  return found
}

function copyData(frame: Buffer): Buffer {
  return Buffer.concat([Buffer.from('d'), u32(frame.length + 4), frame])
}

test('whole frames are taken', async () => {
  assert.equal(await play(Buffer.concat([copyData(KEEPALIVE), copyData(DATA), copyData(KEEPALIVE)])), null)
})

test('the reader rests where a change was sent late after its commit', async () => {
  const committed = 830_000_000_123_456n
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    for (const [late, rests] of [
      [1_000n, false],
      [1_001n, true],
      [86_400_000_000n, true],
    ] as const) {
      const bytes = copyData(beginAt(committed, committed + late))
      await play(bytes, socket => assert.equal(socket.isPaused(), rests, `${late} us`))
    }
  } finally {
    mock.timers.reset()
  }
})

const BAD: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['an empty frame', copyData(Buffer.alloc(0))],
  ['an unknown kind', copyData(Buffer.from('x'.repeat(40)))],
  ['data that was taken for another kind by a damaged letter', copyData(Buffer.from(DATA).fill('v', 0, 1))],
  ['data without its positions', copyData(DATA.subarray(0, 20))],
  ['a keepalive that ends early', copyData(KEEPALIVE.subarray(0, 17))],
  ['a keepalive that is too long', copyData(Buffer.concat([KEEPALIVE, u8(0)]))],
  ['a length shorter than itself', Buffer.from('d\0\0\0\x03')],
  ['a length of nothing', Buffer.from('d\0\0\0\0')],
  ['a length beyond what PostgreSQL sends', Buffer.from('d\x7f\xff\xff\xff')],
  ['the greatest length', Buffer.from('d\xff\xff\xff\xff', 'latin1')],
]

for (const [what, bytes] of BAD) {
  test(`one clear error: ${what}`, async () => {
    const error = await play(Buffer.concat([bytes, copyData(KEEPALIVE)]))
    assert.ok(error instanceof Error, 'it goes on')
    assert.equal((error as { code?: string }).code, 'PGOUTPUT_MALFORMED')
  })
}
