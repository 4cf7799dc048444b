/**
 * Numbers keep every digit: their text is copied, never computed with. Floats come in PostgreSQL's shortest form, which
 * may have an exponent; `to_jsonb` turns them into numeric, so the exponent is written out in zeros here.
 */
import type { ByteWriter } from './bytes.ts'
import { writeString } from './encode-text.ts'
import { malformedValue } from './malformed-value.ts'

/** How int8 and numeric are written: JSON numbers, or strings for consumers that read numbers into floats. */
export type Numbers = 'number' | 'string'

const QUOTE = 0x22
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
/** Beyond what a float8 can hold; bounds the zeros that malformed text could ask for. */
const MAX_EXPONENT = 400

/** smallint to numeric. NaN and infinities become strings, whatever `quoted` says. */
export function writeNumber(
  out: ByteWriter,
  source: DataView,
  start: number,
  end: number,
  quoted: boolean,
): void {
  const length = end - start
  out.reserve(length + 2)
  const target = out.view
  let at = out.at
  let points = 0
  if (quoted) target.setUint8(at++, QUOTE)
  for (let i = start; i < end; i++) {
    const byte = source.getUint8(i)
    // Digits, a point inside, a minus in front; anything else is a special value or no number.
    if (byte > 0x39 || (byte < ZERO && byte !== POINT && (byte !== MINUS || i !== start))) {
      writeSpecial(out, source, start, end)
      return
    }
    if (byte === POINT) points++
    target.setUint8(at++, byte)
  }
  if (points > 1 || !startsWell(source, start, end)) throw malformedValue('a number has digits')
  if (quoted) target.setUint8(at++, QUOTE)
  out.at = at
}

export function writeFloat(out: ByteWriter, source: DataView, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    if (source.getUint8(i) === 0x65) {
      writeExpanded(out, source, start, i, end)
      return
    }
  }
  // numeric has no negative zero.
  if (end - start === 2 && source.getUint8(start) === MINUS && source.getUint8(start + 1) === ZERO) {
    out.byte(ZERO)
  } else writeNumber(out, source, start, end, false)
}

/** As JSON wants it: a digit, and no zero before another digit; also a digit at the end. */
function startsWell(source: DataView, start: number, end: number): boolean {
  const first = start < end && source.getUint8(start) === MINUS ? start + 1 : start
  if (first >= end || !isDigit(source.getUint8(first)) || !isDigit(source.getUint8(end - 1))) return false
  return source.getUint8(first) !== ZERO || first + 1 === end || source.getUint8(first + 1) === POINT
}

/** NaN, Infinity, -Infinity. */
function writeSpecial(out: ByteWriter, source: DataView, start: number, end: number): void {
  const sign = end > start && source.getUint8(start) === MINUS ? 1 : 0
  const length = end - start - sign
  const first = length > 0 ? source.getUint8(start + sign) : 0
  if (!(first === 0x4e && length === 3) && !(first === 0x49 && length === 8)) {
    throw malformedValue('a number has digits')
  }
  writeString(out, source, start, end)
}

/** `-1.25e-07` -> `-0.000000125`. `mark` is where the `e` stands. */
function writeExpanded(out: ByteWriter, source: DataView, start: number, mark: number, end: number): void {
  const exponent = readExponent(source, mark + 1, end)
  const negative = source.getUint8(start) === MINUS
  const digits: number[] = []
  let point = -1
  for (let i = negative ? start + 1 : start; i < mark; i++) {
    const byte = source.getUint8(i)
    if (byte === POINT && point < 0) point = digits.length
    else if (isDigit(byte)) digits.push(byte)
    else throw malformedValue('a float has digits')
  }
  if (digits.length === 0) throw malformedValue('a float has digits')
  // Digits in front of the point, once the exponent is applied.
  const whole = (point < 0 ? digits.length : point) + exponent
  out.reserve(digits.length + Math.abs(whole) + 4)
  if (negative) out.byte(MINUS)
  if (whole <= 0) {
    out.byte(ZERO)
    out.byte(POINT)
  }
  for (let i = whole; i < 0; i++) out.byte(ZERO)
  for (let i = 0; i < digits.length; i++) {
    if (i === whole && whole > 0) out.byte(POINT)
    out.byte(digits[i]!)
  }
  for (let i = digits.length; i < whole; i++) out.byte(ZERO)
}

function readExponent(source: DataView, start: number, end: number): number {
  const sign = end - start > 1 ? source.getUint8(start) : 0
  if ((sign !== MINUS && sign !== 0x2b) || end - start > 4) throw malformedValue("a float's exponent")
  let value = 0
  for (let i = start + 1; i < end; i++) {
    const byte = source.getUint8(i)
    if (!isDigit(byte)) throw malformedValue("a float's exponent")
    value = value * 10 + byte - ZERO
  }
  if (value > MAX_EXPONENT) throw malformedValue("a float's exponent")
  return sign === MINUS ? -value : value
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39
}
