/** Hands entries of the window to the link, alone or as an atomic batch, each with the fence and the floor of now. */
import { composeBatchHeader, composeHeader, floorLine } from './header.ts'
import type { Lane } from './lane.ts'
import type { Link } from './link.ts'
import type { Window } from './window.ts'

export interface SenderOptions {
  /** In the names of batches: this run of this daemon. */
  readonly runId: string
  readonly counters: { eventsRetried: number }
}

export class Sender {
  /** Answers to what was sent in an earlier epoch are late and count no more. */
  epoch = 0
  readonly #window: Window
  readonly #link: Link
  readonly #options: SenderOptions
  #batches = 0
  /** Entries below were sent at least once. */
  #everSent = 0
  /** The header line that says the floor, and the low end of the window that it was made for. */
  #floorLine: Uint8Array | null = null
  #floorEntry = -1

  constructor(window: Window, link: Link, options: SenderOptions) {
    this.#window = window
    this.#link = link
    this.#options = options
  }

  single(entry: number, lane: Lane, now: number): void {
    const window = this.#window
    const fence = lane.shared ? null : lane.lastSequence
    const header = composeHeader(window.head(entry), this.#floorOf(entry), fence)
    this.#sent(entry)
    window.setSent(entry, lane.shared ? Number.NaN : ++lane.lastSequence, now)
    this.#link.publish(window.subject(entry), header, window.payload(entry), this.epoch, entry)
  }

  /** At least two entries of one lane, in order. The answer comes for the last one and holds for all. */
  batch(entries: readonly number[], lane: Lane, now: number): void {
    const window = this.#window
    const fence = lane.shared ? null : lane.lastSequence
    const id = `${this.#options.runId}.${++this.#batches}`
    const first = entries[0]!
    const last = entries[entries.length - 1]!
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      const commit = entry === last
      const batch = { id, sequence: i + 1, commit }
      const header = composeBatchHeader(
        window.head(entry),
        this.#floorOf(entry),
        i === 0 ? fence : null,
        batch,
      )
      this.#sent(entry)
      window.setSent(entry, lane.shared ? Number.NaN : ++lane.lastSequence, now, first)
      this.#link.publish(
        window.subject(entry),
        header,
        window.payload(entry),
        this.epoch,
        commit ? entry : null,
      )
    }
  }

  #sent(entry: number): void {
    if (entry < this.#everSent) this.#options.counters.eventsRetried++
    else this.#everSent = entry + 1
  }

  /** What is known to be stored while this entry is sent: everything before the event of the window's low end. */
  #floorOf(entry: number): Uint8Array | null {
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
