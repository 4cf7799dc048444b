/**
 * Progress marks that wait for messages: a mark is done when every entry that was offered before it is stored. Commits
 * come one after the other, each as a mark; only the last one that is done is worth confirming.
 */
import type { Lsn } from '../lsn.ts'

/** Marks that are done are let go of in runs of so many. */
const RUN = 4096

export class Progress {
  #at: number[] = []
  #lsn: Lsn[] = []
  #done = 0

  /** `entry`: the number that the next entry will get. */
  mark(entry: number, lsn: Lsn): void {
    const last = this.#at.length - 1
    if (last >= this.#done && this.#at[last] === entry) {
      this.#lsn[last] = lsn
      return
    }
    this.#at.push(entry)
    this.#lsn.push(lsn)
  }

  /** The last mark that is done now that all entries before `low` are stored; null: no new one. */
  reached(low: number): Lsn | null {
    const before = this.#done
    while (this.#done < this.#at.length && this.#at[this.#done]! <= low) this.#done++
    if (this.#done === before) return null
    const lsn = this.#lsn[this.#done - 1]!
    if (this.#done === this.#at.length) {
      this.#at.length = 0
      this.#lsn.length = 0
      this.#done = 0
    } else if (this.#done >= RUN) {
      this.#at = this.#at.slice(this.#done)
      this.#lsn = this.#lsn.slice(this.#done)
      this.#done = 0
    }
    return lsn
  }
}
