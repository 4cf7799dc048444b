/**
 * Rows as JSON objects, keys in the order of the columns. What can be known of a table ahead of its rows (the bytes of
 * each key, the columns that identify a row) is prepared once per relation; per value only bytes are copied.
 */
import { type ByteWriter, Constant } from './bytes.ts'
import type { Numbers } from './encode-number.ts'
import { writeEscaped } from './encode-text.ts'
import { writeText } from './encode-value.ts'
import { type Column, type Relation, type Row, TEXT, UNCHANGED } from './event.ts'
import { malformedValue } from './malformed-value.ts'
import type { ValueType } from './value-type.ts'

/** From here on a native comparison wins over a loop of words. */
const NATIVE_COMPARE_BYTES = 320
const QUOTE = 0x22
const COMMA = 0x2c
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d
const BRACKET_OPEN = 0x5b
const NULL_VALUE = new Constant('null')
const OLD = new Constant('{"old":')
const NEW = new Constant(',"new":')

/**
 * The columns whose values name a row: `id`, else the key. Nothing where the replica identity is full (then all
 * columns are its key) or nothing, and there is no `id`.
 */
export function identityColumns({ columns, replicaIdentity }: Relation): number[] {
  const id = columns.findIndex(column => column.name === 'id')
  if (id >= 0) return [id]
  if (replicaIdentity !== 'key') return []
  return columns.flatMap((column, index) => (column.key ? [index] : []))
}

/** What is written of a column whatever its value: `,"name":`, `,"name":null` and `,"name"`. */
interface ColumnText {
  readonly key: Constant
  readonly nothing: Constant
  readonly name: Constant
}

/** So many different sets of columns, or names, are known at once. */
const MOST_KNOWN = 10_000

/**
 * One encoder for all tables with the same columns, such as those of many tenants, and one text for all columns of the
 * same name: where each row is of another table, less has to be fetched from memory for it.
 */
export class RowEncoders {
  readonly #numbers: Numbers
  readonly #placeholder: Constant | null
  readonly #texts = new Map<string, ColumnText>()
  readonly #encoders = new Map<string, RowEncoder>()

  /** `placeholder`: JSON that stands for values that are not known; null: such columns are left out. */
  constructor(numbers: Numbers, placeholder: Constant | null = null) {
    this.#numbers = numbers
    this.#placeholder = placeholder
  }

  of(relation: Relation): RowEncoder {
    const { columns, replicaIdentity } = relation
    const signature = JSON.stringify([replicaIdentity, columns.map(({ name, key }) => [name, key])])
    const known = this.#encoders.get(signature)
    if (known?.fits(columns)) return known
    const texts = columns.map(({ name }) => this.#textOf(name))
    const encoder = new RowEncoder(relation, texts, this.#numbers, this.#placeholder)
    if (this.#encoders.size >= MOST_KNOWN) this.#encoders.clear()
    this.#encoders.set(signature, encoder)
    return encoder
  }

  #textOf(name: string): ColumnText {
    const known = this.#texts.get(name)
    if (known !== undefined) return known
    const json = JSON.stringify(name)
    const text = {
      key: new Constant(`,${json}:`),
      nothing: new Constant(`,${json}:null`),
      name: new Constant(`,${json}`),
    }
    if (this.#texts.size >= MOST_KNOWN) this.#texts.clear()
    this.#texts.set(name, text)
    return text
  }
}

export class RowEncoder {
  readonly #columns: readonly Column[]
  readonly #types: readonly ValueType[]
  readonly #texts: readonly ColumnText[]
  readonly #identity: readonly number[]
  readonly #numbers: Numbers
  readonly #placeholder: Constant | null

  constructor(
    relation: Relation,
    texts: readonly ColumnText[],
    numbers: Numbers,
    placeholder: Constant | null,
  ) {
    this.#columns = relation.columns
    this.#types = relation.columns.map(column => column.type)
    this.#texts = texts
    this.#identity = identityColumns(relation)
    this.#numbers = numbers
    this.#placeholder = placeholder
  }

  /** Whether it encodes rows of these columns too, if they have the same names and key. */
  fits(columns: readonly Column[]): boolean {
    return columns.every(({ type }, c) => type === this.#types[c])
  }

  /**
   * `row`, or `null` without one. Values that PostgreSQL did not send are taken from `old`, a row or a key, where it has
   * them. Returns how many columns were not known. `keyOnly`: only the key's columns are known, and a key is never null.
   */
  writeRow(out: ByteWriter, row: Row | null, old: Row | null, keyOnly: boolean): number {
    if (row === null) {
      out.constant(NULL_VALUE)
      return 0
    }
    const count = row.count
    if (count !== this.#columns.length) throw malformedValue('a row has the columns of its table')
    const begin = out.length
    const { state, start, end } = row
    const source = out.sourceView(row.source)
    const base = row.source.byteOffset
    let unknown = 0
    for (let c = 0; c < count; c++) {
      if (state[c] === TEXT) {
        out.constant(this.#texts[c]!.key)
        writeText(out, this.#types[c]!, source, base + start[c]!, base + end[c]!, this.#numbers)
      } else if (state[c] === UNCHANGED) {
        unknown += this.#writeOld(out, c, old)
      } else if (!keyOnly) out.constant(this.#texts[c]!.nothing)
    }
    closeList(out, begin, BRACE_OPEN, BRACE_CLOSE)
    return unknown
  }

  /** `{column:{old,new}}` of the columns that differ, of two rows that are known whole. */
  writeChanges(out: ByteWriter, before: Row, after: Row): void {
    const begin = out.length
    for (let c = 0; c < this.#columns.length; c++) {
      if (before.state[c] === UNCHANGED || after.state[c] === UNCHANGED || isSame(out, before, after, c))
        continue
      out.constant(this.#texts[c]!.key)
      out.constant(OLD)
      this.#writeColumn(out, before, c)
      out.constant(NEW)
      this.#writeColumn(out, after, c)
      out.byte(BRACE_CLOSE)
    }
    closeList(out, begin, BRACE_OPEN, BRACE_CLOSE)
  }

  /** The names of the columns that `writeRow` did not know. */
  writeUnknown(out: ByteWriter, row: Row, old: Row | null): void {
    const begin = out.length
    for (let c = 0; c < row.count; c++) {
      if (row.state[c] === UNCHANGED && !isKnown(old, c)) out.constant(this.#texts[c]!.name)
    }
    closeList(out, begin, BRACKET_OPEN, 0x5d)
  }

  /** The text that names the row, as a JSON string: the identity's values, joined by commas; `null` if not known. */
  writeIdentity(out: ByteWriter, row: Row | null, old: Row | null): void {
    const identity = this.#identity
    if (row === null || identity.length === 0) {
      out.constant(NULL_VALUE)
      return
    }
    const begin = out.length
    out.byte(QUOTE)
    for (let i = 0; i < identity.length; i++) {
      const c = identity[i]!
      const from = row.state[c] === UNCHANGED && old !== null ? old : row
      if (from.state[c] !== TEXT) {
        out.truncate(begin)
        out.constant(NULL_VALUE)
        return
      }
      if (i > 0) out.byte(COMMA)
      const base = from.source.byteOffset
      writeEscaped(out, out.sourceView(from.source), base + from.start[c]!, base + from.end[c]!)
    }
    out.byte(QUOTE)
  }

  /** Returns 1 if the value is not known. */
  #writeOld(out: ByteWriter, c: number, old: Row | null): number {
    const known = isKnown(old, c)
    if (!known && this.#placeholder === null) return 1
    out.constant(this.#texts[c]!.key)
    if (known) this.#writeColumn(out, old!, c)
    else out.constant(this.#placeholder!)
    return known ? 0 : 1
  }

  #writeColumn(out: ByteWriter, row: Row, c: number): void {
    if (row.state[c] === TEXT) {
      const base = row.source.byteOffset
      const source = out.sourceView(row.source)
      writeText(out, this.#types[c]!, source, base + row.start[c]!, base + row.end[c]!, this.#numbers)
    } else out.constant(NULL_VALUE)
  }
}

/** An unchanged value is no null: one in its place stands for a column that the old key does not have. */
function isKnown(old: Row | null, c: number): boolean {
  return old !== null && c < old.count && old.state[c] === TEXT
}

/** Every item began with a comma: the first becomes the opening bracket. */
function closeList(out: ByteWriter, begin: number, open: number, close: number): void {
  const length = out.length - begin
  if (length === 0) out.byte(open)
  else out.view.setUint8(out.at - length, open)
  out.byte(close)
}

function isSame(out: ByteWriter, a: Row, b: Row, c: number): boolean {
  if (a.state[c] !== b.state[c]) return false
  if (a.state[c] !== TEXT) return true
  const start = a.start[c]!
  const length = a.end[c]! - start
  if (length !== b.end[c]! - b.start[c]!) return false
  if (length >= NATIVE_COMPARE_BYTES) {
    return a.source.compare(b.source, b.start[c]!, b.end[c]!, start, a.end[c]!) === 0
  }
  const one = out.sourceView(a.source)
  const other = out.sourceView(b.source)
  let i = a.source.byteOffset + start
  let k = b.source.byteOffset + b.start[c]!
  const end = i + length
  for (; i + 4 <= end; i += 4, k += 4) if (one.getInt32(i) !== other.getInt32(k)) return false
  for (; i < end; i++, k++) if (one.getUint8(i) !== other.getUint8(k)) return false
  return true
}
