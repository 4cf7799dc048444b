/**
 * Arrays, `{1,NULL,"a b"}`, of up to six dimensions, and the vectors of the catalog, `1 2 3`. Lower bounds (`[0:1]=`)
 * are passed over, as `to_jsonb` does. What an element is written like comes in as a function, since elements may be
 * composites that hold arrays.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
import type { ByteWriter } from './bytes.ts'
import type { Numbers } from './encode-number.ts'
import { malformedValue } from './malformed-value.ts'
import { closingQuote, unquoted } from './quoted-text.ts'
import type { ValueType } from './value-type.ts'

export type WriteText = (
  out: ByteWriter,
  type: ValueType,
  source: DataView,
  start: number,
  end: number,
  numbers: Numbers,
) => void

type ArrayType = Extract<ValueType, { kind: 'array' }>
type VectorType = Extract<ValueType, { kind: 'vector' }>

const MAX_DIMENSIONS = 6
const QUOTE = 0x22
const COMMA = 0x2c
const OPEN = 0x7b
const CLOSE = 0x7d

export function writeArray(
  out: ByteWriter,
  type: ArrayType,
  source: DataView,
  start: number,
  end: number,
  numbers: Numbers,
  write: WriteText,
): void {
  let depth = 0
  let previous: 'open' | 'value' | 'delimiter' = 'delimiter'
  let i = afterBounds(source, start, end)
  do {
    const byte = i < end ? source.getUint8(i) : 0
    if (byte === OPEN && previous !== 'value' && depth < MAX_DIMENSIONS) {
      depth++
      i++
      out.byte(0x5b)
      previous = 'open'
    } else if (byte === CLOSE && previous !== 'delimiter') {
      depth--
      i++
      out.byte(0x5d)
      previous = 'value'
    } else if (byte === type.delimiter && previous === 'value') {
      i++
      out.byte(COMMA)
      previous = 'delimiter'
    } else if (previous !== 'value' && depth > 0) {
      i = writeElement(out, type, source, i, end, numbers, write)
      previous = 'value'
    } else throw malformedValue('an array is a list in braces')
  } while (depth > 0)
  if (i !== end) throw malformedValue('an array ends with its closing brace')
}

export function writeVector(
  out: ByteWriter,
  type: VectorType,
  source: DataView,
  start: number,
  end: number,
  numbers: Numbers,
  write: WriteText,
): void {
  out.byte(0x5b)
  for (let i = start; i < end; ) {
    let stop = i
    while (stop < end && source.getUint8(stop) !== 0x20) stop++
    if (i > start) out.byte(COMMA)
    write(out, type.element, source, i, stop, numbers)
    i = stop + 1
  }
  out.byte(0x5d)
}

/** `[1:2][0:3]={...}`: where the brace stands. */
function afterBounds(source: DataView, start: number, end: number): number {
  if (start >= end || source.getUint8(start) !== 0x5b) return start
  let i = start
  while (i < end && source.getUint8(i) !== 0x3d) i++
  return i + 1
}

/** Returns the position behind the element. */
function writeElement(
  out: ByteWriter,
  { element, delimiter }: ArrayType,
  source: DataView,
  start: number,
  end: number,
  numbers: Numbers,
  write: WriteText,
): number {
  if (start < end && source.getUint8(start) === QUOTE) {
    const stop = closingQuote(source, start + 1, end, false)
    const text = unquoted(source, start + 1, stop)
    write(out, element, text, 0, text.byteLength, numbers)
    return stop + 1
  }
  let stop = start
  for (; stop < end; stop++) {
    const byte = source.getUint8(stop)
    if (byte === delimiter || byte === CLOSE) break
    if (byte === QUOTE || byte === OPEN || byte === 0x5c) throw malformedValue('an element is quoted')
  }
  if (stop === start) throw malformedValue('an element is not empty')
  if (stop - start === 4 && source.getUint32(start) === 0x4e554c4c) {
    out.reserve(4)
    out.view.setUint32(out.at, 0x6e756c6c)
    out.at += 4
  } else write(out, element, source, start, stop, numbers)
  return stop
}
