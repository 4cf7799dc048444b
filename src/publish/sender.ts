/** Hands entries of the window to the link, alone or as an atomic batch, each with the fence and the floor of now. */
import { ByteWriter, type Constant } from '../event/bytes.ts'
import { type BatchPlace, floorLine, writeLines } from './header.ts'
import type { Lane } from './lane.ts'
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
    const fence = lane.shared ? null : lane.lastSequence
    this.#window.setSent(entry, lane.shared ? Number.NaN : ++lane.lastSequence, now)
    this.#send(entry, fence, null)
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
      this.#send(entry, fence, { id, sequence: i + 1, commit: entry === last })
    }
  }

  #send(entry: number, fence: number | null, batch: BatchPlace | null): void {
    const window = this.#window
    if (entry < this.#everSent) this.#options.counters.eventsRetried++
    else this.#everSent = entry + 1
    this.#lines.at = 0
    writeLines(this.#lines, this.#floorOf(entry), fence, batch)
    const answered = batch === null || batch.commit
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
