/** Tables and types that change while the daemon streams: the next row comes as it is then, without a restart. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { payload } from '../kit/stream-reader.ts'

const servers = shareServers()

/** The rows that came, and that one process brought them all. */
async function rows(stage: Scene): Promise<unknown[]> {
  return (await stage.events()).map(event => event.data)
}

test('columns added, renamed, dropped, and of another type', async () => {
  const stage = await servers.scene({
    name: 'columns',
    schema: 'CREATE TABLE tb_order (id int PRIMARY KEY, total text, note text)',
  })
  const daemon = await stage.start()
  await stage.sql("INSERT INTO tb_order VALUES (1, '10.50', 'a')")
  await stage.sql("ALTER TABLE tb_order ADD COLUMN extra jsonb DEFAULT '[1]'")
  await stage.sql("INSERT INTO tb_order VALUES (2, '11', 'b')")
  // All in one transaction: the description changes between two rows of it.
  await stage.sql(`
    BEGIN;
    INSERT INTO tb_order VALUES (3, '12', 'c');
    ALTER TABLE tb_order RENAME note TO remark;
    INSERT INTO tb_order VALUES (4, '13', 'd');
    ALTER TABLE tb_order DROP COLUMN extra;
    INSERT INTO tb_order VALUES (5, '14', 'e');
    ALTER TABLE tb_order ALTER total TYPE numeric USING total::numeric;
    INSERT INTO tb_order VALUES (6, 15.5, 'f');
    COMMIT`)
  assert.deepEqual(await rows(stage), [
    { id: 1, total: '10.50', note: 'a' },
    { id: 2, total: '11', note: 'b', extra: [1] },
    { id: 3, total: '12', note: 'c', extra: [1] },
    { id: 4, total: '13', remark: 'd', extra: [1] },
    { id: 5, total: '14', remark: 'e' },
    { id: 6, total: 15.5, remark: 'f' },
  ])
  assert.equal(await daemon.metric('fraiseql_observer_reconnects_total'), 0)
  await daemon.stop()
  await stage.end()
})

test('a table renamed, without rules: it goes on under the name it has now', async () => {
  const stage = await servers.scene({ name: 'renamed', schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)' })
  const daemon = await stage.start()
  await stage.sql('INSERT INTO tb_order VALUES (1)')
  await stage.sql('ALTER TABLE tb_order RENAME TO tb_purchase')
  await stage.sql('INSERT INTO tb_purchase VALUES (2)')
  const messages = await stage.messages()
  assert.deepEqual(
    messages.map(message => [message.subject, payload(message).purchase_id ?? payload(message).order_id]),
    [
      [`${stage.prefix}.Order.INSERT`, '1'],
      [`${stage.prefix}.Purchase.INSERT`, '2'],
    ],
  )
  await daemon.stop()
  await stage.end()
})

test('a table renamed away from its rule: the log says so, and nothing of others is published', async () => {
  const stage = await servers.scene({
    name: 'renamed_away',
    schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)',
    rules: '[[observers]]\ntable = "tb_order"\n',
  })
  const daemon = await stage.start()
  await stage.sql('INSERT INTO tb_order VALUES (1)')
  await stage.sql('ALTER TABLE tb_order RENAME TO tb_purchase')
  await stage.sql('INSERT INTO tb_purchase VALUES (2)')
  assert.equal((await stage.messages()).length, 1)
  await daemon.says('tb_purchase')
  await daemon.stop()
  await stage.end()
})

test('schemas renamed: rows go by the names of now, on old releases when the daemon has seen it', async () => {
  const rule = (schema: string) =>
    `[[observers]]\ntable = "${schema}.tb_order"\nsubject = "{prefix}.${schema}"\n`
  const table = (schema: string) =>
    `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.tb_order (id int PRIMARY KEY);`
  const stage = await servers.scene({
    name: 'schemas',
    schema: table('blue') + table('green'),
    rules: rule('blue') + rule('green'),
  })
  const daemon = await stage.start()
  await stage.sql('INSERT INTO blue.tb_order VALUES (1); INSERT INTO green.tb_order VALUES (2)')
  await stage.caughtUp()
  const from = daemon.logs.length
  await stage.sql(
    'ALTER SCHEMA blue RENAME TO c; ALTER SCHEMA green RENAME TO blue; ALTER SCHEMA c RENAME TO green',
  )
  const [server] = await stage.sql("SELECT current_setting('server_version_num')::int < 160000 AS old")
  if (server!.old) {
    await daemon.says('the schema of table "blue"."tb_order" is called "green" now', from)
    await daemon.says('streaming', from)
  }
  await stage.sql('INSERT INTO blue.tb_order VALUES (3); INSERT INTO green.tb_order VALUES (4)')
  assert.deepEqual(
    (await stage.messages()).map(message => [
      message.subject.slice(stage.prefix.length),
      payload(message).schema,
      payload(message).entity_id,
    ]),
    [
      ['.blue', 'blue', '1'],
      ['.green', 'green', '2'],
      ['.blue', 'blue', '3'],
      ['.green', 'green', '4'],
    ],
  )
  await daemon.stop()
  await stage.end()
})

test('the table that a rule means changes: another one of its name on the search_path goes', async () => {
  const stage = await servers.scene({
    name: 'shadowed',
    schema: `
      CREATE SCHEMA app; ALTER DATABASE shadowed SET search_path = app, public;
      CREATE TABLE app.tb_order (id int PRIMARY KEY); CREATE TABLE public.tb_order (id int PRIMARY KEY);
      CREATE PUBLICATION shadowed FOR ALL TABLES`,
    rules: '[[observers]]\ntable = "tb_order"\n',
  })
  const daemon = await stage.start()
  await stage.sql('INSERT INTO app.tb_order VALUES (1); INSERT INTO public.tb_order VALUES (2)')
  await stage.caughtUp()
  await stage.sql('DROP TABLE app.tb_order')
  const from = daemon.logs.length
  await daemon.says('rules for "tb_order" do not mean the table that they meant before')
  await daemon.says('streaming', from)
  await stage.sql('INSERT INTO public.tb_order VALUES (3)')
  assert.deepEqual(await rows(stage), [{ id: 1 }, { id: 3 }])
  await daemon.stop()
  await stage.end()
})

test('an enum with a new value, a composite type with a new attribute, a new type', async () => {
  const stage = await servers.scene({
    name: 'types',
    schema: `
      CREATE TYPE mood AS ENUM ('sad', 'ok');
      CREATE TYPE place AS (street text, number int);
      CREATE TABLE tb_person (id int PRIMARY KEY, mood mood, home place, moods mood[])`,
  })
  const daemon = await stage.start()
  await stage.sql("INSERT INTO tb_person VALUES (1, 'sad', ('a', 1), '{sad,ok}')")
  await stage.sql("ALTER TYPE mood ADD VALUE 'happy'")
  await stage.sql("INSERT INTO tb_person VALUES (2, 'happy', ('b', 2), '{happy}')")
  await stage.sql('ALTER TYPE place ADD ATTRIBUTE floor int')
  await stage.sql("INSERT INTO tb_person VALUES (3, 'ok', ('c', 3, 4), NULL)")
  await stage.sql(`
    BEGIN;
    CREATE DOMAIN age AS int;
    ALTER TABLE tb_person ADD COLUMN age age;
    INSERT INTO tb_person VALUES (4, 'ok', NULL, NULL, 5);
    COMMIT`)
  const expected = await stage.sql<{ data: unknown }>(
    'SELECT to_jsonb(p) AS data FROM tb_person p ORDER BY id',
  )
  const [first, second, third, fourth] = await rows(stage)
  assert.deepEqual(first, { id: 1, mood: 'sad', home: { street: 'a', number: 1 }, moods: ['sad', 'ok'] })
  assert.deepEqual(second, { id: 2, mood: 'happy', home: { street: 'b', number: 2 }, moods: ['happy'] })
  assert.deepEqual({ ...(third as object), age: null }, expected[2]!.data)
  assert.deepEqual(fourth, expected[3]!.data)
  await daemon.stop()
  await stage.end()
})

test('rows that waited in the slot in an old shape of their type become dead letters, and the rest goes on', async () => {
  const stage = await servers.scene({
    name: 'old_shapes',
    schema: `
      CREATE TYPE place AS (street text, number int);
      CREATE TABLE tb_person (id int PRIMARY KEY, home place)`,
  })
  await stage.start().then(daemon => daemon.stop())
  await stage.sql("INSERT INTO tb_person VALUES (1, ('a', 1)), (2, NULL), (3, ('c', 3))")
  await stage.sql('ALTER TYPE place DROP ATTRIBUTE number')
  await stage.sql("INSERT INTO tb_person VALUES (4, ROW('d'))")
  const daemon = await stage.start()
  assert.deepEqual(await rows(stage), [
    { id: 2, home: null },
    { id: 4, home: { street: 'd' } },
  ])
  const letters = (await stage.read('fraiseql_dlq')).map(payload)
  assert.deepEqual(
    letters.map(({ reason, table, subject, row }) => [reason, table, subject, row]),
    [
      ['malformed_value', 'tb_person', `${stage.prefix}.Person.INSERT`, { id: '1', home: '(a,1)' }],
      ['malformed_value', 'tb_person', `${stage.prefix}.Person.INSERT`, { id: '3', home: '(c,3)' }],
    ],
  )
  assert.equal(await daemon.metric('fraiseql_observer_dead_letters_total'), 2)
  await daemon.stop()
  await stage.end()
})

test('a composite type that is altered again and again is read again each time', async () => {
  const stage = await servers.scene({
    name: 'altered_again',
    schema: `
      CREATE TYPE place AS (street text, number int);
      CREATE TABLE tb_person (id int PRIMARY KEY, home place)`,
  })
  const daemon = await stage.start()
  await stage.sql("INSERT INTO tb_person VALUES (1, ('a', 1))")
  await stage.caughtUp()
  await stage.sql('ALTER TYPE place ADD ATTRIBUTE floor int')
  await stage.sql("INSERT INTO tb_person VALUES (2, ('b', 2, 3))")
  await stage.caughtUp()
  await stage.sql('ALTER TYPE place ADD ATTRIBUTE door int')
  await stage.sql("INSERT INTO tb_person VALUES (3, ('c', 2, 3, 4))")
  await stage.caughtUp()
  // No text of a row tells this one: the daemon looks for it.
  await stage.sql('ALTER TYPE place RENAME ATTRIBUTE street TO road')
  await daemon.says('composite type of a column was altered')
  await stage.sql("INSERT INTO tb_person VALUES (4, ('d', 2, 3, 4))")
  assert.deepEqual(await rows(stage), [
    { id: 1, home: { street: 'a', number: 1 } },
    { id: 2, home: { street: 'b', number: 2, floor: 3 } },
    { id: 3, home: { street: 'c', number: 2, floor: 3, door: 4 } },
    { id: 4, home: { road: 'd', number: 2, floor: 3, door: 4 } },
  ])
  assert.equal(await daemon.metric('fraiseql_observer_dead_letters_total'), 0)
  await daemon.stop()
  await stage.end()
})
