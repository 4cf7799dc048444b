/**
 * Which messages are sent together, and when: as a chain, as an atomic batch, or, where transactions go whole, not before
 * their end. Nothing waits but for its own transaction, or while an answer is on its way.
 */
import { cutBatches, MAX_BATCH_MESSAGES } from './batch.ts'
import { BatchChoice } from './batch-choice.ts'
import { BACKLOG, type Lane } from './lane.ts'
import type { Sender } from './sender.ts'
import type { Window } from './window.ts'

/** One answer for more messages than this gains nothing; and in a small window two chains at least are under way. */
const MAX_CHAIN_MESSAGES = 128

export class Groups {
  /** Some lane takes transactions whole only. */
  readonly whole: boolean
  /** Entries below belong to transactions that were offered to their end. */
  wholeTo = 0
  readonly #window: Window
  readonly #lanes: readonly Lane[]
  readonly #sender: Sender
  /** Some lane sends any backlog in batches. */
  readonly #gathers: boolean
  /** Some lane does if it is faster. */
  readonly #measures: boolean
  readonly #choice = new BatchChoice()
  readonly #maxBatch: number
  readonly #maxChain: number

  /** `room`: a full window takes more when it holds no more messages than this. */
  constructor(window: Window, lanes: readonly Lane[], sender: Sender, room: number) {
    this.#window = window
    this.#lanes = lanes
    this.#sender = sender
    this.whole = lanes.some(lane => lane.batches === 'always')
    this.#gathers = lanes.some(lane => lane.batches === 'backlog')
    this.#measures = lanes.some(lane => lane.batches === 'measured')
    this.#maxBatch = Math.min(MAX_BATCH_MESSAGES, Math.max(1, Math.floor(room)))
    this.#maxChain = Math.min(MAX_CHAIN_MESSAGES, Math.ceil(room / 2))
  }

  /** Up to where the entries from `next` on are sent now. */
  end(next: number, inFlight: number, full: boolean): number {
    const { high } = this.#window
    if (this.whole) return this.#wholeEnd(next, full && inFlight === 0)
    const waiting = high - next
    const gathers = this.#gathers || this.#choice.batches
    if (!gathers || waiting < BACKLOG || inFlight === 0) return high
    return high - (waiting % this.#maxBatch)
  }

  /** So many messages are about to be sent. */
  decide(backlog: number): void {
    for (const lane of this.#lanes) lane.decideBatching(backlog, this.#choice.batches)
  }

  /** What the window holds may be sent singly. */
  resumed(): void {
    this.#choice.startAt(this.#window.high)
  }

  /** The stream answered. `waiting`: more is to be sent all the time. */
  answered(waiting: boolean, now: number): void {
    if (this.#measures) this.#choice.look(this.#window.low, this.#window.high, waiting, now)
  }

  /** Sends what the lanes gathered; returns how many entries that are. */
  send(now: number): number {
    let sent = 0
    for (const lane of this.#lanes) {
      if (lane.pending.length === 0) continue
      sent += lane.pending.length
      if (lane.batching) this.#sendBatches(lane, now)
      else this.#sendChains(lane, now)
      lane.pending.length = 0
    }
    return sent
  }

  /**
   * A transaction waits for its end. One that is larger than a batch goes in full batches, and one that is larger than
   * what the window has room for as it comes. `stuck`: the window is full, and no answer will make room.
   */
  #wholeEnd(next: number, stuck: boolean): number {
    const { wholeTo } = this
    const { high } = this.#window
    if (high - wholeTo <= this.#maxBatch && next <= wholeTo) return stuck && next === wholeTo ? high : wholeTo
    const from = Math.max(next, wholeTo)
    const batches = Math.floor((high - from) / this.#maxBatch)
    return batches === 0 && stuck ? high : from + batches * this.#maxBatch
  }

  #sendBatches(lane: Lane, now: number): void {
    for (const batch of cutBatches(this.#window, lane.pending, this.#maxBatch)) {
      if (batch.length === 1) this.#sender.single(batch[0]!, lane, now)
      else this.#sender.batch(batch, lane, now)
    }
  }

  #sendChains(lane: Lane, now: number): void {
    const { pending } = lane
    for (let from = 0; from < pending.length; from += this.#maxChain) {
      const to = Math.min(from + this.#maxChain, pending.length)
      this.#sender.chain(pending, from, to, lane, now)
    }
  }
}
