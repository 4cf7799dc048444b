/**
 * Reads what NATS sends before the client does: publish acks are taken out of the bytes where they lie, everything else
 * goes on to the client, one whole protocol message at a time. The client makes some ten small objects and strings of
 * each message, more than all the rest of an event's way costs.
 * https://docs.nats.io/reference/reference-protocols/nats-protocol#msg
 */

/** What the client does with its bytes. */
export interface ClientParser {
  parse(bytes: Uint8Array): void
}

/** `bytes[start, end)` is the answer to message `number` of `epoch`. Valid within the call. */
export type OnAnswer = (epoch: number, number: number, bytes: Uint8Array, start: number, end: number) => void

const SPACE = 0x20
const DOT = 0x2e
const RETURN = 0x0d
const NEWLINE = 0x0a
const ZERO = 0x30
const LETTER_H = 0x48
const LETTER_M = 0x4d

export class Answers implements ClientParser {
  readonly client: ClientParser
  readonly #prefix: Uint8Array
  readonly #onAnswer: OnAnswer
  /** Reads whose bytes are no whole protocol message yet, together `#waitingBytes`, and how many that takes at least. */
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #needed = 0
  /** Where `#number` stopped. */
  #at = 0

  /** Answers come to `inbox`, with two more tokens, epoch and number. `client` must stand between two messages. */
  constructor(client: ClientParser, inbox: string, onAnswer: OnAnswer) {
    this.client = client
    this.#prefix = Buffer.from(`MSG ${inbox}.`, 'latin1')
    this.#onAnswer = onAnswer
  }

  parse(read: Uint8Array): void {
    let bytes = read
    if (this.#waitingBytes > 0) {
      this.#waiting.push(read)
      this.#waitingBytes += read.length
      if (this.#waitingBytes < this.#needed) return
      bytes = Buffer.concat(this.#waiting)
      this.#waiting = []
      this.#waitingBytes = 0
    }
    for (let at = 0; at < bytes.length; ) {
      const end = this.#isAnswer(bytes, at) ? this.#answer(bytes, at) : this.#pass(bytes, at)
      if (end > bytes.length) {
        this.#waiting.push(bytes.subarray(at))
        this.#waitingBytes = bytes.length - at
        this.#needed = end - at
        return
      }
      at = end
    }
  }

  #isAnswer(bytes: Uint8Array, at: number): boolean {
    const prefix = this.#prefix
    if (bytes.length - at < prefix.length) return false
    for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false
    return true
  }

  /** `MSG <inbox>.<epoch>.<number> <sid> <length>`. Returns where it ends, beyond the bytes if it is not whole. */
  #answer(bytes: Uint8Array, start: number): number {
    const epoch = this.#number(bytes, start + this.#prefix.length, DOT)
    const number = this.#number(bytes, this.#at, SPACE)
    // Our subscription's number at the server.
    this.#number(bytes, this.#at, SPACE)
    const length = this.#number(bytes, this.#at, RETURN)
    const from = this.#at + 1
    const to = from + length
    // A line that is cut off leaves `#at` behind the bytes; one of another form is no answer of ours.
    if (this.#at > bytes.length) return bytes.length + 1
    if (Number.isNaN(epoch + number + length)) return this.#pass(bytes, start)
    if (to + 2 <= bytes.length) this.#onAnswer(epoch, number, bytes, from, to)
    return to + 2
  }

  /** The digits from `start` to `end`, a byte that is left behind; NaN for anything else. */
  #number(bytes: Uint8Array, start: number, end: number): number {
    let value = 0
    let at = start
    for (; at < bytes.length && bytes[at] !== end; at++) {
      const digit = bytes[at]! - ZERO
      value = digit >= 0 && digit <= 9 ? value * 10 + digit : Number.NaN
    }
    this.#at = at + 1
    return at > start ? value : Number.NaN
  }

  /** Gives the client one message. Returns where it ends, beyond the bytes if it is not whole. */
  #pass(bytes: Uint8Array, start: number): number {
    const newline = bytes.indexOf(NEWLINE, start)
    if (newline < 0) return bytes.length + 1
    const tag = bytes[start]
    const payload = tag === LETTER_M || tag === LETTER_H ? lastNumber(bytes, newline) + 2 : 0
    const end = newline + 1 + payload
    if (end <= bytes.length) this.client.parse(bytes.subarray(start, end))
    return end
  }
}

/** The digits in front of the line end: the length of what follows. */
function lastNumber(bytes: Uint8Array, newline: number): number {
  let at = newline - 1
  while (bytes[at] === RETURN || bytes[at] === SPACE) at--
  let value = 0
  for (let unit = 1; bytes[at]! >= ZERO && bytes[at]! <= ZERO + 9; at--, unit *= 10) {
    value += (bytes[at]! - ZERO) * unit
  }
  return value
}
