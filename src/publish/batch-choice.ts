/**
 * Whether a backlog goes in atomic batches, where nobody tells what they gain: a server that syncs each write to disk
 * (`sync_interval: always`) stores them nine times as fast as singles, another one more slowly (docs/performance.md). So
 * it is measured, for as long as messages wait for room: where singles are slow, batches are tried, and kept if they are
 * faster. A minute later singles are looked at again, as it may have been something else that was slow.
 */

/** Messages a millisecond: who stores so many singles has no use for batches. */
const ENOUGH = 20
/** Batches are kept if they are so many times as fast. */
const GAIN = 1.2
const SPAN_MS = 100
/** The best of so many spans counts, so that a server that stood still for a while is not taken for a slow one. */
const SPANS = 2
const AGAIN_MS = 60_000

export class BatchChoice {
  batches = false
  /** Messages a millisecond without batches, when last measured. */
  #singles = 0
  #changeAt = 0
  /** Entries below are not measured. */
  #before = 0
  /** Where and when the span that is being measured began; NaN: none is. */
  #from = Number.NaN
  #low = 0
  #spans = 0
  #best = 0

  /** Entries of the window are done up to `low` and known up to `high`. `waiting`: the stream is what limits. */
  look(low: number, high: number, waiting: boolean, now: number): void {
    if (!waiting || low < this.#before) {
      this.#from = Number.NaN
      return
    }
    if (Number.isNaN(this.#from)) {
      this.#from = now
      this.#low = low
      return
    }
    const span = now - this.#from
    if (span < SPAN_MS) return
    this.#from = Number.NaN
    this.#best = Math.max(this.#best, (low - this.#low) / span)
    if (++this.#spans < SPANS) return
    if (this.batches ? this.#isOver(this.#best, now) : this.#isDue(this.#best, now))
      this.batches = !this.batches
    this.startAt(high)
  }

  /** Entries below are, or were, sent some other way, and count for nothing. */
  startAt(entry: number): void {
    this.#before = entry
    this.#from = Number.NaN
    this.#spans = 0
    this.#best = 0
  }

  #isDue(rate: number, now: number): boolean {
    this.#singles = rate
    if (rate >= ENOUGH || now < this.#changeAt) return false
    this.#changeAt = now + AGAIN_MS
    return true
  }

  #isOver(rate: number, now: number): boolean {
    if (rate < this.#singles * GAIN) {
      this.#changeAt = now + AGAIN_MS
      return true
    }
    return now >= this.#changeAt
  }
}
