/**
 * For lines of the log that could come with every event: the first of its kind passes, and then one a minute, which
 * says how many there were in between. The metrics count them all.
 */
const PAUSE_MS = 60_000

export class Seldom {
  readonly #kinds = new Map<string, { readonly toldAt: number; untold: number }>()

  /** null: not now. Else how many of this kind went untold. `kind`: one of a bounded number. `now`: milliseconds. */
  pass(kind: string, now: number): number | null {
    const known = this.#kinds.get(kind)
    if (known !== undefined && now - known.toldAt < PAUSE_MS) {
      known.untold++
      return null
    }
    this.#kinds.set(kind, { toldAt: now, untold: 0 })
    return known?.untold ?? 0
  }
}
