/**
 * The oracle: rows of every type, edge values and random ones, encoded from PostgreSQL's text as the program does it,
 * are what `to_jsonb(row)` prints on the same server, to the last digit. Compared as text, spaces between tokens aside.
 * Exceptions, and docs/message.md says so: json columns are verbatim (to_jsonb normalizes them).
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { builtinType } from '../../src/event/builtin-types.ts'
import { ByteWriter } from '../../src/event/bytes.ts'
import { type RowEncoder, RowEncoders } from '../../src/event/encode-row.ts'
import { NULL, type Relation, type Row, TEXT } from '../../src/event/event.ts'
import type { ValueType } from '../../src/event/value-type.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { arrays, composites, type Literal, scalars } from './to-jsonb-random.ts'
import { BUILTIN_CASES, EXTENSION_CASES, TEXTS, type TypeCase, WITHOUT_LITERALS } from './to-jsonb-values.ts'

const SEED = 20_240_506
const ROWS = 3_000
const BATCH = 500

const SETTINGS =
  '-c datestyle=ISO -c intervalstyle=iso_8601 -c extra_float_digits=3 -c timezone=UTC -c bytea_output=hex'

const OWN_TYPES = `
  CREATE TABLE "we ""ird\\" ();
  CREATE TYPE mood AS ENUM ('sad', 'o"k', 'h\\appy,', '{x}', ' ', 'NULL');
  CREATE DOMAIN amount AS numeric(30, 10);
  CREATE DOMAIN words AS text[];
  CREATE TYPE textrange AS RANGE (subtype = text);
  CREATE TYPE nothing AS ();
  CREATE TYPE line_item AS (zz int4, a text, "B ""q""\\ä" numeric, ts timestamptz, js jsonb, f float8, m mood);
  CREATE DOMAIN item_domain AS line_item;
  CREATE TYPE basket AS (item item_domain, items line_item[], words words, ok bool, v int2vector);`

interface Column extends TypeCase {
  readonly type: ValueType
  readonly values: fc.Arbitrary<Literal>
}

let server: PostgresServer
let client: pg.Client

before(async () => {
  server = await startPostgres()
  client = new pg.Client({
    connectionString: server.url,
    options: SETTINGS,
    types: { getTypeParser: () => (text: string) => text },
  })
  await client.connect()
  await client.query(OWN_TYPES)
})

after(async () => {
  await client?.end()
  await server?.stop()
})

test('every type of the server is tried, or is one that no literal makes', async () => {
  const { rows } = await client.query<{ name: string; oid: string; array: string }>(
    `SELECT typname AS name, oid::text, typarray::text AS array FROM pg_type
     WHERE typtype IN ('b', 'r', 'm') AND typname NOT LIKE '\\_%' AND oid < 16384`,
  )
  const tried = new Set(BUILTIN_CASES.map(({ sql }) => sql.replace(/\(\d+\)$/, '').replaceAll('"', '')))
  for (const { name, oid, array } of rows) {
    assert.notEqual(builtinType(Number(oid)), undefined, name)
    if (array !== '0') assert.equal(builtinType(Number(array))?.kind, 'array', name)
    assert.ok(tried.has(name) || WITHOUT_LITERALS.has(name), `no case for ${name}`)
  }
  assert.ok(rows.length > 70)
})

test(`${ROWS} rows of all types give the JSON of to_jsonb (seed ${SEED})`, async () => {
  const columns = await allColumns()
  const encoder = new RowEncoders('number').of(relationOf(columns))
  const texts = columns.map((column, index) =>
    fc.sample(fc.option(column.values, { freq: 20 }), { seed: SEED + index, numRuns: ROWS }),
  )
  const list = columns.map((_, index) => `u${index}`)
  const query = `SELECT q.*, to_jsonb(q)::text AS json
    FROM (SELECT ${columns.map(({ sql }, index) => `u${index}::${sql} AS ${nameOf(index)}`).join()}
      FROM unnest(${list.map((_, index) => `$${index + 1}::text[]`).join()}) AS u(${list.join()})) q`
  for (let from = 0; from < ROWS; from += BATCH) {
    const values = texts.map(column => column.slice(from, from + BATCH))
    const { rows } = await client.query<Literal[]>({ text: query, values, rowMode: 'array' })
    assert.equal(rows.length, BATCH)
    for (const row of rows) compareRow(encoder, columns, row)
  }
})

test('json stays as it was written, in arrays too', async () => {
  const text = '{ "b" : 1.50,\n\t"a":[1e3 ,2], "b": "\\u0041" }'
  const query = { text: 'SELECT $1::json, ARRAY[$1::json, NULL]', values: [text], rowMode: 'array' as const }
  const { rows } = await client.query<Literal[]>(query)
  const columns = [builtinType(114)!, builtinType(199)!].map(type => ({
    ...caseOf('json'),
    type,
    values: NONE,
  }))
  const encoded = encode(new RowEncoders('number').of(relationOf(columns)), rows[0]!)
  assert.equal(encoded, `{"${nameOf(0)}":${text},"${nameOf(1)}":[${text},null]}`)
})

async function allColumns(): Promise<Column[]> {
  const item = composites([
    fc.constantFrom('1', '-7'),
    fc.constantFrom(...TEXTS.slice(0, -2)),
    scalars(caseOf('numeric')),
    scalars(caseOf('timestamptz')),
    scalars(caseOf('jsonb')),
    scalars(caseOf('float8')),
    scalars({ sql: 'mood', literals: MOODS }),
  ])
  const itemArray = arrays(item, ',')
  const words = arrays(fc.constantFrom(...TEXTS.slice(0, -2)), ',')
  const basket = composites([item, itemArray, words, scalars(caseOf('bool')), scalars(caseOf('int2vector'))])
  const own: Column[] = [
    { sql: 'mood', type: STRING, literals: MOODS, values: scalars({ sql: 'mood', literals: MOODS }) },
    {
      sql: 'amount',
      type: builtinType(1700)!,
      literals: [],
      values: fc.constantFrom('1.5', 'NaN', '-0.0000000001'),
    },
    { sql: 'words', type: builtinType(1009)!, literals: [], values: words },
    {
      sql: 'textrange',
      type: STRING,
      literals: [],
      values: fc.constantFrom('[a,b)', '[")","a""\\\\b"]', 'empty'),
    },
    { sql: 'nothing', type: { kind: 'composite', fields: [] }, literals: [], values: fc.constant('()') },
    { sql: 'line_item', type: ITEM, literals: [], values: item },
    { sql: 'line_item[]', type: arrayOf(ITEM), literals: [], values: itemArray },
    { sql: 'basket', type: BASKET, literals: [], values: basket },
    { sql: 'basket[]', type: arrayOf(BASKET), literals: [], values: arrays(basket, ',') },
  ]
  return [...(await builtinColumns()), ...(await extensionColumns()), ...own]
}

async function builtinColumns(): Promise<Column[]> {
  const columns: Column[] = []
  for (const one of BUILTIN_CASES) {
    if (one.sql === 'json' || (one.sql === 'xml' && !(await hasXml()))) continue
    const { rows } = await client.query<{ oid: string; array: string }>(
      'SELECT oid::text, typarray::text AS array FROM pg_type WHERE oid = $1::regtype',
      [one.sql],
    )
    const type = builtinType(Number(rows[0]!.oid))!
    const array = builtinType(Number(rows[0]!.array))!
    const values = scalars(one)
    columns.push({ ...one, type, values })
    columns.push({
      ...one,
      sql: `${one.sql}[]`,
      type: array,
      values: arrays(values, one.sql === 'box' ? ';' : ','),
    })
  }
  return columns
}

async function extensionColumns(): Promise<Column[]> {
  const { rows } = await client.query<{ name: string }>('SELECT name FROM pg_available_extensions')
  const columns: Column[] = []
  for (const one of EXTENSION_CASES) {
    if (!rows.some(({ name }) => name === one.extension)) continue
    await client.query(`CREATE EXTENSION ${one.extension}`)
    const values = scalars(one)
    columns.push({ ...one, type: one.type!, values })
    columns.push({ ...one, sql: `${one.sql}[]`, type: arrayOf(one.type!), values: arrays(values, ',') })
  }
  return columns
}

/** PostgreSQL can be built without libxml. */
async function hasXml(): Promise<boolean> {
  return client.query("SELECT '<a/>'::xml").then(
    () => true,
    () => false,
  )
}

const NONE = fc.constant(null)
const STRING: ValueType = { kind: 'string' }
const MOODS = ['sad', 'o"k', 'h\\appy,', '{x}', ' ', 'NULL']

const ITEM: ValueType = {
  kind: 'composite',
  fields: [
    { name: 'zz', type: builtinType(23)! },
    { name: 'a', type: builtinType(25)! },
    { name: 'B "q"\\ä', type: builtinType(1700)! },
    { name: 'ts', type: builtinType(1184)! },
    { name: 'js', type: builtinType(3802)! },
    { name: 'f', type: builtinType(701)! },
    { name: 'm', type: STRING },
  ],
}

const BASKET: ValueType = {
  kind: 'composite',
  fields: [
    { name: 'item', type: ITEM },
    { name: 'items', type: arrayOf(ITEM) },
    { name: 'words', type: builtinType(1009)! },
    { name: 'ok', type: builtinType(16)! },
    { name: 'v', type: builtinType(22)! },
  ],
}

function arrayOf(element: ValueType): ValueType {
  return { kind: 'array', element, delimiter: 0x2c }
}

function caseOf(sql: string): TypeCase {
  return BUILTIN_CASES.find(one => one.sql === sql)!
}

/** Of one length, so that jsonb's order of keys is that of the columns. */
function nameOf(index: number): string {
  return `c${String(index).padStart(3, '0')}`
}

function relationOf(columns: readonly Column[]): Relation {
  const described = columns.map(({ type }, index) => ({ name: nameOf(index), key: false, type }))
  return { oid: 1, index: 0, schema: 'public', table: 't', replicaIdentity: 'full', columns: described }
}

function compareRow(encoder: RowEncoder, columns: readonly Column[], row: readonly Literal[]): void {
  const ours = encode(encoder, row.slice(0, -1))
  const theirs = row.at(-1)!
  if (withoutSpaces(ours) === withoutSpaces(theirs)) return
  for (const [index, column] of columns.entries()) {
    const alone = new RowEncoders('number').of(relationOf([column]))
    const one = encode(alone, [row[index]!])
    const name = nameOf(0)
    const value = withoutSpaces(one).slice(`{"${name}":`.length, -1)
    const at = withoutSpaces(theirs).indexOf(`"${nameOf(index)}":${value}`)
    assert.notEqual(
      at,
      -1,
      `${column.sql} ${row[index]}: ${one.slice(0, 2000)} is not in ${theirs.slice(0, 20000)}`,
    )
  }
  assert.equal(withoutSpaces(ours), withoutSpaces(theirs))
}

function encode(encoder: RowEncoder, texts: readonly Literal[]): string {
  const parts = texts.map(text => Buffer.from(text ?? ''))
  const row: Row = {
    source: Buffer.concat(parts),
    count: texts.length,
    state: Uint8Array.from(texts, text => (text === null ? NULL : TEXT)),
    start: new Uint32Array(texts.length),
    end: new Uint32Array(texts.length),
  }
  let at = 0
  for (const [index, part] of parts.entries()) {
    row.start[index] = at
    at += part.length
    row.end[index] = at
  }
  const out = new ByteWriter()
  out.begin()
  encoder.writeRow(out, row, null, false)
  return Buffer.from(out.cut()).toString('utf8')
}

/** Outside strings. Everything else, digits above all, stays as it is. */
function withoutSpaces(json: string): string {
  return json.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/gsu, (_, text: string | undefined) => text ?? '')
}
