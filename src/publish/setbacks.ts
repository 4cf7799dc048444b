/**
 * How publishing fares: since when and why the oldest message is held up, and how long to wait before the next try. The
 * oldest one alone counts. What other streams store meanwhile is no progress of a stream that is stuck.
 */
import type { Refusal } from './refusal.ts'

/** Why a resume began. */
export type Reason = 'start' | 'disconnect' | 'timeout' | 'unexpected' | Refusal

export interface HeldUp {
  readonly since: number
  readonly reason: Reason
  /** Where it was met; null: everywhere. */
  readonly stream: string | null
  /** The refusal's own words, for people. */
  readonly detail: string
}

const FIRST_DELAY_MS = 20
const LONGEST_DELAY_MS = 2000

export class Setbacks {
  /** null: nothing holds the oldest message up. */
  heldUp: HeldUp | null = null
  /** Tries since the oldest message was last stored. */
  #fruitless = 0
  /** 0 <= random < 1, for jitter. */
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  /** A resume begins. */
  begin(reason: Reason, stream: string | null, detail: string, now: number): void {
    this.heldUp = { since: this.heldUp?.since ?? now, reason, stream, detail }
  }

  /** A stream could not be read. */
  unreadable(detail: string): void {
    if (this.heldUp !== null) this.heldUp = { ...this.heldUp, detail }
  }

  /** The oldest message is stored. `resuming`: the next one can't be sent yet. */
  progressed(resuming: boolean, now: number): void {
    this.#fruitless = 0
    if (this.heldUp !== null) this.heldUp = resuming ? { ...this.heldUp, since: now } : null
  }

  /** The connection is gone, and with it what it held up; not the reason to wait. */
  disconnected(): void {
    this.heldUp = null
  }

  /** Nothing waits for an answer. */
  over(): void {
    this.#fruitless = 0
    this.heldUp = null
  }

  /** Before the next try. The first one comes at once. */
  delay(): number {
    if (this.#fruitless++ === 0) return 0
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.#fruitless, 10))
    return longest / 2 + (longest / 2) * this.#random()
  }
}
