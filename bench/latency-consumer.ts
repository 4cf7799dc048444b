/**
 * Who waits for the events, as a program: an ordinary consumer of the stream, which also listens in on the publish acks
 * (the same messages that the daemon gets, at the same time). `latency-consumer.js URL STREAM MESSAGES SKIP`: prints
 * `ready` when it listens, and the latencies of all messages but the first SKIP when it has seen MESSAGES.
 */
import { connect, createInbox } from '@nats-io/transport-node'
import { clockZero } from './clock.ts'
import { printResult } from './report-line.ts'
import { ask, streamState } from './servers.ts'
import { type Percentiles, percentiles } from './statistics.ts'

/** Milliseconds. */
export interface Latencies {
  readonly commitToAck: Percentiles
  readonly commitToConsumer: Percentiles
  /** From the time at which the row was to be written, whether the writer was late or not. */
  readonly intendedToAck: Percentiles
  readonly intendedToConsumer: Percentiles
  /** How late the commits were. */
  readonly intendedToCommit: Percentiles
}

export interface LatencyResult {
  readonly latencies: Latencies
  readonly messages: number
  /** Events a second from the first commit to the last. */
  readonly achievedRate: number
}

const COMMIT = Buffer.from(',"timestamp":"')
const INTENDED = Buffer.from('"created_at":"')
const TIME_BYTES = 32

const [url = '', stream = '', messages = '0', skip = '0'] = process.argv.slice(2)
const wanted = Number(messages)
const skipped = Number(skip)
const ackedAt = new Float64Array(wanted + 1)
const receivedAt = new Float64Array(wanted + 1)
const commits: string[] = new Array(wanted + 1).fill('')
const intended: string[] = new Array(wanted + 1).fill('')
let received = 0
let acked = 0

const nc = await connect({ servers: url, noAsyncTraces: true })
if ((await streamState(nc, stream))?.last_seq !== 0) throw new Error('the stream is not empty')
const zero = clockZero()
const inbox = createInbox()
nc.subscribe('_INBOX.*.*.*', {
  callback: (_, message) => {
    const now = performance.now()
    const text = message.string()
    const last = Number(/"seq":(\d+)/.exec(text)?.[1] ?? 0)
    // That of a chain or an atomic batch names its last sequence and stands for all of them.
    for (; acked < last; acked++) ackedAt[acked + 1] = zero + now
    finish()
  },
})
nc.subscribe(inbox, {
  callback: (_, message) => {
    const now = performance.now()
    const seq = Number(message.reply?.split('.')[5] ?? 0)
    if (seq === 0) return
    receivedAt[seq] = zero + now
    commits[seq] = textBehind(message.data, COMMIT)
    intended[seq] = textBehind(message.data, INTENDED)
    received++
    finish()
  },
})
const config = { deliver_subject: inbox, deliver_policy: 'all', ack_policy: 'none', mem_storage: true }
await ask(nc, `CONSUMER.CREATE.${stream}`, { stream_name: stream, config })
await nc.flush()
console.log('ready')

function finish(): void {
  if (received < wanted || acked < wanted) return
  const commitAt = Float64Array.from(commits, microsecondTime)
  const intendedAt = Float64Array.from(intended, microsecondTime)
  const between = (from: Float64Array, to: Float64Array) =>
    percentiles(to.subarray(skipped + 1).map((at, index) => at - from[index + skipped + 1]!))
  const latencies = {
    commitToAck: between(commitAt, ackedAt),
    commitToConsumer: between(commitAt, receivedAt),
    intendedToAck: between(intendedAt, ackedAt),
    intendedToConsumer: between(intendedAt, receivedAt),
    intendedToCommit: between(intendedAt, commitAt),
  }
  const span = commitAt[wanted]! - commitAt[skipped + 1]!
  const achievedRate = ((wanted - skipped - 1) / span) * 1000
  printResult({ latencies, messages: received, achievedRate } satisfies LatencyResult)
  void nc.close()
}

function textBehind(data: Uint8Array, key: Buffer): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
  const start = bytes.indexOf(key) + key.length
  return bytes.toString('latin1', start, start + TIME_BYTES)
}

/** `2024-05-06T07:08:09.123456Z...`, with as many digits as there are, to milliseconds since 1970. */
function microsecondTime(text: string): number {
  const match = /^([^.Z+"]+)(\.\d+)?/.exec(text)
  return match === null ? Number.NaN : Date.parse(`${match[1]}Z`) + Number(match[2] ?? 0) * 1000
}
