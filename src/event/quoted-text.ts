/**
 * The quotes inside PostgreSQL's array, composite and hstore texts: a backslash takes the next byte as it is; in
 * composites a doubled quote is one quote as well.
 * https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX
 */
import { malformedValue } from './malformed-value.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Where the quote stands that closes the text which starts at `start`, right behind its opening quote. */
export function closingQuote(source: DataView, start: number, end: number, doubled: boolean): number {
  for (let i = start; i < end; i++) {
    const byte = source.getUint8(i)
    if (byte === BACKSLASH) i++
    else if (byte === QUOTE) {
      if (!doubled || i + 1 >= end || source.getUint8(i + 1) !== QUOTE) return i
      i++
    }
  }
  throw malformedValue('a quote is not closed')
}

/** The text between the quotes: `source` itself where nothing is escaped, else a copy. */
export function unquoted(source: DataView, start: number, end: number): DataView {
  const first = escapedAt(source, start, end)
  if (first === end) return new DataView(source.buffer, source.byteOffset + start, end - start)
  const copy = new Uint8Array(end - start)
  let length = 0
  for (let i = start; i < end; i++) {
    const byte = source.getUint8(i)
    copy[length++] = (byte === BACKSLASH || byte === QUOTE) && i + 1 < end ? source.getUint8(++i) : byte
  }
  return new DataView(copy.buffer, 0, length)
}

function escapedAt(source: DataView, start: number, end: number): number {
  let i = start
  while (i < end && source.getUint8(i) !== BACKSLASH && source.getUint8(i) !== QUOTE) i++
  return i
}
