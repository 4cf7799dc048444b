/**
 * One value: PostgreSQL's text in, the JSON that `to_jsonb` prints for it out, byte for byte (but for the spaces
 * between elements, and json columns, which stay as they were written). Needs the session settings datestyle=ISO,
 * intervalstyle=iso_8601, extra_float_digits=3, timezone=UTC, bytea_output=hex. docs/message.md lists the exceptions.
 * Nothing is allocated for scalars: all of it is copying between two DataViews.
 */
import type { ByteWriter } from './bytes.ts'
import { writeArray, writeVector } from './encode-array.ts'
import { writeComposite } from './encode-composite.ts'
import { writeHstore } from './encode-hstore.ts'
import { type Numbers, writeFloat, writeNumber } from './encode-number.ts'
import { writeString } from './encode-text.ts'
import { writeTimestamp } from './encode-timestamp.ts'
import { malformedValue } from './malformed-value.ts'
import type { ValueType } from './value-type.ts'

/** The text from `start` to `end` of `source`. Throws PoisonError for text that is not of the type. */
export function writeValue(
  out: ByteWriter,
  type: ValueType,
  source: Buffer,
  start: number,
  end: number,
  numbers: Numbers,
): void {
  const base = source.byteOffset
  writeText(out, type, out.sourceView(source), base + start, base + end, numbers)
}

/** As `writeValue`, for a view from `ByteWriter.sourceView` and positions in it. */
export function writeText(
  out: ByteWriter,
  type: ValueType,
  source: DataView,
  start: number,
  end: number,
  numbers: Numbers,
): void {
  switch (type.kind) {
    case 'string':
    // Costs 3 ns more than copying unseen; in exchange a type that was mapped wrongly can't break the message.
    case 'plain':
      writeString(out, source, start, end)
      break
    case 'integer':
      writeNumber(out, source, start, end, false)
      break
    case 'bigint':
    case 'numeric':
      writeNumber(out, source, start, end, numbers === 'string')
      break
    case 'timestamptz':
    case 'timestamp':
      writeTimestamp(out, source, start, end, type.kind === 'timestamptz')
      break
    case 'boolean':
      writeBoolean(out, source, start, end)
      break
    case 'json':
      out.range(source, start, end)
      break
    case 'float':
      writeFloat(out, source, start, end)
      break
    case 'array':
      writeArray(out, type, source, start, end, numbers, writeText)
      break
    case 'vector':
      writeVector(out, type, source, start, end, numbers, writeText)
      break
    case 'composite':
      writeComposite(out, type, source, start, end, numbers, writeText)
      break
    case 'hstore':
      writeHstore(out, source, start, end)
      break
    case 'char':
      writeChar(out, source, start, end)
      break
  }
}

function writeBoolean(out: ByteWriter, source: DataView, start: number, end: number): void {
  const letter = end - start === 1 ? source.getUint8(start) : 0
  out.reserve(5)
  if (letter === 0x74) {
    out.view.setUint32(out.at, 0x74727565)
    out.at += 4
  } else if (letter === 0x66) {
    out.view.setUint32(out.at, 0x66616c73)
    out.view.setUint8(out.at + 4, 0x65)
    out.at += 5
  } else throw malformedValue('a boolean is t or f')
}

/** A byte that is no ASCII is written as PostgreSQL 16 and later send it themselves: `\377`. */
function writeChar(out: ByteWriter, source: DataView, start: number, end: number): void {
  const byte = end - start === 1 ? source.getUint8(start) : 0
  if (byte < 0x80) writeString(out, source, start, end)
  else out.text(`"\\\\${byte.toString(8)}"`)
}
