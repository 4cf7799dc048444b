/**
 * How long to wait before trying again: doubling from `baseMs` to `maxMs`, each time a random point of the
 * upper half, so that many daemons that lost one server do not return at the same moment.
 */

export interface BackoffOptions {
  readonly baseMs: number
  readonly maxMs: number
  /** In [0, 1), as Math.random. */
  readonly random: () => number
}

export interface Backoff {
  /** The next delay in milliseconds; at most `maxMs`. */
  next(): number
  /** It worked: the next failure starts from `baseMs` again. */
  reset(): void
}

export function backoff({ baseMs, maxMs, random }: BackoffOptions): Backoff {
  let ceiling = Math.min(baseMs, maxMs)
  return {
    next() {
      const delay = ceiling / 2 + (ceiling / 2) * random()
      ceiling = Math.min(ceiling * 2, maxMs)
      return Math.round(delay)
    },
    reset() {
      ceiling = Math.min(baseMs, maxMs)
    },
  }
}
