/**
 * hstore, `"a"=>"1", "b"=>NULL`, as its own cast to json gives it: an object of strings and nulls. Its keys are unique
 * and in the order of jsonb already.
 * https://www.postgresql.org/docs/current/hstore.html
 */
import type { ByteWriter } from './bytes.ts'
import { writeString } from './encode-text.ts'
import { malformedValue } from './malformed-value.ts'
import { closingQuote, unquoted } from './quoted-text.ts'

const QUOTE = 0x22

export function writeHstore(out: ByteWriter, source: DataView, start: number, end: number): void {
  out.byte(0x7b)
  for (let i = start; i < end; ) {
    if (i > start) {
      if (end - i < 2 || source.getUint16(i) !== 0x2c20) throw malformedValue('an hstore has pairs')
      i += 2
      out.byte(0x2c)
    }
    i = writeQuoted(out, source, i, end)
    if (end - i < 2 || source.getUint16(i) !== 0x3d3e) throw malformedValue('an hstore has pairs')
    i += 2
    out.byte(0x3a)
    if (end - i >= 4 && source.getUint32(i) === 0x4e554c4c) {
      out.text('null')
      i += 4
    } else i = writeQuoted(out, source, i, end)
  }
  out.byte(0x7d)
}

function writeQuoted(out: ByteWriter, source: DataView, start: number, end: number): number {
  if (start >= end || source.getUint8(start) !== QUOTE) throw malformedValue('an hstore has quoted text')
  const stop = closingQuote(source, start + 1, end, false)
  const text = unquoted(source, start + 1, stop)
  writeString(out, text, 0, text.byteLength)
  return stop + 1
}
