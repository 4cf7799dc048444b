/**
 * When changes come late and one by one, a moment without reading, after which many come in one read.
 *
 * A transaction that is read by itself wakes a chain of processes for a few microseconds of work. On a busy machine that
 * takes the processor from the walsender, so that the next one comes by itself again, and later: without rest, 5,000
 * transactions a second fell behind by 100 ms and more, again and again (docs/performance.md).
 */

/** A change that was sent so long after its commit is late. */
const LATE_US = 1_000
/** A turn of the event loop that brought more than this is work enough. */
const FEW_BYTES = 16 * 1024
const REST_MS = 1

export class Pace {
  readonly #rest: (ms: number) => void
  #late = false
  #bytes = 0
  #turning = false

  /** `rest`: do not read for so long. */
  constructor(rest: (ms: number) => void) {
    this.#rest = rest
  }

  /** A transaction begins. Both times by PostgreSQL's clock, in microseconds: of its commit, and of its sending. */
  transaction(committedUs: number, sentUs: number): void {
    this.#late = sentUs - committedUs > LATE_US
  }

  /** A read was worked through. TLS gives several small ones in one turn of the event loop. */
  read(bytes: number): void {
    if (!this.#late) return
    this.#bytes += bytes
    if (this.#turning) return
    this.#turning = true
    setImmediate(this.#turned)
  }

  readonly #turned = (): void => {
    if (this.#bytes < FEW_BYTES) this.#rest(REST_MS)
    this.#bytes = 0
    this.#turning = false
  }
}
