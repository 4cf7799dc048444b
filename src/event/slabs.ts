/**
 * Slabs of a ByteWriter that are written again once nobody reads them any more: when every message that has a part in
 * them is done. Left to the garbage collector, they would pile up to some 64 MiB before it looks at them.
 */

export const SLAB_BYTES = 256 * 1024
/** More than these together are left to the garbage collector after all. */
const MOST_BYTES = 16 * 1024 * 1024
/** A slab that is larger than what is asked for by this factor waits for a message of its size. */
const MOST_TIMES = 4

interface Full {
  readonly slab: Buffer
  /** How many messages had begun by the time it was full. */
  readonly begun: number
}

export class Slabs {
  readonly #begun: () => number
  readonly #done: () => number
  /** In the order in which they were filled. */
  readonly #full: Full[] = []
  #fullBytes = 0

  /** `begun`: how many messages may have a part in a slab by now; `done`: how many of them, the oldest, are done. */
  constructor(begun: () => number, done: () => number) {
    this.#begun = begun
    this.#done = done
  }

  /** Takes a full slab and gives one of at least `bytes`. */
  exchange(full: Buffer, bytes: number): Buffer {
    this.#full.push({ slab: full, begun: this.#begun() })
    this.#fullBytes += full.length
    const most = Math.max(SLAB_BYTES, bytes * MOST_TIMES)
    const done = this.#done()
    for (let i = 0; i < this.#full.length && this.#full[i]!.begun <= done; i++) {
      const { length } = this.#full[i]!.slab
      if (length >= bytes && length <= most) return this.#take(i)
    }
    while (this.#fullBytes > MOST_BYTES) this.#take(0)
    return Buffer.allocUnsafeSlow(Math.max(bytes, SLAB_BYTES))
  }

  #take(index: number): Buffer {
    const [{ slab }] = this.#full.splice(index, 1) as [Full]
    this.#fullBytes -= slab.length
    return slab
  }
}
