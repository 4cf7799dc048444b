/** Each format once on the whole way, as the one of all rules and as that of one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareServers } from '../kit/stage.ts'
import { payload } from '../kit/stream-reader.ts'

const servers = shareServers()

test('row, debezium, cloudevents and fraiseql of one change, by four rules', async () => {
  const formats = ['row', 'debezium', 'cloudevents', 'fraiseql']
  const stage = await servers.scene({
    name: 'formats',
    schema: `
      CREATE TABLE tb_order (id int PRIMARY KEY, total numeric);
      ALTER TABLE tb_order REPLICA IDENTITY FULL`,
    rules: formats
      .map(
        format =>
          `[[observers]]\ntable = "tb_order"\nformat = "${format}"\nsubject = "{prefix}.${format}.{op}"\n`,
      )
      .join(''),
  })
  const daemon = await stage.start()
  await stage.sql(
    "INSERT INTO tb_order VALUES (1, '12345678901234567890.10'); UPDATE tb_order SET total = 2; DELETE FROM tb_order",
  )
  const messages = await stage.messages()
  const of = (format: string) =>
    messages.filter(({ subject }) => subject.startsWith(`${stage.prefix}.${format}.`)).map(payload)
  for (const format of formats) {
    const operations = messages.filter(({ subject }) => subject.includes(`.${format}.`))
    assert.deepEqual(
      operations.map(({ subject }) => subject.split('.').at(-1)),
      ['insert', 'update', 'delete'],
    )
  }
  assert.equal(new Set(messages.map(({ msgId }) => msgId)).size, 12)
  assert.match(messages[0]!.text, /^\{"id": ?1, ?"total": ?12345678901234567890\.10\}$/)
  assert.deepEqual(of('row').slice(1), [
    { id: 1, total: 2 },
    { id: 1, total: 2 },
  ])
  const debezium = of('debezium')
  assert.deepEqual(
    debezium.map(event => [event.op, event.before !== null, event.after]),
    [
      ['c', false, { id: 1, total: 12345678901234567000 }],
      ['u', true, { id: 1, total: 2 }],
      ['d', true, null],
    ],
  )
  assert.equal((debezium[0]!.source as { table: string }).table, 'tb_order')
  const cloud = of('cloudevents')
  assert.deepEqual(
    cloud.map(event => [event.specversion, event.type, event.subject, event.id]),
    ['INSERT', 'UPDATE', 'DELETE'].map((operation, i) => [
      '1.0',
      `fraiseql.Order.${operation}`,
      '1',
      messages.filter(({ subject }) => subject.includes('.cloudevents.'))[i]!.msgId,
    ]),
  )
  assert.deepEqual(
    of('fraiseql').map(event => event.event_type),
    ['INSERT', 'UPDATE', 'DELETE'],
  )
  await daemon.stop()
  await stage.end()
})

test('[event] format, numbers and entity', async () => {
  const stage = await servers.scene({
    name: 'options',
    schema: 'CREATE TABLE tb_order (id bigint PRIMARY KEY, total numeric, n int)',
    settings: { event: { numbers: 'string', entity: 'omit' } },
  })
  const first = await stage.start()
  await stage.sql("INSERT INTO tb_order VALUES (9007199254740993, '1.50', 3)")
  const [event] = await stage.events()
  assert.deepEqual(event!.data, { id: '9007199254740993', total: '1.50', n: 3 })
  assert.equal(event!.entity_id, '9007199254740993')
  assert.equal('entity' in event!, false)
  await first.stop()
  stage.settings = { event: { format: 'row' } }
  const second = await stage.start()
  await stage.sql('DELETE FROM tb_order')
  assert.match((await stage.messages())[1]!.text, /^\{"id": ?9007199254740993\}$/)
  await second.stop()
  await stage.end()
})
