/**
 * SIGTERM where draining is hard: in the middle of a transaction that is large, with nats-server gone, with the stream
 * full. The daemon ends within shutdown_timeout_ms, with exit code 0; what has its ack is confirmed, nothing else.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Daemon, until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { clientIsBack, storedCount } from '../kit/stored-count.ts'

const servers = shareServers()

const SCHEMA = 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)'

const insert = (scene: Scene, rows: number) =>
  scene.sql(`INSERT INTO tb_row (note) SELECT repeat('x', 200) FROM generate_series(1, ${rows})`)

/** How many rows PostgreSQL would send once more. */
async function unconfirmed(scene: Scene): Promise<number> {
  const [again] = await scene.sql<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL,
       'proto_version', '1', 'publication_names', $2) WHERE get_byte(data, 0) = ascii('I')`,
    [scene.slot, scene.slot],
  )
  return again!.rows
}

async function inFlight(daemon: Daemon): Promise<void> {
  await until(
    async () => (await daemon.status()).in_flight.messages > 0,
    () => `nothing is in flight:\n${daemon.lastLines()}`,
  )
}

/** All rows, in order and once, by a daemon that finds everything well again. */
async function complete(scene: Scene, rows: number): Promise<void> {
  const daemon = await scene.start()
  await until(
    async () => (await storedCount(scene)) >= rows,
    () => `does not go on:\n${daemon.lastLines()}`,
  )
  const ids = (await scene.events()).map(event => (event.data as { id: number }).id)
  const wrong = ids.findIndex((id, i) => id !== i + 1)
  assert.deepEqual([ids.length, wrong], [rows, -1])
  await daemon.stop()
  await scene.end()
}

test('in the middle of a transaction of 20,000 rows: drained, but nothing of it is confirmed', async () => {
  const rows = 20_000
  const scene = await servers.scene({
    name: 'stop_large',
    schema: SCHEMA,
    settings: { stream: { max_bytes: 1_000_000_000 } },
  })
  const daemon = await scene.start()
  await insert(scene, rows)
  await until(
    async () => (await storedCount(scene)) > 2_000,
    () => `nothing arrives:\n${daemon.lastLines()}`,
  )
  assert.deepEqual(await daemon.kill('SIGTERM'), { code: 0, signal: null })
  assert.ok(!daemon.output.includes('stopped before everything had its publish ack'))
  assert.equal(daemon.logs.at(-1)?.msg, 'stopped')
  const stored = await storedCount(scene)
  assert.ok(stored < rows, 'stopped too late')
  assert.equal(await unconfirmed(scene), rows)
  await complete(scene, rows)
})

test('atomic = "transactions", in the middle of one: its end is not waited for', async () => {
  const scene = await servers.scene({
    name: 'stop_whole',
    schema: SCHEMA,
    settings: { publish: { atomic: 'transactions' }, stream: { max_bytes: 1_000_000_000 } },
  })
  const daemon = await scene.start({ FRAISEQL_SHUTDOWN_TIMEOUT_MS: '600000' })
  await insert(scene, 50_000)
  await until(
    async () => (await storedCount(scene)) > 2_000,
    () => `nothing arrives:\n${daemon.lastLines()}`,
  )
  assert.deepEqual(await daemon.kill('SIGTERM'), { code: 0, signal: null })
  assert.ok(!daemon.output.includes('stopped before everything had its publish ack'))
  assert.ok((await storedCount(scene)) < 50_000, 'stopped too late')
  await complete(scene, 50_000)
})

test('nats-server is gone: ends after shutdown_timeout_ms, and confirms nothing that is not stored', async () => {
  const scene = await servers.scene({ name: 'stop_gone', schema: SCHEMA })
  const daemon = await scene.start({ FRAISEQL_SHUTDOWN_TIMEOUT_MS: '500' })
  await insert(scene, 10)
  await scene.caughtUp()
  await servers.nats.kill()
  await insert(scene, 3_000)
  await inFlight(daemon)
  const began = performance.now()
  assert.deepEqual(await daemon.kill('SIGTERM'), { code: 0, signal: null })
  const took = performance.now() - began
  assert.ok(took >= 400 && took < 5_000, `${took} ms`)
  assert.match(daemon.output, /stopped before everything had its publish ack/)
  assert.equal(await unconfirmed(scene), 3_000)
  await servers.nats.start()
  await clientIsBack(scene)
  await complete(scene, 3_010)
})

test('the stream is full: ends after shutdown_timeout_ms', async () => {
  const scene = await servers.scene({
    name: 'stop_full',
    schema: SCHEMA,
    settings: { stream: { discard: 'new', max_msgs: 50 } },
  })
  const daemon = await scene.start({ FRAISEQL_SHUTDOWN_TIMEOUT_MS: '500' })
  await insert(scene, 400)
  await until(
    async () => (await storedCount(scene)) === 50,
    () => 'the stream is not full',
  )
  assert.deepEqual(await daemon.kill('SIGTERM'), { code: 0, signal: null })
  assert.match(daemon.output, /stopped before everything had its publish ack/)
  await (await scene.jsm()).streams.update(scene.stream, { max_msgs: 1_000 })
  scene.settings = { stream: { discard: 'new', max_msgs: 1_000 } }
  await complete(scene, 400)
})
