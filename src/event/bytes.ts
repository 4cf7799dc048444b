/**
 * Append-only bytes in slabs. Messages are cut out of a slab as views and never copied; a slab is never written
 * again once a message was cut from that part, because the NATS client keeps payloads by reference until it flushes
 * and the window keeps them until their publish ack. A full slab is left to the garbage collector.
 *
 * Use: `reserve(n)` before any run of writes that adds at most n bytes, then write through `buffer`/`at` or the
 * helpers; `begin()` ... `cut()` around one message.
 */

const SLAB_BYTES = 256 * 1024

export class ByteWriter {
  buffer: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
  /** Next byte to write, an index into `buffer`. */
  at = 0
  #start = 0

  /** A message starts here. */
  begin(): void {
    this.#start = this.at
  }

  /** Bytes written since `begin()`. */
  get length(): number {
    return this.at - this.#start
  }

  /** Forget everything since `begin()`. */
  rollback(): void {
    this.at = this.#start
  }

  /** The message since `begin()`, as a view that stays valid. The next message starts after it. */
  cut(): Uint8Array {
    const message = this.buffer.subarray(this.#start, this.at)
    this.#start = this.at
    return message
  }

  /** Make room for `bytes` more. May move the current message to a new slab: re-read `buffer` and `at` after it. */
  reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    const kept = this.at - this.#start
    const slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, 2 ** Math.ceil(Math.log2((kept + bytes) * 2))))
    this.buffer.copy(slab, 0, this.#start, this.at)
    this.buffer = slab
    this.#start = 0
    this.at = kept
  }

  byte(value: number): void {
    this.reserve(1)
    this.buffer[this.at++] = value
  }

  bytes(source: Uint8Array, start = 0, end = source.length): void {
    this.reserve(end - start)
    this.buffer.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.at)
    this.at += end - start
  }

  /** Text of any length; UTF-8. */
  text(value: string): void {
    this.reserve(value.length * 3)
    this.at += this.buffer.write(value, this.at, 'utf8')
  }
}
