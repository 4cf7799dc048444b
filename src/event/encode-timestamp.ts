/**
 * timestamp and timestamptz, from PostgreSQL's ISO style to the ISO 8601 that JsonEncodeDateTime writes: `T` between
 * date and time, and a zone that always has minutes. `infinity`, years beyond 9999 and ` BC` pass as they are.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/json.c
 */
import type { ByteWriter } from './bytes.ts'
import { writeEscaped, writeString } from './encode-text.ts'

const SPACE = 0x20
const COLON = 0x3a
const LETTER_C = 0x43
const DATE_BYTES = 10

/** `2024-05-06 07:08:09.1+00` -> `"2024-05-06T07:08:09.1+00:00"`; without `zoned` only the `T` is put in. */
export function writeTimestamp(
  out: ByteWriter,
  source: DataView,
  start: number,
  end: number,
  zoned: boolean,
): void {
  const space = findSpace(source, start, end)
  // Only ` BC` follows a time.
  const tail = space < end && source.getUint8(end - 1) === LETTER_C ? findSpace(source, space + 1, end) : end
  writeString(out, source, start, tail)
  if (space === end) return
  const middle = out.at - 1 - (tail - space)
  // Nothing is escaped in a time, so the space is where it is looked for.
  if (out.view.getUint8(middle) === SPACE) out.view.setUint8(middle, 0x54)
  const minutes = zoned && tail - 3 > space && source.getUint8(tail - 3) !== COLON
  if (tail === end && !minutes) return
  out.at-- // the closing quote, for what still follows
  out.reserve(3)
  if (minutes) {
    out.view.setUint8(out.at, COLON)
    out.view.setUint16(out.at + 1, 0x3030)
    out.at += 3
  }
  if (tail < end) writeEscaped(out, source, tail, end)
  out.byte(0x22)
}

/** The time stands behind the date's 10 characters, or a few more beyond the year 9999. */
function findSpace(source: DataView, start: number, end: number): number {
  let i =
    end - start > DATE_BYTES && source.getUint8(start + DATE_BYTES) === SPACE ? start + DATE_BYTES : start
  while (i < end && source.getUint8(i) !== SPACE) i++
  return i
}
