/** Values that other programs of this kind were seen to round, lose or replace: here they arrive as they are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertHistory, dataText } from '../kit/commit-history.ts'
import type { Daemon } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { openSecondSlot } from '../kit/second-slot.ts'
import { shareServers } from '../kit/stage.ts'
import { payload, type StreamMessage } from '../kit/stream-reader.ts'

const servers = shareServers()

interface Outcome {
  readonly scene: Scene
  readonly messages: readonly StreamMessage[]
}

/** Runs `work`, and compares all rows of the table with what a second slot saw, before `check` looks closer. */
async function around(
  name: string,
  table: { readonly name: string; readonly schema: string },
  work: (scene: Scene) => Promise<unknown>,
  check: (outcome: Outcome) => Promise<void> | void,
): Promise<void> {
  const scene = await servers.scene({ name, schema: table.schema })
  const daemon: Daemon = await scene.start()
  const slot = { url: scene.url, name: `${name}_witness`, publication: scene.slot }
  const witness = await openSecondSlot(servers.postgres, slot)
  await work(scene)
  const { messages } = await assertHistory(scene, witness, [table.name])
  await check({ scene, messages })
  assert.equal(await daemon.metric('fraiseql_observer_events_failed_total'), 0)
  await daemon.stop()
  await servers.postgres.sql('SELECT pg_drop_replication_slot($1)', [slot.name])
  await scene.end()
}

test('jsonb number 98765432109876543210.5', async () => {
  const digits = '98765432109876543210.5'
  const long = `0.${'1234567890'.repeat(40)}7`
  await around(
    'jsonb_number',
    {
      name: 'tb_doc',
      schema: 'CREATE TABLE tb_doc (id int PRIMARY KEY, doc jsonb, plain json, total numeric)',
    },
    scene =>
      scene.sql(`INSERT INTO tb_doc VALUES (1, '{"n": ${digits}}', '{"n": ${digits}}', ${digits}),
        (2, '[${long}, ${digits}, 9007199254740993]', '${long}', ${long})`),
    ({ messages }) => {
      const [first, second] = messages.map(dataText)
      assert.equal(first, `{"id":1,"doc":{"n": ${digits}},"plain":{"n": ${digits}},"total":${digits}}`)
      assert.equal(
        second,
        `{"id":2,"doc":[${long}, ${digits}, 9007199254740993],"plain":${long},"total":${long}}`,
      )
    },
  )
})

test('NaN, infinity, BC dates', async () => {
  const schema = `CREATE TABLE tb_odd (id int PRIMARY KEY, n numeric, f float8, r real, d date, t timestamp,
    z timestamptz, list numeric[])`
  await around(
    'odd_values',
    { name: 'tb_odd', schema },
    scene =>
      scene.sql(`INSERT INTO tb_odd VALUES
        (1, 'NaN', 'NaN', 'NaN', '0044-03-15 BC', '0044-03-15 12:00:00.5 BC', '0044-03-15 12:00:00+00 BC', '{NaN,1}'),
        (2, 'Infinity', 'Infinity', '-Infinity', 'infinity', '-infinity', 'infinity', '{-Infinity}'),
        (3, -0.0, '-0', 1e-40, '4713-01-01 BC', '294276-12-31 23:59:59.999999', '0001-01-01 00:00:00+00 BC', NULL)`),
    async ({ scene, messages }) => {
      const rows = messages.map(message => payload(message).data)
      assert.deepEqual(rows.slice(0, 2), [
        {
          id: 1,
          ...{ n: 'NaN', f: 'NaN', r: 'NaN', d: '0044-03-15 BC', t: '0044-03-15T12:00:00.5 BC' },
          ...{ z: '0044-03-15T12:00:00+00:00 BC', list: ['NaN', 1] },
        },
        {
          id: 2,
          ...{ n: 'Infinity', f: 'Infinity', r: '-Infinity', d: 'infinity', t: '-infinity', z: 'infinity' },
          list: ['-Infinity'],
        },
      ])
      const own = await scene.sql(
        'SELECT count(*)::int AS equal FROM tb_odd, unnest($1::jsonb[]) mine WHERE mine = to_jsonb(tb_odd)',
        [messages.map(dataText)],
      )
      assert.deepEqual(own, [{ equal: 3 }])
    },
  )
})

test('unchanged TOAST column', async () => {
  const body = 'b'.repeat(20_000)
  const schema = `
    CREATE TABLE tb_page (id int PRIMARY KEY, title text, body text, nothing text);
    ALTER TABLE tb_page ALTER body SET STORAGE EXTERNAL;
    CREATE TABLE tb_full (LIKE tb_page INCLUDING ALL);
    ALTER TABLE tb_full REPLICA IDENTITY FULL`
  const work = (table: string) => `
    INSERT INTO ${table} VALUES (1, 'one', repeat('b', 20000), NULL);
    UPDATE ${table} SET title = 'two';
    UPDATE ${table} SET body = NULL;`
  await around(
    'toast',
    { name: 'tb_page', schema },
    scene => scene.sql(`${work('tb_page')} ${work('tb_full')}`),
    ({ messages }) => {
      const [inserted, updated, emptied, , whole, last] = messages.map(payload)
      assert.deepEqual(inserted!.data, { id: 1, title: 'one', body, nothing: null })
      // Left out and named; a column that is null stays null.
      assert.deepEqual(updated!.data, { id: 1, title: 'two', nothing: null })
      assert.deepEqual(updated!.unchanged, ['body'])
      assert.deepEqual(emptied!.data, { id: 1, title: 'two', body: null, nothing: null })
      assert.equal(emptied!.unchanged, undefined)
      // The old row has it.
      assert.deepEqual(whole!.data, { id: 1, title: 'two', body, nothing: null })
      assert.equal(whole!.unchanged, undefined)
      assert.deepEqual(whole!.changes, { title: { old: 'one', new: 'two' } })
      assert.deepEqual(last!.changes, { body: { old: body, new: null } })
    },
  )
})
