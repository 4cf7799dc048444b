/**
 * What the messages of changes must say. The rows are made by PostgreSQL itself: its texts go back into a row of the
 * table's columns, and `to_jsonb` of that is what the message must hold.
 */
import type pg from 'pg'
import { canonical, type Json, parseExactly } from './canonical.ts'
import type { Change, Table, Values } from './decoder.ts'

type JsonRow = Readonly<Record<string, Json>>

const ROWS_AT_ONCE = 1_000

export class RowTexts {
  readonly #client: pg.Client
  readonly #types = new Map<number, string>()

  constructor(client: pg.Client) {
    this.#client = client
  }

  /** Canonical JSON of what each message must say; in the order of `changes`. */
  async contents(changes: readonly Change[]): Promise<string[]> {
    const rows = new Map<Values, JsonRow>()
    const byTable = new Map<Table, Values[]>()
    for (const { table, after, before } of changes) {
      if (table === null) continue
      const list = byTable.get(table) ?? []
      for (const values of [after, before]) if (values !== null) list.push(values)
      byTable.set(table, list)
    }
    for (const [table, list] of byTable) {
      for (let from = 0; from < list.length; from += ROWS_AT_ONCE) {
        const some = list.slice(from, from + ROWS_AT_ONCE)
        const texts = await this.#toJsonb(table, some)
        for (const [i, values] of some.entries()) rows.set(values, texts[i]!)
      }
    }
    return changes.map(change => canonical(expectedContent(change, rows)))
  }

  async #toJsonb({ columns }: Table, list: readonly Values[]): Promise<JsonRow[]> {
    await this.#loadTypes(columns.map(({ type }) => type))
    const names = columns.map((_, i) => `c${i}`)
    const casts = columns.map(({ name, type }, i) => `c${i}::${this.#types.get(type)} AS "${name}"`)
    const { rows } = await this.#client.query<{ text: string }>(
      `SELECT to_jsonb(r)::text AS text
       FROM unnest(${names.map((_, i) => `$${i + 1}::text[]`).join(', ')}) WITH ORDINALITY AS u (${names.join(', ')}, i),
            LATERAL (SELECT ${casts.join(', ')}) AS r
       ORDER BY u.i`,
      columns.map((_, i) => list.map(values => values[i] ?? null)),
    )
    return rows.map(({ text }) => parseExactly(text) as JsonRow)
  }

  async #loadTypes(oids: readonly number[]): Promise<void> {
    const missing = oids.filter(oid => !this.#types.has(oid))
    if (missing.length === 0) return
    const { rows } = await this.#client.query<{ oid: number; name: string }>(
      'SELECT oid::int, format_type(oid, NULL) AS name FROM pg_type WHERE oid = ANY ($1::oid[])',
      [missing],
    )
    for (const { oid, name } of rows) this.#types.set(oid, name)
  }
}

function expectedContent(change: Change, rows: ReadonlyMap<Values, JsonRow>): Json {
  const { operation, table, xid, commitLsn, ordinal, flags, prefix, content } = change
  const place = {
    id: ordinal < 0 ? null : String(xid),
    lsn: spelled(commitLsn),
    ordinal: String(Math.max(ordinal, 0)),
  }
  if (table === null) return { operation, place, prefix, content }
  const head = { operation, place, schema: table.schema, table: table.name }
  if (operation === 'TRUNCATE') return { ...head, cascade: (flags & 1) !== 0, restart: (flags & 2) !== 0 }
  const { data, unchanged } = operation === 'DELETE' ? oldRow(change, rows) : newRow(change, rows)
  return { ...head, data, unchanged, changes: changesOf(change, data, rows) }
}

function oldRow({ table, before, beforeIsKey }: Change, rows: ReadonlyMap<Values, JsonRow>) {
  const row = rows.get(before!)!
  const known = table!.columns.filter(({ key }) => !beforeIsKey || key).map(({ name }) => name)
  return { data: picked(row, known), unchanged: [] as string[] }
}

/** What the old row or key has of unchanged values is known; a null is a column that the old key does not have. */
function newRow({ table, after, before }: Change, rows: ReadonlyMap<Values, JsonRow>) {
  const old = before === null ? null : rows.get(before)!
  const row = { ...rows.get(after!)! }
  const unchanged: string[] = []
  table!.columns.forEach(({ name }, i) => {
    if (after![i] !== undefined) return
    if (old !== null && before![i] !== undefined && before![i] !== null) row[name] = old[name]!
    else unchanged.push(name)
  })
  const known = table!.columns.map(({ name }) => name).filter(name => !unchanged.includes(name))
  return { data: picked(row, known), unchanged: unchanged.sort() }
}

/** Old and new of the columns that differ, where the whole old row is known. */
function changesOf(
  { operation, before, beforeIsKey }: Change,
  data: JsonRow,
  rows: ReadonlyMap<Values, JsonRow>,
): Json {
  if (operation !== 'UPDATE' || before === null || beforeIsKey) return null
  const old = rows.get(before)!
  const differing = Object.keys(data).filter(name => canonical(old[name]!) !== canonical(data[name]!))
  return Object.fromEntries(differing.map(name => [name, { old: old[name]!, new: data[name]! }]))
}

function picked(row: JsonRow, names: readonly string[]): JsonRow {
  return Object.fromEntries(names.map(name => [name, row[name]!]))
}

/** As PostgreSQL writes positions. */
export function spelled(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`
}
