/**
 * The limit of storing, as a program: messages of a given size with a Msg-Id each, published to an existing stream on
 * an own inbox, at most 1,024 without their ack, or in atomic batches of which two are under way at most.
 * `raw-publisher.js URL SUBJECT HEADER-BYTES PAYLOAD-BYTES MESSAGES BATCH`.
 */
import { connect, createInbox, type MsgHdrs } from '@nats-io/transport-node'
import { printResult } from './report-line.ts'
import { memoryMib } from './usage.ts'

export interface RawPublisherResult {
  /** From the first publish to the last ack. */
  readonly seconds: number
  /** Processor time of this process, in the same span. */
  readonly cpuSeconds: number
  readonly peakMib: number
}

const WINDOW = 1024
const RESUME_AT = 768
const START = 'NATS/1.0\r\nNats-Msg-Id: '
const END = '\r\nFiller: '
const CLOSE = '\r\n\r\n'

const [url = '', subject = '', headerBytes = '0', payloadBytes = '0', messages = '0', batch = '1'] =
  process.argv.slice(2)
const wanted = Number(messages)
const batchMessages = Number(batch)
const payload = Buffer.alloc(Number(payloadBytes), 'x')
const nc = await connect({ servers: url, noAsyncTraces: true })
const inbox = createInbox()
const bytes: { header: Uint8Array } = { header: Buffer.alloc(0) }
const headers = { encode: () => bytes.header } as unknown as MsgHdrs
let sent = 0
let acked = 0

const done = new Promise<void>((resolve, reject) => {
  nc.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      if (error !== null) return reject(error)
      if (message.data[2] !== 0x73) return reject(new Error(`refused: ${message.string()}`))
      acked = batchMessages === 1 ? acked + 1 : Math.min(wanted, acked + batchMessages)
      if (acked === wanted) resolve()
      else if (batchMessages > 1 || sent - acked === RESUME_AT) fill()
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
  if (batchMessages > 1) {
    while (sent < wanted && sent - acked < 2 * batchMessages)
      fillBatch(Math.min(batchMessages, wanted - sent))
    return
  }
  while (sent < wanted && sent - acked < WINDOW) {
    bytes.header = header(sent++)
    nc.publish(subject, payload, { reply: `${inbox}.${sent}`, headers })
  }
}

function fillBatch(count: number): void {
  const id = `raw.${process.pid}.${sent}`
  for (let i = 1; i <= count; i++) {
    const commit = i === count ? '\r\nNats-Batch-Commit: 1' : ''
    bytes.header = header(sent++, `\r\nNats-Batch-Id: ${id}\r\nNats-Batch-Sequence: ${i}${commit}`)
    nc.publish(subject, payload, i === count ? { reply: `${inbox}.${sent}`, headers } : { headers })
  }
}

/** As long as the daemon's: what the other headers take stands in one of no meaning. */
function header(n: number, more = ''): Buffer {
  const head = `${START}raw.${process.pid}.${n}${more}${END}`
  const filler = 'x'.repeat(Math.max(0, Number(headerBytes) - head.length - CLOSE.length))
  return Buffer.from(head + filler + CLOSE, 'latin1')
}
