/**
 * Slabs of a ByteWriter that are written again once nobody reads them any more: when every message that has a part in
 * them is done. Left to the garbage collector, they would pile up to some 64 MiB before it looks at them.
 */

export const SLAB_BYTES = 256 * 1024
/** More than these are left to the garbage collector after all. */
const MOST = 16

export class Slabs {
  readonly #begun: () => number
  readonly #done: () => number
  /** In the order in which they were filled, each with the number of messages that had begun by then. */
  readonly #full: { readonly slab: Buffer; readonly begun: number }[] = []

  /** `begun`: how many messages may have a part in a slab by now; `done`: how many of them, the oldest, are done. */
  constructor(begun: () => number, done: () => number) {
    this.#begun = begun
    this.#done = done
  }

  /** Takes a full slab and gives one of at least `bytes`. */
  exchange(full: Buffer, bytes: number): Buffer {
    if (full.length === SLAB_BYTES) this.#full.push({ slab: full, begun: this.#begun() })
    const oldest = this.#full[0]
    if (oldest !== undefined && bytes <= SLAB_BYTES && oldest.begun <= this.#done()) {
      this.#full.shift()
      return oldest.slab
    }
    if (this.#full.length > MOST) this.#full.shift()
    return Buffer.allocUnsafeSlow(Math.max(bytes, SLAB_BYTES))
  }
}
