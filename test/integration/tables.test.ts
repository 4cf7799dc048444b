/** Tables of every shape and name: partitioned, oddly named, many. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareServers } from '../kit/stage.ts'
import { payload } from '../kit/stream-reader.ts'

const servers = shareServers()

test("a partitioned table's changes come under the name of its root", async () => {
  const stage = await servers.scene({
    name: 'partitioned',
    schema: `
      CREATE TABLE tb_event (id int, at date, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
      CREATE TABLE tb_event_2024 PARTITION OF tb_event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
      CREATE TABLE tb_event_2025 (note text, at date NOT NULL, id int NOT NULL);
      ALTER TABLE tb_event ATTACH PARTITION tb_event_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')`,
    rules: '[[observers]]\ntable = "tb_event"\n',
  })
  const daemon = await stage.start()
  await stage.sql("INSERT INTO tb_event VALUES (1, '2024-05-05', 'a'), (2, '2025-05-05', 'b')")
  await stage.sql("UPDATE tb_event SET note = 'c' WHERE id = 2")
  await stage.sql(
    "CREATE TABLE tb_event_2026 PARTITION OF tb_event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
  )
  await stage.sql("INSERT INTO tb_event VALUES (3, '2026-05-05', 'd')")
  await stage.sql("UPDATE tb_event SET at = '2024-06-06' WHERE id = 3")
  const events = await stage.events()
  assert.deepEqual(
    events.map(event => [event.event_type, event.table, event.data]),
    [
      ['INSERT', 'tb_event', { id: 1, at: '2024-05-05', note: 'a' }],
      ['INSERT', 'tb_event', { id: 2, at: '2025-05-05', note: 'b' }],
      ['UPDATE', 'tb_event', { id: 2, at: '2025-05-05', note: 'c' }],
      ['INSERT', 'tb_event', { id: 3, at: '2026-05-05', note: 'd' }],
      ['DELETE', 'tb_event', { id: 3, at: '2026-05-05' }],
      ['INSERT', 'tb_event', { id: 3, at: '2024-06-06', note: 'd' }],
    ],
  )
  await daemon.stop()
  await stage.end()
})

const ODD = [
  'with space',
  'with.dot',
  'with"quote',
  "with'apostrophe",
  'CamelCase',
  'größe_名前',
  'emoji 😀',
  'back\\slash',
  'star*and>more',
  'tab\tand\nline',
  '$JS.API.x',
  '{brace}',
  '%41',
]

test('odd names of tables, schemas and columns, with rules and without', async () => {
  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`
  const schema = ODD.map(
    (name, i) => `CREATE SCHEMA ${quoted(`${name} s`)}; CREATE TABLE ${quoted(`${name} s`)}.${quoted(name)}
      (id int PRIMARY KEY, ${quoted(name)} text, ${quoted('__proto__')} int DEFAULT ${i});`,
  ).join('')
  for (const withRules of [false, true]) {
    const rules = ODD.map(
      (name, i) =>
        `[[observers]]\ntable = ${JSON.stringify(`${name} s.${name}`)}\nentity = "odd_${i}"\nsubject = "{prefix}.${i}.{schema}.{table}.{column:${name.replaceAll(/[{}"\\\n\t]/g, '')}}"\n`,
    ).join('')
    const stage = await servers.scene({
      name: `odd_${withRules}`,
      schema,
      rules: withRules ? rules : '',
    })
    const daemon = await stage.start()
    for (const name of ODD) {
      await stage.sql(`INSERT INTO ${quoted(`${name} s`)}.${quoted(name)} VALUES (1, $1)`, [name])
    }
    const messages = await stage.messages()
    assert.deepEqual(
      messages.map(payload).map(event => [event.schema, event.table, Object.entries(event.data as object)]),
      ODD.map((name, i) => [
        `${name} s`,
        name,
        [
          ['id', 1],
          [name, name],
          ['__proto__', i],
        ],
      ]),
    )
    for (const { subject } of messages) assert.equal(subject.split('.').length, withRules ? 5 : 3)
    await daemon.stop()
    await stage.end()
  }
})

test('a rule without a schema means the table that the search_path finds, also when it is made again', async () => {
  const table = 'CREATE TABLE tb_order (id int PRIMARY KEY)'
  const live = '[[observers]]\ntable = "tb_order"\nsubject = "{prefix}.live"\n'
  const archived = '[[observers]]\ntable = "archive.tb_order"\nsubject = "{prefix}.archived"\n'
  const wide = 'CREATE PUBLICATION bare_wide FOR ALL TABLES'
  for (const [name, rules, publication] of [
    ['bare_two', live + archived, ''],
    ['bare_wide', live, wide],
  ] as const) {
    const stage = await servers.scene({
      name,
      schema: `${table}; CREATE SCHEMA archive; CREATE TABLE archive.tb_order (id int PRIMARY KEY); ${publication}`,
      rules,
    })
    const daemon = await stage.start()
    await stage.sql('INSERT INTO tb_order VALUES (1); INSERT INTO archive.tb_order VALUES (2)')
    await stage.sql('DROP TABLE tb_order')
    await daemon.says('table "tb_order" does not exist')
    await stage.sql('INSERT INTO archive.tb_order VALUES (3)')
    await stage.sql(table)
    if (publication === '') await daemon.says('"public"."tb_order" came into the publication')
    await stage.sql('INSERT INTO tb_order VALUES (4)')
    const messages = await stage.messages()
    assert.deepEqual(
      messages.map(message => [message.subject.slice(stage.prefix.length), payload(message).entity_id]),
      [
        ['.live', '1'],
        ['.archived', '2'],
        ['.archived', '3'],
        ['.live', '4'],
      ].filter(([subject]) => subject !== '.archived' || publication === ''),
    )
    assert.equal((await daemon.status()).totals.reconnects, 0)
    await daemon.stop()
    await stage.end()
  }
})

test('many tables', async () => {
  const count = 300
  const stage = await servers.scene({
    name: 'many',
    schema: `DO $$ BEGIN FOR i IN 1..${count} LOOP
      EXECUTE format('CREATE TABLE tb_t%s (id int PRIMARY KEY)', i); END LOOP; END $$`,
  })
  const daemon = await stage.start()
  await stage.sql(`DO $$ BEGIN FOR i IN 1..${count} LOOP
    EXECUTE format('INSERT INTO tb_t%s VALUES (%s)', i, i); END LOOP; END $$`)
  const messages = await stage.messages()
  assert.deepEqual(
    messages.map(({ subject }) => subject),
    Array.from({ length: count }, (_, i) => `${stage.prefix}.T${i + 1}.INSERT`),
  )
  await daemon.stop()
  await stage.end()
})

test('the publication is kept in step with the rules from start to start', async () => {
  const stage = await servers.scene({
    name: 'in_step',
    schema: 'CREATE TABLE tb_a (id int PRIMARY KEY); CREATE TABLE tb_b (id int PRIMARY KEY)',
    rules: '[[observers]]\ntable = "tb_a"\n',
  })
  const tables = async () =>
    (
      await stage.sql<{ name: string }>(
        'SELECT tablename AS name FROM pg_publication_tables WHERE pubname = $1',
        [stage.slot],
      )
    )
      .map(({ name }) => name)
      .sort()
  const write = (id: number) => stage.sql(`INSERT INTO tb_a VALUES (${id}); INSERT INTO tb_b VALUES (${id})`)
  const first = await stage.start()
  assert.deepEqual(await tables(), ['tb_a'])
  await write(1)
  await stage.caughtUp()
  await first.stop()
  stage.rules = '[[observers]]\ntable = "tb_a"\nevent = "DELETE"\n[[observers]]\ntable = "tb_b"\n'
  const second = await stage.start()
  assert.deepEqual(await tables(), ['tb_a', 'tb_b'])
  await write(2)
  await stage.caughtUp()
  await second.stop()
  stage.rules = '[[observers]]\ntable = "tb_b"\n'
  const third = await stage.start()
  assert.deepEqual(await tables(), ['tb_b'])
  await write(3)
  const subjects = (await stage.messages()).map(({ subject, msgId }) => [
    subject.slice(stage.prefix.length),
    msgId,
  ])
  assert.deepEqual(
    subjects.map(([subject]) => subject),
    ['.A.INSERT', '.B.INSERT', '.B.INSERT'],
  )
  await third.stop()
  await stage.end()
})
