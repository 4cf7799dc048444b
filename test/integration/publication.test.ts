/** The publication on a real server: made, kept in step, respected when it is somebody else's; and its traps. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { Client } from 'pg'
import { ConfigurationError } from '../../src/errors.ts'
import { connectSql } from '../../src/postgres.ts'
import { type EnsuredPublication, ensurePublication } from '../../src/source/replication/publication.ts'
import { ensureSlot } from '../../src/source/replication/slot.ts'
import type { WantedTable } from '../../src/source/replication/wanted-tables.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'

const SCHEMA = `
  CREATE TABLE tb_order (id int PRIMARY KEY, total numeric, doubled numeric GENERATED ALWAYS AS (total * 2) STORED);
  CREATE TABLE tb_order_item (id int PRIMARY KEY, n int);
  CREATE TABLE tb_log (line text);
  CREATE TABLE tb_full (line text); ALTER TABLE tb_full REPLICA IDENTITY FULL;
  CREATE TABLE tb_none (id int PRIMARY KEY); ALTER TABLE tb_none REPLICA IDENTITY NOTHING;
  CREATE TABLE tb_index (id int NOT NULL, n int); CREATE UNIQUE INDEX tb_index_id ON tb_index (id);
  ALTER TABLE tb_index REPLICA IDENTITY USING INDEX tb_index_id;
  CREATE TABLE tb_deferred (id int PRIMARY KEY DEFERRABLE, n int);
  CREATE TABLE tb_event (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE tb_event_1 PARTITION OF tb_event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE tb_event_2 PARTITION OF tb_event FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  CREATE TABLE tb_heap (id int, day date) PARTITION BY RANGE (day);
  CREATE TABLE tb_heap_1 PARTITION OF tb_heap FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE tb_parent (id int PRIMARY KEY); CREATE TABLE tb_child () INHERITS (tb_parent);
  CREATE UNLOGGED TABLE tb_cache (id int PRIMARY KEY);
  CREATE VIEW v_order AS SELECT id FROM tb_order;
  CREATE SCHEMA "we.ird ""schema"""; CREATE TABLE "we.ird ""schema"""."Tä.ble '1'" (id int PRIMARY KEY);
  CREATE SCHEMA app; CREATE TABLE app.tb_invoice (id int PRIMARY KEY);`

const NAME = 'Ob"s 1'
let server: PostgresServer
let url: string
let client: Client

before(async () => {
  server = await startPostgres()
  await server.sql('CREATE ROLE owner LOGIN REPLICATION; CREATE ROLE stranger LOGIN REPLICATION')
})
after(() => server.stop())

/** Each test has a database of its own, whose tables belong to `owner`, as does the session. */
beforeEach(async () => {
  const admin = await server.createDatabase()
  await server.sql(`ALTER DATABASE ${new URL(admin).pathname.slice(1)} OWNER TO owner`)
  await server.sql('ALTER SCHEMA public OWNER TO owner', undefined, admin)
  url = admin.replace('postgres@', 'owner@')
  await server.sql(SCHEMA, undefined, url)
  client = await connect('owner')
})
afterEach(() => client.end())

function connect(role: string): Promise<Client> {
  return connectSql(
    { url: url.replace('owner@', `${role}@`), connect_timeout_ms: 5000 },
    { applicationName: 't' },
  )
}

const rules = (...tables: (string | WantedTable)[]): WantedTable[] =>
  tables.map(one => (typeof one === 'string' ? { table: one, operations: [] } : one))
const ensure = (wanted: readonly WantedTable[] | 'all', slot = 'own', as = client) =>
  ensurePublication(as, { name: NAME, slot, wanted })
const names = ({ tables }: EnsuredPublication) =>
  tables.map(({ schema, table }) => `${schema}.${table}`).sort()
const admin = (sql: string) => server.sql(sql, undefined, url.replace('owner@', 'postgres@'))

async function refusal(attempt: Promise<unknown>): Promise<ConfigurationError> {
  const error = await attempt.then(
    () => assert.fail('it was accepted'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ConfigurationError, String(error))
  return error
}

async function row(): Promise<Record<string, unknown>> {
  const [found] = await admin(`SELECT to_jsonb(p) AS row FROM pg_publication p WHERE pubname = 'Ob"s 1'`)
  return found?.row as Record<string, unknown>
}

describe('ensurePublication', () => {
  it('makes it for names of every kind, and leaves it alone the second time', async () => {
    const wanted = rules('tb_order', `we.ird "schema".Tä.ble '1'`, 'app.tb_invoice', 'tb_event', 'tb_parent')
    const made = await ensure(wanted)
    const expected = ['app.tb_invoice', 'public.tb_event', 'public.tb_order', 'public.tb_parent']
    assert.deepEqual(names(made), [...expected, `we.ird "schema".Tä.ble '1'`])
    assert.equal(made.action, 'create')
    const facts = await row()
    assert.equal(facts.pubviaroot, true)
    assert.equal(facts.puballtables, false)
    if (server.major >= 18) assert.equal(facts.pubgencols, 's')
    const again = await ensure(wanted)
    assert.deepEqual({ ...again, action: 'create' }, made)
    assert.equal(again.action, 'use')
  })

  it('follows the rules', async () => {
    await ensure(rules({ table: 'tb_order', operations: ['INSERT'] }, 'tb_order_item'))
    const less = await ensure(rules({ table: 'tb_order', operations: ['INSERT', 'DELETE'] }))
    assert.deepEqual(
      [less.action, names(less), less.operations],
      ['alter', ['public.tb_order'], ['insert', 'delete']],
    )
    const none = await ensure([])
    assert.deepEqual([none.action, none.tables, none.operations], ['alter', [], []])
    const log = await ensure(rules({ table: 'tb_log', operations: ['INSERT'] }))
    assert.deepEqual(names(log), ['public.tb_log'])
  })

  it('says what is wrong with all names at once', async () => {
    const error = await refusal(ensure(rules('tb_ordre', 'tb_invoice', 'v_order', 'tb_cache')))
    assert.equal(error.message.split('\n').length, 4)
    assert.match(error.message, /"tb_ordre" does not exist; did you mean tb_order\?/)
    assert.match(error.message, /"tb_invoice" does not exist; did you mean app\.tb_invoice\?/)
    assert.match(error.remedy, /Those views read: public\.tb_order\./)
    assert.match(error.remedy, /SET LOGGED/)
  })

  it("refuses what would break the applications' own updates, and only that", async () => {
    for (const table of ['tb_log', 'tb_none', 'tb_deferred', 'tb_heap']) {
      const error = await refusal(ensure(rules(table)))
      assert.match(error.message, /would make the applications' own update and delete fail/)
    }
    const heap = await refusal(ensure(rules('tb_heap')))
    assert.match(heap.remedy, /ALTER TABLE "public"\."tb_heap_1" REPLICA IDENTITY FULL;/)
    const fine = await ensure(rules('tb_order', 'tb_full', 'tb_index', 'tb_event'))
    assert.equal(fine.tables.length, 4)
    // What was let in does not fail.
    await client.query(`INSERT INTO tb_order VALUES (1, 2); UPDATE tb_order SET total = 3; DELETE FROM tb_order;
      INSERT INTO tb_full VALUES ('a'); UPDATE tb_full SET line = 'b'; DELETE FROM tb_full;
      INSERT INTO tb_index VALUES (1, 2); UPDATE tb_index SET n = 3; DELETE FROM tb_index;
      INSERT INTO tb_event VALUES (1, '2026-01-05'); UPDATE tb_event SET day = '2026-02-05'; DELETE FROM tb_event;`)
    // What was refused would have.
    for (const table of ['tb_log', 'tb_none', 'tb_deferred', 'tb_heap']) {
      await client.query(`BEGIN; CREATE PUBLICATION x FOR TABLE ${table}; SAVEPOINT s`)
      if (table === 'tb_heap') await client.query("INSERT INTO tb_heap VALUES (1, '2026-01-05')")
      await assert.rejects(client.query(`DELETE FROM ${table}`), { code: '55000' })
      await client.query('ROLLBACK')
    }
  })

  it('knows what PostgreSQL 18 forbids of generated columns', async () => {
    await client.query('ALTER TABLE tb_order REPLICA IDENTITY FULL')
    await ensure(rules('tb_order'))
    await client.query(
      'INSERT INTO tb_order VALUES (1, 2); UPDATE tb_order SET total = 3; DELETE FROM tb_order',
    )
    if (server.major >= 18) {
      await client.query(`CREATE TABLE tb_virtual (n int, m int GENERATED ALWAYS AS (n * 2) VIRTUAL);
        ALTER TABLE tb_virtual REPLICA IDENTITY FULL`)
      assert.match((await refusal(ensure(rules('tb_virtual')))).message, /virtual generated column/)
      await client.query('BEGIN; CREATE PUBLICATION x FOR TABLE tb_virtual')
      await assert.rejects(client.query('DELETE FROM tb_virtual'))
      await client.query('ROLLBACK')
    }
  })

  it('takes every table that can be published where there are no rules', async () => {
    await admin('CREATE TABLE tb_theirs (id int PRIMARY KEY); CREATE EXTENSION hstore')
    const made = await ensure('all')
    assert.deepEqual(names(made), [
      'app.tb_invoice',
      'public.tb_event',
      'public.tb_full',
      'public.tb_index',
      'public.tb_order',
      'public.tb_order_item',
      'public.tb_parent',
      `we.ird "schema".Tä.ble '1'`,
    ])
    assert.match(made.warnings.at(-1) ?? '', /"tb_theirs" is left out: role "\w+" does not own it/)
    assert.deepEqual(
      made.warnings
        .slice(0, -1)
        .map(line => /"(tb_\w+)" is left out/.exec(line)?.[1])
        .sort(),
      ['tb_child', 'tb_deferred', 'tb_heap', 'tb_log', 'tb_none'],
    )
    assert.equal((await row()).puballtables, false)
    await client.query('CREATE TABLE tb_new (id int PRIMARY KEY); DROP TABLE tb_index')
    const grown = await ensure('all')
    assert.equal(grown.action, 'alter')
    assert.ok(names(grown).includes('public.tb_new') && !names(grown).includes('public.tb_index'))
  })
})

describe("somebody else's publication", () => {
  it('is used when it is enough: FOR ALL TABLES, of another owner', async () => {
    await admin(`CREATE PUBLICATION "Ob""s 1" FOR ALL TABLES`)
    const used = await ensure(rules('tb_order'))
    assert.equal(used.action, 'use')
    assert.ok(names(used).includes('public.tb_log'))
    assert.deepEqual(await ensure('all'), used)
    const error = await refusal(ensure(rules('tb_event')))
    assert.match(error.remedy, /SET \(publish_via_partition_root = true\);/)
  })

  it('is an error when it is not, and the SQL given mends it', async () => {
    await admin(`CREATE PUBLICATION "Ob""s 1" FOR TABLE tb_order WITH (publish = 'insert')`)
    const error = await refusal(ensure(rules('tb_order', `we.ird "schema".Tä.ble '1'`, 'tb_event')))
    assert.equal(error.code, 'PUBLICATION_FOREIGN')
    assert.match(error.message, /belongs to "postgres"/)
    const sql = /run: (ALTER .*;) Or /.exec(error.remedy)?.[1]
    assert.ok(sql !== undefined, error.remedy)
    await admin(sql)
    assert.equal((await ensure(rules('tb_order', `we.ird "schema".Tä.ble '1'`, 'tb_event'))).action, 'use')
  })

  it('is asked for when the role may not make one, and the SQL given makes it', async () => {
    const stranger = await connect('stranger')
    const error = await refusal(ensure(rules('tb_order', 'tb_event'), 'own', stranger))
    assert.match(error.message, /"stranger" does not own .*tb_order.*\n.*may not create/)
    const sql = /run: (CREATE .*?;)$/m.exec(error.remedy)?.[1]
    assert.ok(sql !== undefined, error.remedy)
    await admin(sql)
    assert.equal((await ensure(rules('tb_order', 'tb_event'), 'own', stranger)).action, 'use')
    await stranger.end()
  })

  it('is asked for without rules too: with the tables of others, which a superuser may publish', async () => {
    const stranger = await connect('stranger')
    const error = await refusal(ensure('all', 'own', stranger))
    assert.match(error.message, /^role "stranger" may not create/)
    const sql = /run: (CREATE .*?;)$/m.exec(error.remedy)?.[1]
    assert.ok(sql !== undefined, error.remedy)
    await admin(sql)
    const used = await ensure('all', 'own', stranger)
    assert.equal(used.action, 'use')
    assert.ok(names(used).includes('public.tb_order') && names(used).includes('public.tb_event'))
    // Its UPDATE and DELETE would fail.
    assert.ok(!names(used).includes('public.tb_log'))
    await stranger.end()
  })

  it('made by hand as the same role is added to and never cut', async () => {
    await client.query(`CREATE PUBLICATION "Ob""s 1" FOR TABLE tb_order_item`)
    assert.deepEqual(names(await ensure('all')), ['public.tb_order_item'])
    const more = await ensure(rules('tb_order'))
    assert.deepEqual([more.action, names(more)], ['alter', ['public.tb_order', 'public.tb_order_item']])
    assert.equal((await ensure(rules('tb_order_item'))).action, 'use')
  })

  it('kept by another daemon is not taken from it, as long as its slot lives', async () => {
    const slot = `s${new URL(url).pathname.slice(1)}`
    await ensure(rules('tb_order'), slot)
    assert.equal((await ensureSlot(client, slot)).state, 'ready')
    assert.equal((await ensure(rules('tb_order'), 'own')).action, 'use')
    assert.match((await refusal(ensure(rules('tb_order_item'), 'own'))).message, new RegExp(`slot "${slot}"`))
    await client.query('SELECT pg_drop_replication_slot($1)', [slot])
    const taken = await ensure(rules('tb_order_item'), 'own')
    assert.deepEqual([taken.action, names(taken)], ['alter', ['public.tb_order_item']])
  })

  it('with row filters or column lists is used as its maker left it', async () => {
    if (server.major < 15) await client.query(`CREATE PUBLICATION "Ob""s 1" FOR TABLE tb_order`)
    else
      await client.query(`CREATE PUBLICATION "Ob""s 1" FOR TABLE tb_order WHERE (id > 5), tb_order_item (id)`)
    const used = await ensure(rules('tb_order'))
    assert.equal(used.action, 'use')
    if (server.major >= 15) {
      assert.match(used.warnings[0] ?? '', /row filters/)
      await refusal(ensure(rules('tb_index')))
    }
  })

  it('of whole schemas is used when it is enough', async () => {
    if (server.major >= 15) {
      await admin(`CREATE PUBLICATION "Ob""s 1" FOR TABLES IN SCHEMA app`)
      assert.deepEqual(names(await ensure(rules('app.tb_invoice'))), ['app.tb_invoice'])
      assert.equal((await refusal(ensure(rules('tb_order')))).code, 'PUBLICATION_FOREIGN')
    }
  })
})
