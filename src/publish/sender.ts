/** Hands entries of the window to the link, alone, chained or as an atomic batch, each with the floor of now. */
import { ByteWriter, type Constant } from '../event/bytes.ts'
import { type BatchPlace, floorLine, writeFollows, writeLines } from './header.ts'
import { type Lane, NOT_SENT } from './lane.ts'
import type { Link } from './link.ts'
import type { Window } from './window.ts'

export interface SenderOptions {
  /** In the names of batches: this run of this daemon. */
  readonly runId: string
  readonly counters: { eventsRetried: number }
}

/** More than the lines of any message. */
const LINES_BYTES = 512

export class Sender {
  /** Answers to what was sent in an earlier epoch are late and count no more. */
  epoch = 0
  readonly #window: Window
  readonly #link: Link
  readonly #options: SenderOptions
  #batches = 0
  /** The lines of the message that is being sent. */
  readonly #lines = new ByteWriter(LINES_BYTES)
  /** Entries below were sent at least once. */
  #everSent = 0
  /** The header line that says the floor, and the low end of the window that it was made for. */
  #floorLine: Constant | null = null
  #floorEntry = -1

  constructor(window: Window, link: Link, options: SenderOptions) {
    this.#window = window
    this.#link = link
    this.#options = options
  }

  single(entry: number, lane: Lane, now: number): void {
    this.#fenced(entry, lane, now, entry, true)
  }

  /**
   * Entries `from` to `to - 1` of the list, of one lane that is chained, in order. Only the last one asks for an answer,
   * which holds for all: none is stored but right behind the one before it.
   */
  chain(entries: readonly number[], from: number, to: number, lane: Lane, now: number): void {
    const first = entries[from]!
    for (let i = from; i < to; i++) this.#fenced(entries[i]!, lane, now, first, i === to - 1)
  }

  /** At least two entries of one lane, in order. The answer comes for the last one and holds for all. */
  batch(entries: readonly number[], lane: Lane, now: number): void {
    const window = this.#window
    const id = `${this.#options.runId}.${++this.#batches}`
    const first = entries[0]!
    const last = entries[entries.length - 1]!
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      const fence = i > 0 || lane.shared ? null : lane.lastSequence
      window.setSent(entry, lane.shared ? Number.NaN : ++lane.lastSequence, now, first)
      const commit = entry === last
      this.#send(entry, fence, null, { id, sequence: i + 1, commit }, commit)
    }
    lane.lastSent = NOT_SENT
  }

  #fenced(entry: number, lane: Lane, now: number, group: number, answered: boolean): void {
    const window = this.#window
    // What is not in the window any more was stored just where it should be, so the sequence says as much.
    const follows = lane.chained && lane.lastSent >= window.low ? lane.lastSent : null
    const fence = lane.shared || follows !== null ? null : lane.lastSequence
    window.setSent(entry, lane.shared ? Number.NaN : ++lane.lastSequence, now, group)
    lane.lastSent = entry
    this.#send(entry, fence, follows, null, answered)
  }

  #send(
    entry: number,
    fence: number | null,
    follows: number | null,
    batch: BatchPlace | null,
    answered: boolean,
  ): void {
    const window = this.#window
    if (entry < this.#everSent) this.#options.counters.eventsRetried++
    else this.#everSent = entry + 1
    this.#lines.at = 0
    writeLines(this.#lines, this.#floorOf(entry), fence, batch)
    if (follows !== null) writeFollows(this.#lines, window.slab(follows), window.start(follows))
    this.#link.publish(window, entry, this.#lines, this.epoch, answered)
  }

  /** What is known to be stored while this entry is sent: everything before the event of the window's low end. */
  #floorOf(entry: number): Constant | null {
    const window = this.#window
    const { low } = window
    if (entry === low) return null
    if (this.#floorEntry !== low) {
      this.#floorEntry = low
      this.#floorLine = floorLine({ commitLsn: window.commitLsn(low), ordinal: window.ordinal(low) })
    }
    return this.#floorLine
  }
}
