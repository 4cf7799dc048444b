/**
 * The limit of reading, as a program: START_REPLICATION, frames counted and discarded, keepalives answered. Nothing is
 * confirmed. `raw-reader.js URL SLOT PUBLICATION CHANGES`; it reads until it has seen so many row changes, tells, and
 * stays until it is ended, so that its walsender can still be asked for its processor time.
 */
import { Client, type Connection } from 'pg'
import { clockZero } from './clock.ts'
import { printResult } from './report-line.ts'
import { type Percentiles, percentiles } from './statistics.ts'

/** 2000-01-01, where PostgreSQL counts from. */
const POSTGRES_EPOCH_MS = 946_684_800_000

export interface RawReaderResult {
  /** Milliseconds since 1970. */
  readonly doneAt: number
  /** Of CopyData messages, with their frames. */
  readonly bytes: number
  /** From the commit of a row change to the read that brought it, milliseconds, without those of the first `skip` changes. */
  readonly commitToRead: Percentiles
}

const [url = '', slot = '', publication = '', changes = '0', skip = '0'] = process.argv.slice(2)
const wanted = Number(changes)
const skipped = Number(skip)
const zero = clockZero()
const latencies = new Float64Array(wanted)
let committedAt = 0
let seen = 0
let bytes = 0
let rest: Buffer = Buffer.alloc(0)
let streaming = false
let readAt = 0

const client = new Client({ connectionString: url, replication: 'database' } as object)
await client.connect()
const connection = (client as unknown as { connection: Connection }).connection
connection.stream.removeAllListeners('data')
connection.stream.on('data', onData)
connection.query(
  `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (proto_version '1', publication_names '${publication}', messages 'true')`,
)

function onData(chunk: Buffer): void {
  readAt = performance.now()
  const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
  let at = 0
  while (at + 5 <= data.length) {
    const end = at + 1 + data.readUInt32BE(at + 1)
    if (end > data.length) break
    onMessage(data, at, end)
    at = end
  }
  rest = at === data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(at))
}

/** https://www.postgresql.org/docs/current/protocol-replication.html */
function onMessage(data: Buffer, at: number, end: number): void {
  const tag = data[at]
  if (tag === 0x57) streaming = true
  if (tag === 0x45) throw new Error(data.toString('utf8', at + 5, end))
  if (tag !== 0x64 || !streaming) return
  bytes += end - at
  if (data[at + 5] === 0x6b) {
    if (data[at + 5 + 17] === 1) answer()
    return
  }
  const change = data[at + 5 + 25]
  if (change === 0x42)
    committedAt = Number(data.readBigInt64BE(at + 5 + 25 + 1 + 8)) / 1000 + POSTGRES_EPOCH_MS
  if (change !== 0x49 && change !== 0x55 && change !== 0x44) return
  latencies[seen++] = zero + readAt - committedAt
  if (seen !== wanted) return
  const commitToRead = percentiles(latencies.subarray(skipped))
  printResult({ doneAt: Date.now(), bytes, commitToRead } satisfies RawReaderResult)
}

function answer(): void {
  const status = Buffer.alloc(39)
  status[0] = 0x64
  status.writeUInt32BE(38, 1)
  status[5] = 0x72
  connection.stream.write(status)
}
