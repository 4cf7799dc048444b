/** Every kind of change on its whole way, held against what a second slot saw. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Scene } from '../kit/scene.ts'
import { openSecondSlot, promisedId } from '../kit/second-slot.ts'
import { shareServers } from '../kit/stage.ts'
import { payload } from '../kit/stream-reader.ts'

let system: string
const servers = shareServers({
  prepare: async ({ postgres }) => {
    const query = 'SELECT system_identifier::text AS id FROM pg_control_system()'
    const [row] = await postgres.sql<{ id: string }>(query)
    system = BigInt.asUintN(64, BigInt(row!.id)).toString(36)
  },
})

const scene = (name: string, schema: string) => servers.scene({ name, schema })

/** What the stream should hold, by the witness: subject's last tokens and Msg-Id. */
async function compare(stage: Scene, write: () => Promise<unknown>): Promise<void> {
  const daemon = await stage.start()
  const witness = await openSecondSlot(servers.postgres, {
    url: stage.url,
    name: `${stage.slot}_witness`,
    publication: stage.slot,
  })
  await write()
  const messages = await stage.messages()
  const expected = await witness.read()
  assert.deepEqual(
    messages.map(({ subject, msgId }) => [subject.split('.').at(-1), msgId]),
    expected.map(change => [change.operation, promisedId(system, change)]),
  )
  assert.ok(messages.length > 0)
  await daemon.stop()
  await servers.postgres.sql('SELECT pg_drop_replication_slot($1)', [`${stage.slot}_witness`])
}

test('insert, update and delete, with rows and transactions as they were committed', async () => {
  const stage = await scene('rows', 'CREATE TABLE tb_order (id bigint PRIMARY KEY, total numeric, note text)')
  await compare(stage, async () => {
    await stage.sql("INSERT INTO tb_order VALUES (1, 10.50, 'a'), (2, 20, NULL)")
    await stage.sql(`
      BEGIN;
      UPDATE tb_order SET total = 11 WHERE id = 1;
      SAVEPOINT s;
      INSERT INTO tb_order VALUES (3, 0, 'rolled back');
      ROLLBACK TO s;
      UPDATE tb_order SET id = 9 WHERE id = 2;
      DELETE FROM tb_order WHERE id = 1;
      COMMIT`)
    await stage.sql("BEGIN; INSERT INTO tb_order VALUES (4, 0, 'rolled back'); ROLLBACK")
  })
  const events = (await stage.read()).map(payload)
  assert.deepEqual(
    events.map(event => [event.event_type, event.entity_type, event.entity_id, event.data]),
    [
      ['INSERT', 'Order', '1', { id: 1, total: 10.5, note: 'a' }],
      ['INSERT', 'Order', '2', { id: 2, total: 20, note: null }],
      ['UPDATE', 'Order', '1', { id: 1, total: 11, note: 'a' }],
      ['UPDATE', 'Order', '9', { id: 9, total: 20, note: null }],
      ['DELETE', 'Order', '1', { id: 1 }],
    ],
  )
  assert.deepEqual(
    events.map(event => (event.tx as { ordinal: number }).ordinal),
    [0, 1, 0, 1, 2],
  )
  const [first] = await stage.read()
  assert.equal(first!.subject, `${stage.prefix}.Order.INSERT`)
  assert.equal(first!.headers.get('Nats-Expected-Stream'), stage.stream)
  await stage.end()
})

test('truncate gives one event for each table, with its flags', async () => {
  const schema = `
    CREATE TABLE tb_parent (id bigserial PRIMARY KEY);
    CREATE TABLE tb_child (id bigserial PRIMARY KEY, parent bigint REFERENCES tb_parent);
    CREATE TABLE tb_alone (id bigserial PRIMARY KEY)`
  const stage = await scene('truncates', schema)
  await compare(stage, async () => {
    await stage.sql('INSERT INTO tb_parent DEFAULT VALUES')
    await stage.sql('TRUNCATE tb_parent CASCADE')
    await stage.sql('TRUNCATE tb_alone, tb_child RESTART IDENTITY')
  })
  const events = (await stage.read()).map(payload).slice(1)
  const shown = (event: Record<string, unknown>) => [
    event.table,
    event.cascade,
    event.restart_identity,
    event.data,
  ]
  assert.deepEqual(events.slice(0, 2).map(shown).sort(), [
    ['tb_child', true, false, null],
    ['tb_parent', true, false, null],
  ])
  assert.deepEqual(events.slice(2).map(shown).sort(), [
    ['tb_alone', false, true, null],
    ['tb_child', false, true, null],
  ])
  await stage.end()
})

test('logical messages, inside a transaction and outside', async () => {
  const stage = await scene('messages', 'CREATE TABLE tb_order (id bigint PRIMARY KEY)')
  await compare(stage, async () => {
    await stage.sql(`
      BEGIN;
      INSERT INTO tb_order VALUES (1);
      SELECT pg_logical_emit_message(true, 'tb_audit', '{"by": "somebody", "n": 12345678901234567890}');
      INSERT INTO tb_order VALUES (2);
      COMMIT`)
    await stage.sql("SELECT pg_logical_emit_message(false, 'plain', 'a \"text\"\n')")
    await stage.sql("BEGIN; SELECT pg_logical_emit_message(true, 'gone', ''); ROLLBACK")
    await stage.sql("BEGIN; SELECT pg_logical_emit_message(false, 'stays', 'x'); ROLLBACK")
    await stage.sql("SELECT pg_logical_emit_message(true, 'bytes', '\\x00ff80'::bytea)")
    await stage.sql("SELECT pg_logical_emit_message(true, '', 'no prefix')")
    await stage.sql("SELECT pg_logical_emit_message(true, 'a.b *>', 'odd prefix')")
  })
  const messages = (await stage.read()).filter(({ subject }) => subject.endsWith('.CUSTOM'))
  assert.deepEqual(
    messages.map(payload).map(event => [event.prefix, event.content, event.content_encoding]),
    [
      ['tb_audit', { by: 'somebody', n: 12345678901234567000 }, undefined],
      ['plain', 'a "text"\n', undefined],
      ['stays', 'x', undefined],
      ['bytes', 'AP+A', 'base64'],
      ['', 'no prefix', undefined],
      ['a.b *>', 'odd prefix', undefined],
    ],
  )
  assert.match(messages[0]!.text, /12345678901234567890/)
  assert.equal(messages[0]!.subject, `${stage.prefix}.Audit.CUSTOM`)
  await stage.end()
})

test('COPY, where all rows share one LSN', async () => {
  const stage = await scene('copies', 'CREATE TABLE tb_line (id int PRIMARY KEY, note text)')
  await compare(stage, () =>
    // COPY FROM PROGRAM needs no client that can speak COPY.
    stage.sql('COPY tb_line FROM PROGRAM \'seq 1 3000 | sed "s/\\$/\tnote/"\''),
  )
  const ids = (await stage.read()).map(message => (payload(message).data as { id: number }).id)
  assert.deepEqual(
    ids,
    Array.from({ length: 3000 }, (_, i) => i + 1),
  )
  await stage.end()
})
