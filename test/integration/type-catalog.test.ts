/** Types of the user's own, as the catalog gives them: which JSON each becomes. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Client } from 'pg'
import type { ValueType } from '../../src/event/value-type.ts'
import { connectSql } from '../../src/postgres.ts'
import { TypeCatalog } from '../../src/source/replication/type-catalog.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'

const SCHEMA = `
  CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION cube;
  CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"');
  CREATE DOMAIN positive AS int CHECK (value > 0);
  CREATE DOMAIN very_positive AS positive;
  CREATE DOMAIN tags AS text[];
  CREATE TYPE point3 AS (x float8, "Gone" int, "Y y" numeric, moods mood[]);
  ALTER TYPE point3 DROP ATTRIBUTE "Gone";
  CREATE DOMAIN checked_point AS point3;
  CREATE TYPE nested AS (p point3, ps point3[], d very_positive, at timestamptz, h hstore);
  CREATE TYPE floats AS RANGE (subtype = float8);
  CREATE TABLE tb (id bigint, gone text, j jsonb); ALTER TABLE tb DROP COLUMN gone;
  CREATE TYPE colour;
  CREATE FUNCTION colour_in(cstring) RETURNS colour LANGUAGE internal IMMUTABLE STRICT AS 'textin';
  CREATE FUNCTION colour_out(colour) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
  CREATE TYPE colour (input = colour_in, output = colour_out, delimiter = '|');
  CREATE FUNCTION colour_json(colour) RETURNS json LANGUAGE sql AS $$ SELECT '{}'::json $$;
  CREATE CAST (colour AS json) WITH FUNCTION colour_json(colour);`

const STRING: ValueType = { kind: 'string' }
const COMMA = 0x2c
const array = (element: ValueType, delimiter = COMMA): ValueType => ({ kind: 'array', element, delimiter })
const composite = (...fields: readonly [string, ValueType][]): ValueType => ({
  kind: 'composite',
  fields: fields.map(([name, type]) => ({ name, type })),
})
const POINT = composite(['x', { kind: 'float' }], ['Y y', { kind: 'numeric' }], ['moods', array(STRING)])

const CASES: readonly [string, ValueType][] = [
  ['mood', STRING],
  ['mood[]', array(STRING)],
  ['positive', { kind: 'integer' }],
  ['very_positive', { kind: 'integer' }],
  ['very_positive[]', array({ kind: 'integer' })],
  ['tags', array(STRING)],
  ['tags[]', array(array(STRING))],
  ['point3', POINT],
  ['point3[]', array(POINT)],
  ['checked_point', POINT],
  [
    'nested',
    composite(
      ['p', POINT],
      ['ps', array(POINT)],
      ['d', { kind: 'integer' }],
      ['at', { kind: 'timestamptz' }],
      ['h', { kind: 'hstore' }],
    ),
  ],
  ['floats', STRING],
  ['floats[]', array(STRING)],
  ['floats_multirange', STRING],
  ['tb', composite(['id', { kind: 'bigint' }], ['j', { kind: 'json' }])],
  ['tb[]', array(composite(['id', { kind: 'bigint' }], ['j', { kind: 'json' }]))],
  ['hstore', { kind: 'hstore' }],
  ['hstore[]', array({ kind: 'hstore' })],
  ['citext', STRING],
  ['ltree', STRING],
  ['cube', STRING],
  ['colour', STRING],
  ['colour[]', array(STRING, '|'.charCodeAt(0))],
  // PostgreSQL's own need no look into the catalog.
  ['int8', { kind: 'bigint' }],
  ['information_schema.sql_identifier', STRING],
  ['information_schema.cardinal_number', { kind: 'integer' }],
]

let server: PostgresServer
let client: Client

before(async () => {
  server = await startPostgres()
  await server.sql(SCHEMA)
  client = await connectSql({ url: server.url, connect_timeout_ms: 5000 }, { applicationName: 'test' })
})
after(async () => {
  await client.end()
  await server.stop()
})

async function oidOf(type: string): Promise<number> {
  const [row] = await server.sql<{ oid: string }>('SELECT $1::regtype::oid::text AS oid', [type])
  return Number(row?.oid)
}

describe('TypeCatalog', () => {
  for (const [name, expected] of CASES) {
    it(name, async () => {
      const catalog = new TypeCatalog(client)
      const oid = await oidOf(name)
      assert.equal(catalog.get(oid) === undefined, !catalog.isBuiltin(oid))
      await catalog.load([oid])
      assert.deepEqual(catalog.get(oid), expected)
    })
  }

  it('agrees with to_jsonb on what is a string, a number, an array, an object', async () => {
    const samples: readonly [string, string][] = [
      ['mood', `'sad'::mood`],
      ['very_positive', '7::very_positive'],
      ['tags', `'{a}'::tags`],
      ['point3', `'(1,2,"{sad}")'::point3`],
      ['checked_point', `'(1,2,"{sad}")'::checked_point`],
      ['floats', `'[1,2)'::floats`],
      ['tb', `'(1,"{}")'::tb`],
      ['hstore', `'a=>1'::hstore`],
      ['citext', `'a'::citext`],
      ['cube', `'(1,2)'::cube`],
    ]
    const kinds: Record<string, string> = { integer: 'number', composite: 'object', hstore: 'object' }
    const catalog = new TypeCatalog(client)
    for (const [name, value] of samples) {
      const oid = await oidOf(name)
      await catalog.load([oid])
      const kind = catalog.get(oid)?.kind ?? ''
      const { rows } = await client.query(`SELECT jsonb_typeof(to_jsonb(${value})) AS kind`)
      assert.equal(kinds[kind] ?? kind, rows[0].kind, name)
    }
  })

  it('takes an unknown or dropped type for a string', async () => {
    const catalog = new TypeCatalog(client)
    await client.query('CREATE TYPE passing AS (a int)')
    const oid = await oidOf('passing')
    await client.query('DROP TYPE passing')
    await catalog.load([oid, 4_294_967_295])
    assert.deepEqual([catalog.get(oid), catalog.get(4_294_967_295)], [STRING, STRING])
  })

  it('sees that a composite in use was altered, whatever is built on it, and reads it anew', async () => {
    await client.query('CREATE TYPE inner_type AS (a int); CREATE TYPE outer_type AS (i inner_type[])')
    const [inner, outer, mood] = (await Promise.all(['inner_type', 'outer_type[]', 'mood'].map(oidOf))) as [
      number,
      number,
      number,
    ]
    const outerOf = (...attributes: readonly [string, ValueType][]) =>
      array(composite(['i', array(composite(...attributes))]))
    const strangers = new TypeCatalog(client)
    await strangers.load([mood])
    const changes: readonly [sql: string, expected: ValueType][] = [
      ['ADD ATTRIBUTE b text CASCADE', outerOf(['a', { kind: 'integer' }], ['b', STRING])],
      ['DROP ATTRIBUTE a', outerOf(['b', STRING])],
      ['RENAME ATTRIBUTE b TO c', outerOf(['c', STRING])],
    ]
    for (const [sql, expected] of changes) {
      const catalog = new TypeCatalog(client)
      assert.equal(await catalog.altered(), false)
      await catalog.load([outer, mood])
      assert.equal(await catalog.altered(), false)
      await client.query(`ALTER TYPE inner_type ${sql}`)
      assert.equal(await catalog.altered(), true)
      await catalog.load([inner, outer])
      assert.deepEqual(catalog.get(outer), expected)
      // What was described before the second load has the old type in hand.
      assert.equal(await catalog.altered(), true)
    }
    assert.equal(await strangers.altered(), false)
  })
})
