/**
 * The time before the first change is read: PostgreSQL may let the daemon wait for locks and transactions of others, and
 * a server may fall silent. It obeys a wish to stop all the same, and leaves nothing behind that waits on.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectSql } from '../../src/postgres.ts'
import { until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

const SCHEMA = 'CREATE TABLE tb_row (id serial PRIMARY KEY)'

/** Of an application. */
const session = (scene: Scene) =>
  connectSql({ url: scene.url, connect_timeout_ms: 5_000 }, { applicationName: 'shop' })

const backends = async () => {
  const [row] = await servers.postgres.sql<{ n: number }>(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'fraiseql-observer'",
  )
  return row!.n
}

test('SIGTERM while the slot waits for a transaction that is open: the end comes, here and at the server', async () => {
  const scene = await servers.scene({ name: 'slow_slot', schema: SCHEMA })
  const writer = await session(scene)
  await writer.query('BEGIN; SELECT pg_current_xact_id()')
  const daemon = scene.launch()
  const waits = await daemon.says('the daemon waits for them')
  assert.match(String(waits.remedy), /backend_xid IS NOT NULL/)
  assert.deepEqual(await daemon.kill('SIGTERM'), { code: 0, signal: null })
  await until(
    async () => (await backends()) === 0,
    () => 'a session waits on',
  )
  assert.deepEqual(await scene.sql("SELECT FROM pg_replication_slots WHERE slot_name = 'slow_slot'"), [])
  await writer.query('ROLLBACK')
  await writer.end()
  await scene.end()
})

test('a lock that keeps the publication from being made is named, and nothing queues up behind it', async () => {
  const scene = await servers.scene({ name: 'locked', schema: SCHEMA })
  const other = await session(scene)
  await other.query('BEGIN; LOCK TABLE tb_row IN SHARE UPDATE EXCLUSIVE MODE')
  const daemon = scene.launch()
  const line = await daemon.says('another session holds a lock on one of its tables')
  assert.match(JSON.stringify(line), /VACUUM/)
  await until(
    async () => (await backends()) === 0,
    () => 'a session waits on',
  )
  await other.query('ROLLBACK')
  await other.end()
  await daemon.streaming()
  await daemon.stop()
  await scene.end()
})

test('a table that a transaction has written to comes into the publication after its end: no row is lost', async () => {
  const scene = await servers.scene({ name: 'ordinals', schema: SCHEMA })
  const first = await scene.start()
  const writer = await session(scene)
  await scene.sql('CREATE TABLE tb_new (id int PRIMARY KEY)')
  await writer.query('BEGIN; INSERT INTO tb_new SELECT generate_series(1, 100)')
  await first.says("the publication can't be changed at the moment")
  await writer.query('INSERT INTO tb_row SELECT FROM generate_series(1, 20000); COMMIT')
  await writer.end()
  const { streams } = await scene.jsm()
  await until(
    async () => (await streams.info(scene.stream)).state.messages > 0,
    () => 'nothing is published',
  )
  await first.kill()
  const second = await scene.start()
  await scene.sql('INSERT INTO tb_new VALUES (1000)')
  const events = await scene.events()
  const ids = (table: string) =>
    events.filter(event => event.table === table).map(event => (event.data as { id: number }).id)
  assert.deepEqual(
    ids('tb_row'),
    Array.from({ length: 20_000 }, (_, i) => i + 1),
  )
  assert.deepEqual(ids('tb_new'), [1000])
  await second.stop()
  await scene.end()
})

test('a nats-server that accepts connections and says nothing does not keep the process from its end', async () => {
  const scene = await servers.scene({ name: 'mute', schema: SCHEMA })
  const daemon = await scene.start()
  servers.nats.freeze()
  try {
    await daemon.says('NATS disconnected')
    await new Promise(resolve => setTimeout(resolve, 2_500))
    assert.deepEqual(await daemon.kill('SIGTERM'), { code: 0, signal: null })
  } finally {
    servers.nats.thaw()
  }
  await scene.end()
})
