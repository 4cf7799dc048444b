/**
 * Reads the stream as it grows and holds each message against the one before it: the number in its row must be the
 * next, its stream sequence too, and its Msg-Id must stand later in the history, so that none can stand there twice.
 */
import { jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

const BATCH = 2_000
/** Of each kind, the first ones are told. */
const TOLD = 5

export class StreamReader {
  messages = 0
  /** The number in the last row. */
  last = 0
  /** Longest time from a commit to its message, milliseconds, since this was last set to 0. */
  slowestMs = 0
  /** Times from commit to message: how many took so long, by the power of two of their milliseconds. */
  readonly delays = new Map<number, number>()
  readonly wrong: string[] = []
  #wrongs = 0
  #sequence = 0
  #place: readonly [bigint, number] = [0n, -1]
  #stop: () => void = () => {}
  #running: Promise<void> = Promise.resolve()

  start(nc: NatsConnection, stream: string): void {
    this.#running = this.#run(nc, stream)
    this.#running.catch(error => this.#complain(`the reader failed: ${error}`))
  }

  get wrongs(): number {
    return this.#wrongs
  }

  async stop(): Promise<void> {
    this.#stop()
    await this.#running.catch(() => {})
  }

  async #run(nc: NatsConnection, stream: string): Promise<void> {
    const consumer = await jetstream(nc).consumers.get(stream)
    const messages = await consumer.consume({ max_messages: BATCH })
    this.#stop = () => messages.stop()
    for await (const message of messages) {
      this.#look(
        message.seq,
        Number(message.timestampNanos) / 1e6,
        message.headers?.get('Nats-Msg-Id') ?? '',
        message.string(),
      )
    }
  }

  #look(sequence: number, storedMs: number, msgId: string, text: string): void {
    this.messages++
    if (sequence !== this.#sequence + 1) this.#complain(`sequence ${sequence} follows ${this.#sequence}`)
    this.#sequence = sequence
    const { data, timestamp } = JSON.parse(text) as { data: { n: number }; timestamp: string }
    if (data.n !== this.last + 1)
      this.#complain(`row ${data.n} follows row ${this.last}, at sequence ${sequence}`)
    this.last = data.n
    this.#follow(msgId)
    const delay = Math.max(0, storedMs - Date.parse(timestamp))
    this.slowestMs = Math.max(this.slowestMs, delay)
    const power = Math.ceil(Math.log2(Math.max(1, delay)))
    this.delays.set(power, (this.delays.get(power) ?? 0) + 1)
  }

  #follow(msgId: string): void {
    const [, , lsn = '', ordinal = ''] = msgId.split('.')
    const place = [BigInt(`0x${lsn || '0'}`), Number(ordinal)] as const
    const [before, ordinalBefore] = this.#place
    if (place[0] < before || (place[0] === before && place[1] <= ordinalBefore))
      this.#complain(`Msg-Id ${msgId} stands behind one of a later change`)
    this.#place = place
  }

  #complain(what: string): void {
    if (++this.#wrongs <= TOLD) this.wrong.push(what)
  }
}
