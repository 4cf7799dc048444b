/**
 * The one source of chance: mulberry32, seeded, so that a seed is a schedule. 32 bits of state are plenty for it and
 * make it the cheapest part of the simulation.
 */
export class Random {
  #state: number

  constructor(seed: number) {
    // Neighbouring seeds must not give neighbouring schedules.
    this.#state = Math.imul(seed ^ (seed >>> 16) ^ Math.floor(seed / 2 ** 32), 0x45d9f3b) | 0
    this.bits()
  }

  /** 32 bits, unsigned. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }

  /** 0 <= result < limit. */
  below(limit: number): number {
    return Math.floor((this.bits() / 2 ** 32) * limit)
  }

  chance(probability: number): boolean {
    return this.bits() < probability * 2 ** 32
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }
}
