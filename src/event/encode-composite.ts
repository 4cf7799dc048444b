/**
 * Composite values, `(1,"a ""b""",)`, as JSON objects. `to_jsonb` gives a jsonb value, whose keys stand in jsonb's own
 * order (shorter names first, then by bytes), so the fields are put into that order after they are written.
 * https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX
 */
import { type ByteWriter, Constant } from './bytes.ts'
import type { WriteText } from './encode-array.ts'
import type { Numbers } from './encode-number.ts'
import { malformedValue } from './malformed-value.ts'
import { closingQuote, unquoted } from './quoted-text.ts'
import type { ValueType } from './value-type.ts'

type CompositeType = Extract<ValueType, { kind: 'composite' }>

interface Layout {
  /** `,"name":` for each field. */
  readonly keys: readonly Constant[]
  /** Fields in jsonb's order; null where that is the declared one. */
  readonly order: readonly number[] | null
}

const QUOTE = 0x22
const COMMA = 0x2c
const CLOSE = 0x29
const NULL_VALUE = new Constant('null')

const layouts = new WeakMap<CompositeType, Layout>()

export function writeComposite(
  out: ByteWriter,
  type: CompositeType,
  source: DataView,
  start: number,
  end: number,
  numbers: Numbers,
  write: WriteText,
): void {
  const layout = layoutOf(type)
  const begin = out.length
  const starts: number[] = []
  let i = start
  if (end - start < 2 || source.getUint8(start) !== 0x28)
    throw malformedValue('a composite is in parentheses')
  for (let field = 0; field < type.fields.length; field++) {
    starts.push(out.length)
    out.constant(layout.keys[field]!)
    // A row from before ALTER TYPE ... ADD ATTRIBUTE is shorter; PostgreSQL reads what is missing as null.
    if (field > 0 && i === end - 1) out.constant(NULL_VALUE)
    else i = writeField(out, type.fields[field]!.type, source, i + 1, end, numbers, write)
  }
  if (type.fields.length === 0) {
    out.byte(COMMA)
    i++
  }
  if (i !== end - 1 || source.getUint8(i) !== CLOSE)
    throw malformedValue('a composite has the fields of its type')
  if (layout.order !== null) reorder(out, [...starts, out.length], layout.order)
  out.view.setUint8(out.at - (out.length - begin), 0x7b)
  out.byte(0x7d)
}

/** Keys as PostgreSQL sorts them in jsonb: by length in bytes, then by bytes. */
function layoutOf(type: CompositeType): Layout {
  const known = layouts.get(type)
  if (known !== undefined) return known
  const names = type.fields.map(field => Buffer.from(field.name, 'utf8'))
  const order = names
    .map((_, index) => index)
    .sort((a, b) => names[a]!.length - names[b]!.length || Buffer.compare(names[a]!, names[b]!))
  const layout: Layout = {
    keys: type.fields.map(field => new Constant(`,${JSON.stringify(field.name)}:`)),
    order: order.every((field, index) => field === index) ? null : order,
  }
  layouts.set(type, layout)
  return layout
}

/** Returns the position of the comma or parenthesis behind the field. */
function writeField(
  out: ByteWriter,
  type: ValueType,
  source: DataView,
  start: number,
  end: number,
  numbers: Numbers,
  write: WriteText,
): number {
  let text = source
  let from = start
  let to = start
  let after = start
  if (start < end && source.getUint8(start) === QUOTE) {
    const stop = closingQuote(source, start + 1, end, true)
    text = unquoted(source, start + 1, stop)
    from = 0
    to = text.byteLength
    after = stop + 1
  } else {
    while (to < end && source.getUint8(to) !== COMMA && source.getUint8(to) !== CLOSE) to++
    after = to
  }
  const next = after < end ? source.getUint8(after) : 0
  if (next !== COMMA && next !== CLOSE) throw malformedValue('a field ends with a comma or parenthesis')
  if (after === start) out.constant(NULL_VALUE)
  else if (type.kind === 'json') writeJson(out, text, from, to)
  else write(out, type, text, from, to, numbers)
  return after
}

/** json in a composite is looked at: if the type was altered meanwhile, other text may stand in its place. */
function writeJson(out: ByteWriter, source: DataView, start: number, end: number): void {
  try {
    JSON.parse(Buffer.from(source.buffer, source.byteOffset + start, end - start).toString('utf8'))
  } catch {
    throw malformedValue('a json field holds JSON')
  }
  out.range(source, start, end)
}

/** `bounds`: where the fields start, and the end of the last, as lengths of the message. */
function reorder(out: ByteWriter, bounds: readonly number[], order: readonly number[]): void {
  const begin = bounds[0]!
  const origin = out.at - out.length
  const copy = Buffer.from(out.buffer.subarray(origin + begin, out.at))
  out.truncate(begin)
  for (const field of order) out.bytes(copy, bounds[field]! - begin, bounds[field + 1]! - begin)
}
