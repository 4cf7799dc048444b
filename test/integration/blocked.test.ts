/**
 * A publisher that can't publish for several times `wal_sender_timeout`, with the window full and the reading paused:
 * PostgreSQL is answered all the while, so that its session stays the same.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Daemon, until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { clientIsBack, storedCount } from '../kit/stored-count.ts'

const servers = shareServers({ postgres: { settings: { wal_sender_timeout: '1s' } } })

const ROWS = 5_000
const BLOCKED_MS = 4_000

interface Case {
  readonly name: string
  readonly what: string
  readonly settings?: Readonly<Record<string, string | number>>
  readonly block: (scene: Scene) => Promise<unknown>
  readonly free: (scene: Scene) => Promise<unknown>
}

const CASES: readonly Case[] = [
  {
    name: 'blocked_full',
    what: 'the stream is full',
    settings: { discard: 'new', max_msgs: 100 },
    block: async () => {},
    free: async scene => (await scene.jsm()).streams.update(scene.stream, { max_msgs: ROWS }),
  },
  {
    name: 'blocked_stopped',
    what: 'nats-server is stopped',
    block: () => servers.nats.kill(),
    free: () => servers.nats.start(),
  },
]

async function session(scene: Scene): Promise<number | null> {
  const [slot] = await scene.sql<{ pid: number | null }>(
    'SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = $1',
    [scene.slot],
  )
  return slot?.pid ?? null
}

async function stored(scene: Scene, least: number, daemon: Daemon): Promise<void> {
  await until(
    async () => (await storedCount(scene)) >= least,
    () => `stays below ${least}:\n${daemon.lastLines()}`,
  )
}

for (const { name, what, settings = {}, block, free } of CASES) {
  test(`${what} for 4 s, and wal_sender_timeout is 1 s: the same session goes on`, async () => {
    const scene = await servers.scene({
      name,
      schema: 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)',
      settings: { stream: settings },
    })
    const daemon = await scene.start()
    const pid = await session(scene)
    assert.ok(pid !== null)
    await block(scene)
    // More than the window takes, in a transaction and in several.
    await scene.sql(`INSERT INTO tb_row (note) SELECT repeat('x', 500) FROM generate_series(1, ${ROWS / 2})`)
    for (let i = 0; i < 5; i++) {
      await scene.sql(`INSERT INTO tb_row (note) SELECT 'x' FROM generate_series(1, ${ROWS / 10})`)
    }
    await until(
      async () => (await daemon.status()).in_flight.paused,
      () => 'the reading is not paused',
    )
    const deadline = Date.now() + BLOCKED_MS
    while (Date.now() < deadline) {
      assert.equal(await session(scene), pid, daemon.lastLines())
      await new Promise(resolve => setTimeout(resolve, 500))
    }
    assert.equal((await fetch(`http://127.0.0.1:${await daemon.port()}/health`)).status, 200)
    await free(scene)
    await stored(scene, ROWS, daemon)
    await clientIsBack(scene)
    const ids = (await scene.events()).map(event => (event.data as { id: number }).id)
    const wrong = ids.findIndex((id, i) => id !== i + 1)
    assert.deepEqual([ids.length, wrong], [ROWS, -1])
    assert.equal(await session(scene), pid)
    await daemon.stop()
    await scene.end()
  })
}

test('stored, and the publish ack is lost: when the stream is found to hold it, nothing stands still any more', async () => {
  const scene = await servers.scene({
    name: 'blocked_held',
    schema: 'CREATE TABLE tb_row (id int PRIMARY KEY)',
  })
  const daemon = await scene.start({ FRAISEQL_PUBLISH_ACK_TIMEOUT_MS: '200' })
  servers.nats.freeze()
  await scene.sql('INSERT INTO tb_row VALUES (1)')
  await daemon.says('publishing stands still')
  servers.nats.thaw()
  await daemon.says('publishing goes on')
  assert.equal((await daemon.status()).standstill, null)
  await scene.caughtUp()
  assert.equal(await storedCount(scene), 1)
  await daemon.stop()
  await scene.end()
})
