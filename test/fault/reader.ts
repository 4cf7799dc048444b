/**
 * Reads the stream all the time, past the proxies, so that what is deleted or purged later was seen. Each message is
 * reduced to what the checker needs. A new stream of the same name, and a purge, begin a new epoch.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamManager, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import type { Stored } from './ledger.ts'
import { messageContent } from './message-content.ts'

const POLL_MS = 100
const BATCH = 2_000
const BATCH_MS = 1_000

export class StreamReader {
  readonly messages: Stored[] = []
  /** Sequences that hold something else at the end than when they were read: the broker's doing. */
  readonly lostByBroker: string[] = []
  readonly skipped: string[] = []
  readonly #nc: NatsConnection
  readonly #stream: string
  #epoch = 0
  #created = ''
  /** The last sequence read in this epoch. */
  #lastSeq = 0
  #stopping = false
  #running: Promise<void> = Promise.resolve()
  #manager: JetStreamManager | null = null

  constructor(nc: NatsConnection, stream: string) {
    this.#nc = nc
    this.#stream = stream
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Resolves when all that the stream holds now was read; rejects when that takes too long. */
  async caughtUp(limitMs = 60_000): Promise<void> {
    const deadline = Date.now() + limitMs
    while (Date.now() < deadline) {
      const last = await this.#state().then(
        ({ state }) => state.last_seq,
        () => null,
      )
      if (last !== null && this.#lastSeq >= last) return
      await sleep(20)
    }
    throw new Error(`the stream could not be read to its end within ${limitMs} ms`)
  }

  /** The stream was purged: what comes now may have been there before. */
  purged(): void {
    this.#epoch++
  }

  /**
   * Reads the whole stream once more: what the reader saw must still be there, as it was. Rejects when the servers don't
   * let it come any farther for `limitMs`: they may be electing a leader still.
   */
  async compareWithStream(limitMs = 60_000): Promise<void> {
    const seen = new Map(
      this.messages.filter(({ epoch }) => epoch === this.#epoch).map(message => [message.seq, message.msgId]),
    )
    const { state } = await patiently(() => this.#state(), limitMs)
    const found = new Map<number, string | null>()
    for (let next = Math.max(1, state.first_seq); next <= state.last_seq; ) {
      const from = next
      const take = ({ seq, headers }: JsMsg): void => {
        found.set(seq, headers?.get('Nats-Msg-Id') || null)
        next = seq + 1
      }
      await patiently(async () => {
        await this.#readFrom(from, state.last_seq, take)
        if (next === from) throw new Error(`nothing came of ${this.#stream} from ${from} on`)
      }, limitMs)
    }
    for (const seq of new Set([...seen.keys(), ...found.keys()])) {
      if (seen.get(seq) === found.get(seq)) continue
      this.lostByBroker.push(
        `${seq} of ${this.#stream} held ${seen.get(seq)} and holds ${found.get(seq)} now`,
      )
    }
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const read = await this.#readOn().catch(() => 0)
      if (read === 0) await sleep(POLL_MS)
    }
  }

  async #state() {
    this.#manager ??= await jetstreamManager(this.#nc, { timeout: 2_000 })
    return this.#manager.streams.info(this.#stream)
  }

  async #readOn(): Promise<number> {
    const { created, state } = await this.#state()
    if (created !== this.#created) {
      if (this.#created !== '') this.#epoch++
      this.#created = created
      this.#lastSeq = 0
    }
    if (state.last_seq < this.#lastSeq) {
      this.lostByBroker.push(`${state.last_seq + 1} to ${this.#lastSeq}, at ${new Date().toISOString()}`)
      this.#epoch++
      this.#lastSeq = state.last_seq
    }
    if (state.last_seq === this.#lastSeq) return 0
    const before = this.#lastSeq
    const index = this.messages.length
    await this.#readFrom(Math.max(before + 1, state.first_seq), state.last_seq, message => {
      const { seq, headers, timestampNanos } = message
      this.messages.push(this.#reduced(seq, Number(timestampNanos) / 1e6, headers, message.string()))
      this.#lastSeq = message.seq
    })
    await this.#lookAgain(index)
    return this.#lastSeq - before
  }

  /**
   * A consumer reads from any replica, and a damaged one shows what was never stored there; then time runs backwards. What
   * is older than its predecessor makes the leader be asked what that is.
   */
  async #lookAgain(from: number): Promise<void> {
    for (let i = this.messages.length - 1; i > Math.max(0, from - 1); i--) {
      const before = this.messages[i - 1]!
      if (before.epoch !== this.#epoch || before.at <= this.messages[i]!.at) continue
      const held = await this.#manager!.streams.getMessage(this.#stream, { seq: before.seq }).catch(
        () => null,
      )
      if (held === null) {
        this.lostByBroker.push(
          `${before.seq} shows ${before.msgId} from a later time; the leader does not tell`,
        )
        continue
      }
      this.messages[i - 1] = this.#reduced(before.seq, held.time.getTime(), held.header, held.string())
      const { msgId } = this.messages[i - 1]!
      if (msgId !== before.msgId)
        this.lostByBroker.push(`a replica shows ${before.msgId} at ${before.seq}, the leader ${msgId}`)
    }
  }

  /** In order and without a hole, or not at all from there on. */
  async #readFrom(first: number, last: number, take: (message: JsMsg) => void): Promise<void> {
    if (last < first) return
    const consumer = await jetstream(this.#nc, { timeout: 2_000 }).consumers.get(this.#stream, {
      opt_start_seq: first,
      deliver_policy: 'by_start_sequence',
    })
    let next = first
    while (next <= last) {
      const batch = await consumer.fetch({ max_messages: BATCH, expires: BATCH_MS })
      const before = next
      for await (const message of batch) {
        if (message.seq > last) break
        if (message.seq < next) continue
        if (message.seq > next) this.skipped.push(`${next} to ${message.seq - 1} of epoch ${this.#epoch}`)
        take(message)
        next = message.seq + 1
      }
      if (next === before) break
    }
    await consumer.delete().catch(() => {})
  }

  #reduced(seq: number, at: number, headers: MsgHdrs | undefined, payload: string): Stored {
    const text = (name: string) => headers?.get(name) || null
    const msgId = text('Nats-Msg-Id')
    const follows = text('Nats-Expected-Last-Msg-Id')
    // In a batch the first message carries the fence of all.
    const fenced =
      follows !== null ||
      text('Nats-Expected-Last-Sequence') !== null ||
      Number(text('Nats-Batch-Sequence') ?? 1) > 1
    const floor = /^([0-9A-F]+)\.(\d+|m)$/.exec(text('Fraiseql-Floor') ?? '')
    return {
      epoch: this.#epoch,
      seq,
      at,
      msgId,
      fenced,
      follows,
      floor:
        floor === null
          ? null
          : { commitLsn: BigInt(`0x${floor[1]}`), ordinal: floor[2] === 'm' ? -1 : Number(floor[2]) },
      content: msgId === null ? payload : contentOf(payload),
    }
  }
}

/** Tries again until it works; the last error when it doesn't in time. */
async function patiently<T>(act: () => Promise<T>, limitMs: number): Promise<T> {
  const deadline = Date.now() + limitMs
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await sleep(POLL_MS)
    }
  }
}

function contentOf(payload: string): string {
  try {
    return messageContent(payload)
  } catch (error) {
    return `unreadable (${(error as Error).message}): ${payload.slice(0, 500)}`
  }
}
