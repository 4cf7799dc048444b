/**
 * Commit times as RFC 3339 in UTC with microseconds, `2024-05-06T07:08:09.123456Z`. The text of a second is kept, so
 * that events of the same second cost only their six digits.
 */
import { type ByteWriter, Constant } from './bytes.ts'

const MICROSECONDS = 1_000_000
const NULL_VALUE = new Constant('null')

export class TimestampWriter {
  #second = Number.NaN
  /** The quote, and all up to the point. */
  #text = NULL_VALUE

  /** Microseconds since 1970-01-01 UTC; quoted, or `null` where the time is not known. */
  write(out: ByteWriter, timeUs: bigint | null): void {
    if (timeUs === null) {
      out.constant(NULL_VALUE)
      return
    }
    const us = Number(timeUs)
    const exact = Number.isSafeInteger(us)
    const second = exact ? Math.floor(us / MICROSECONDS) : floorSeconds(timeUs)
    const fraction = exact ? us - second * MICROSECONDS : Number(timeUs - BigInt(second) * 1_000_000n)
    if (second !== this.#second) {
      this.#second = second
      this.#text = new Constant(`"${new Date(second * 1000).toISOString().slice(0, -'000Z'.length)}`)
    }
    out.constant(this.#text)
    out.reserve(8)
    for (let i = 5, rest = fraction; i >= 0; i--) {
      const next = (rest / 10) | 0
      out.buffer[out.at + i] = 48 + rest - next * 10
      rest = next
    }
    out.at += 6
    out.buffer[out.at++] = 0x5a
    out.buffer[out.at++] = 0x22
  }
}

/** From the year 2255 on microseconds don't fit a number exactly. */
function floorSeconds(timeUs: bigint): number {
  const quotient = timeUs / 1_000_000n
  return Number(timeUs < 0n && quotient * 1_000_000n !== timeUs ? quotient - 1n : quotient)
}
