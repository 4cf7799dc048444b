/**
 * Events a second, from a total that is looked at once a second: the rate now and the last two minutes of it.
 * It belongs to the page; Prometheus makes its own rates from the counters.
 */

export const HISTORY_SECONDS = 120
/** Long enough to be steady at low rates, short enough to show a stop at once. */
const RATE_SECONDS = 5

export class RateMeter {
  readonly #rates: number[] = []
  #total: number | null = null
  #at = 0

  /** `atMs`: a monotonic clock. */
  sample(total: number, atMs: number): void {
    if (this.#total !== null && atMs > this.#at) {
      this.#rates.push(Math.max(0, ((total - this.#total) * 1_000) / (atMs - this.#at)))
      if (this.#rates.length > HISTORY_SECONDS) this.#rates.shift()
    }
    this.#total = total
    this.#at = atMs
  }

  get perSecond(): number {
    const last = this.#rates.slice(-RATE_SECONDS)
    return last.length === 0 ? 0 : last.reduce((sum, rate) => sum + rate, 0) / last.length
  }

  /** Oldest first. */
  get history(): readonly number[] {
    return this.#rates
  }
}
