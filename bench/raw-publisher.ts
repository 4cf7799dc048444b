/**
 * The limit of storing, as a program: messages of a given size with a Msg-Id each, published to an existing stream on
 * an own inbox. `raw-publisher.js URL SUBJECT HEADER-BYTES PAYLOAD-BYTES MESSAGES MODE`.
 */
import { connect, createInbox, type Msg, type MsgHdrs } from '@nats-io/transport-node'
import { MAX_BATCH_MESSAGES } from '../src/publish/batch.ts'
import type { StoreMode } from './limit-runs.ts'
import { printResult } from './report-line.ts'
import { memoryMib } from './usage.ts'

export interface RawPublisherResult {
  /** From the first publish to the last ack. */
  readonly seconds: number
  /** Processor time of this process, in the same span. */
  readonly cpuSeconds: number
  readonly peakMib: number
}

interface Mode {
  /** At most so many messages are without their ack. */
  readonly window: number
  /** More are sent when so many are. */
  readonly resumeAt: number
  /** Where answers to message `n` go to, behind the inbox; null: it asks for none. */
  reply(n: number, last: boolean): string | null
  /** Header lines of message `n`, each with its line break in front. */
  lines(n: number, last: boolean): string
  /** How many messages are stored by this answer. Throws if it says another thing. */
  acked(answer: Msg): number
}

/** The first letter of an answer's first key, where that is `error`. */
const ERROR = 0x65
const CHAIN = 128
/** nats-server's most between two answers of a fast ingest. */
const FLOW = 500

const MODES: Readonly<Record<StoreMode, Mode>> = {
  /** Each asks for an ack. */
  singles: { ...windowOf(1024), reply: n => String(n), lines: () => '', acked: () => acked + 1 },
  /** As the daemon: each names the one before it, and one ack holds for many. */
  chains: {
    ...windowOf(1024),
    reply: (n, last) => (n % CHAIN === CHAIN - 1 || last ? String(n) : null),
    lines: n => (n === 0 ? '' : `\r\nNats-Expected-Last-Msg-Id: ${messageId(n - 1)}`),
    acked: ({ subject }) => Number(subject.slice(subject.lastIndexOf('.') + 1)) + 1,
  },
  /** Atomic batches, of which two are under way at most. */
  batches: {
    window: 2 * MAX_BATCH_MESSAGES,
    resumeAt: MAX_BATCH_MESSAGES,
    reply: (n, last) => (endsBatch(n, last) ? String(n) : null),
    lines: (n, last) =>
      `\r\nNats-Batch-Id: raw.${process.pid}.${Math.floor(n / MAX_BATCH_MESSAGES)}` +
      `\r\nNats-Batch-Sequence: ${(n % MAX_BATCH_MESSAGES) + 1}` +
      (endsBatch(n, last) ? '\r\nNats-Batch-Commit: 1' : ''),
    acked: ({ subject }) => Number(subject.slice(subject.lastIndexOf('.') + 1)) + 1,
  },
  /**
   * One fast ingest over all. The last answer is a publish ack; those before it say how far the server has come.
   * https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
   */
  'fast ingest': {
    window: 3 * FLOW,
    resumeAt: 2 * FLOW,
    reply: (n, last) => `raw${process.pid}.${FLOW}.fail.${n + 1}.${last ? 2 : n === 0 ? 0 : 1}.$FI`,
    lines: () => '',
    acked: answer => {
      const { type, seq } = answer.json<{ type?: string; seq: number }>()
      if (type !== undefined && type !== 'ack') throw new Error(answer.string())
      return type === undefined ? wanted : seq
    },
  },
}

const [url = '', subject = '', headerBytes = '0', payloadBytes = '0', messages = '0', modeName = ''] =
  process.argv.slice(2)
const wanted = Number(messages)
const mode = MODES[modeName as StoreMode]
const payload = Buffer.alloc(Number(payloadBytes), 'x')
const nc = await connect({ servers: url, noAsyncTraces: true })
const inbox = createInbox()
const bytes: { header: Uint8Array } = { header: Buffer.alloc(0) }
const headers = { encode: () => bytes.header } as unknown as MsgHdrs
let sent = 0
let acked = 0

const done = new Promise<void>((resolve, reject) => {
  nc.subscribe(`${inbox}.>`, {
    callback: (error, message) => {
      if (error !== null) return reject(error)
      if (message.data[2] === ERROR) return reject(new Error(`refused: ${message.string()}`))
      acked = mode.acked(message)
      if (acked === wanted) resolve()
      else if (sent - acked <= mode.resumeAt) fill()
    },
  })
})
await nc.flush()
const cpu = process.cpuUsage()
const started = performance.now()
fill()
await done
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(cpu)
printResult({
  seconds,
  cpuSeconds: (user + system) / 1e6,
  peakMib: memoryMib(process.pid).peak,
} satisfies RawPublisherResult)
await nc.close()

function fill(): void {
  while (sent < wanted && sent - acked < mode.window) {
    const n = sent++
    const last = sent === wanted
    bytes.header = header(n, mode.lines(n, last))
    const reply = mode.reply(n, last)
    nc.publish(subject, payload, reply === null ? { headers } : { reply: `${inbox}.${reply}`, headers })
  }
}

/** As long as the daemon's: what the other headers take stands in one of no meaning. */
function header(n: number, lines: string): Buffer {
  const head = `NATS/1.0\r\nNats-Msg-Id: ${messageId(n)}${lines}\r\nFiller: `
  const close = '\r\n\r\n'
  const filler = 'x'.repeat(Math.max(0, Number(headerBytes) - head.length - close.length))
  return Buffer.from(head + filler + close, 'latin1')
}

function messageId(n: number): string {
  return `raw.${process.pid}.${n}`
}

function endsBatch(n: number, last: boolean): boolean {
  return last || n % MAX_BATCH_MESSAGES === MAX_BATCH_MESSAGES - 1
}

function windowOf(window: number): { window: number; resumeAt: number } {
  return { window, resumeAt: (window * 3) / 4 }
}
