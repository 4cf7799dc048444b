/** What of the old row comes along, for every replica identity, and what becomes of TOASTed values that stayed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

const WRITE = `
  INSERT INTO tb_item VALUES (1, 'a', 10);
  UPDATE tb_item SET amount = 11 WHERE id = 1;
  UPDATE tb_item SET id = 2, code = 'b' WHERE id = 1;
  DELETE FROM tb_item WHERE id = 2`

/** What it is, the schema, and per event: type, entity_id, data, changes. */
const IDENTITIES: readonly [name: string, schema: string, expected: readonly unknown[]][] = [
  [
    'default',
    'CREATE TABLE tb_item (id int PRIMARY KEY, code text NOT NULL, amount int)',
    [
      ['INSERT', '1', { id: 1, code: 'a', amount: 10 }, null],
      ['UPDATE', '1', { id: 1, code: 'a', amount: 11 }, null],
      ['UPDATE', '2', { id: 2, code: 'b', amount: 11 }, null],
      ['DELETE', '2', { id: 2 }, null],
    ],
  ],
  [
    'full',
    `CREATE TABLE tb_item (id int PRIMARY KEY, code text NOT NULL, amount int);
     ALTER TABLE tb_item REPLICA IDENTITY FULL`,
    [
      ['INSERT', '1', { id: 1, code: 'a', amount: 10 }, null],
      ['UPDATE', '1', { id: 1, code: 'a', amount: 11 }, { amount: { old: 10, new: 11 } }],
      [
        'UPDATE',
        '2',
        { id: 2, code: 'b', amount: 11 },
        { id: { old: 1, new: 2 }, code: { old: 'a', new: 'b' } },
      ],
      ['DELETE', '2', { id: 2, code: 'b', amount: 11 }, null],
    ],
  ],
  [
    'index',
    `CREATE TABLE tb_item (id int PRIMARY KEY, code text NOT NULL, amount int);
     CREATE UNIQUE INDEX item_code ON tb_item (code);
     ALTER TABLE tb_item REPLICA IDENTITY USING INDEX item_code`,
    [
      ['INSERT', '1', { id: 1, code: 'a', amount: 10 }, null],
      ['UPDATE', '1', { id: 1, code: 'a', amount: 11 }, null],
      ['UPDATE', '2', { id: 2, code: 'b', amount: 11 }, null],
      // The key here is not `id`, so that what names the entity is not known.
      ['DELETE', null, { code: 'b' }, null],
    ],
  ],
]

for (const [name, schema, expected] of IDENTITIES) {
  test(`replica identity ${name}`, async () => {
    const stage = await servers.scene({ name: `identity_${name}`, schema })
    const daemon = await stage.start()
    await stage.sql(WRITE)
    const events = await stage.events()
    assert.deepEqual(
      events.map(event => [event.event_type, event.entity_id, event.data, event.changes]),
      expected,
    )
    await daemon.stop()
    await stage.end()
  })
}

test('replica identity nothing: inserts come, and the tables of others keep working', async () => {
  const stage = await servers.scene({
    name: 'identity_nothing',
    schema: `
      CREATE TABLE tb_item (id int PRIMARY KEY, code text);
      ALTER TABLE tb_item REPLICA IDENTITY NOTHING`,
    rules: '[[observers]]\ntable = "tb_item"\nevent = ["INSERT", "TRUNCATE"]\n',
  })
  const daemon = await stage.start()
  await stage.sql("INSERT INTO tb_item VALUES (1, 'a'); UPDATE tb_item SET code = 'b'; DELETE FROM tb_item")
  await stage.sql("INSERT INTO tb_item VALUES (2, 'c'); TRUNCATE tb_item")
  const events = await stage.events()
  assert.deepEqual(
    events.map(event => [event.event_type, event.data]),
    [
      ['INSERT', { id: 1, code: 'a' }],
      ['INSERT', { id: 2, code: 'c' }],
      ['TRUNCATE', null],
    ],
  )
  await daemon.stop()
  await stage.end()
})

test('a partitioned table with FULL: of partitions without it the old row is its key, until they have it', async () => {
  const stage = await servers.scene({
    name: 'identity_partitions',
    schema: `
      CREATE TABLE tb_item (id int PRIMARY KEY, code text NOT NULL, amount int) PARTITION BY RANGE (id);
      CREATE TABLE tb_low PARTITION OF tb_item FOR VALUES FROM (0) TO (100);
      CREATE TABLE tb_high PARTITION OF tb_item FOR VALUES FROM (100) TO (200);
      ALTER TABLE tb_item REPLICA IDENTITY FULL; ALTER TABLE tb_high REPLICA IDENTITY FULL`,
  })
  const daemon = await stage.start()
  await stage.sql(WRITE)
  const line = await daemon.says('REPLICA IDENTITY FULL')
  assert.equal(line.level, 'warn')
  assert.match(String(line.remedy), /^ALTER TABLE "public"."tb_low" REPLICA IDENTITY FULL;/)
  await stage.sql('ALTER TABLE tb_low REPLICA IDENTITY FULL')
  await stage.sql(`${WRITE}; INSERT INTO tb_item VALUES (150, 'c', NULL); DELETE FROM tb_item`)
  const events = await stage.events()
  const [, , full] = IDENTITIES[1]!
  assert.deepEqual(
    events.map(event => [event.event_type, event.entity_id, event.data, event.changes]),
    [
      ...IDENTITIES[0]![2],
      ...full,
      ['INSERT', '150', { id: 150, code: 'c', amount: null }, null],
      ['DELETE', '150', { id: 150, code: 'c', amount: null }, null],
    ],
  )
  await daemon.stop()
  await stage.end()
})

test('a partition with another index for its identity than the root: its columns, and no null for those of the root', async () => {
  const stage = await servers.scene({
    name: 'identity_other_index',
    schema: `
      CREATE TABLE tb_item (id int PRIMARY KEY, code text NOT NULL, amount int) PARTITION BY RANGE (id);
      CREATE TABLE tb_low PARTITION OF tb_item FOR VALUES FROM (0) TO (100);
      CREATE UNIQUE INDEX low_code ON tb_low (code);
      ALTER TABLE tb_low REPLICA IDENTITY USING INDEX low_code`,
  })
  const daemon = await stage.start()
  await stage.sql(WRITE)
  const [, , , deleted] = await stage.events()
  assert.deepEqual([deleted!.data, deleted!.entity_id], [{ code: 'b' }, null])
  await daemon.stop()
  await stage.end()
})

const TOAST = `
  CREATE TABLE tb_doc (id int PRIMARY KEY, body text, version int);
  ALTER TABLE tb_doc ALTER body SET STORAGE EXTERNAL;`

test('an unchanged TOASTed value is left out and named; with identity full it comes from the old row', async () => {
  for (const identity of ['default', 'full']) {
    const stage = await servers.scene({
      name: `toast_${identity}`,
      schema: `${TOAST} ALTER TABLE tb_doc REPLICA IDENTITY ${identity}`,
    })
    const daemon = await stage.start()
    await stage.sql("INSERT INTO tb_doc VALUES (1, repeat('x', 20000), 1)")
    await stage.sql('UPDATE tb_doc SET version = 2')
    await stage.sql("UPDATE tb_doc SET body = repeat('y', 20000)")
    await stage.sql('DELETE FROM tb_doc')
    const [inserted, touched, changed, deleted] = await stage.events()
    const x = 'x'.repeat(20_000)
    const y = 'y'.repeat(20_000)
    assert.deepEqual(inserted!.data, { id: 1, body: x, version: 1 })
    if (identity === 'full') {
      assert.deepEqual(touched!.data, { id: 1, body: x, version: 2 })
      assert.equal('unchanged' in touched!, false)
      assert.deepEqual(touched!.changes, { version: { old: 1, new: 2 } })
      assert.deepEqual(changed!.changes, { body: { old: x, new: y } })
      assert.deepEqual(deleted!.data, { id: 1, body: y, version: 2 })
    } else {
      assert.deepEqual(touched!.data, { id: 1, version: 2 })
      assert.deepEqual(touched!.unchanged, ['body'])
      assert.equal('unchanged' in changed!, false)
      assert.deepEqual(deleted!.data, { id: 1 })
    }
    assert.deepEqual(touched!.entity, touched!.data)
    await daemon.stop()
    await stage.end()
  }
})

test('a TOASTed key that stays as it was names the row, from the old key that comes along', async () => {
  const stage = await servers.scene({
    name: 'toast_key',
    schema: `
      CREATE TABLE tb_doc (code text PRIMARY KEY, version int, body text);
      ALTER TABLE tb_doc ALTER code SET STORAGE EXTERNAL; ALTER TABLE tb_doc ALTER body SET STORAGE EXTERNAL`,
    rules: ['fraiseql', 'cloudevents', 'row', 'debezium']
      .map(
        format =>
          `[[observers]]\ntable = "tb_doc"\nevent = "UPDATE"\nformat = "${format}"\nsubject = "{prefix}.${format}"\n`,
      )
      .join(''),
  })
  const daemon = await stage.start()
  await stage.sql(
    "INSERT INTO tb_doc VALUES (repeat('k', 2100), 1, repeat('x', 20000)); UPDATE tb_doc SET version = 2",
  )
  const [event, cloud, row, envelope] = await stage.events()
  const code = 'k'.repeat(2100)
  assert.deepEqual(
    [event!.entity_id, event!.data, event!.changes, event!.unchanged],
    [code, { code, version: 2 }, null, ['body']],
  )
  assert.equal(cloud!.subject, code)
  assert.deepEqual(cloud!.data, { before: { code }, after: { code, version: 2 }, unchanged: ['body'] })
  assert.deepEqual(row, { code, version: 2 })
  assert.deepEqual(envelope!.before, { code })
  assert.deepEqual(envelope!.after, { code, version: 2, body: '__debezium_unavailable_value' })
  await daemon.stop()
  await stage.end()
})
