/**
 * The database is put back to an older state of its disk, slot included: the same system, the same timeline, and a
 * stream that is ahead of both. What is committed from then on must not pass for what the stream holds already.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { after, test } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { until } from '../kit/daemon.ts'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { connectForTest, type Scene, setScene } from '../kit/scene.ts'
import { payload, type StreamMessage } from '../kit/stream-reader.ts'

const started: (() => Promise<unknown>)[] = []
after(async () => {
  for (const stop of started.reverse()) await stop()
})

const insert = (scene: Scene, rows: number, note: string) =>
  scene.sql(`INSERT INTO tb_row (note) SELECT '${note}' FROM generate_series(1, ${rows})`)

const noteOf = (message: StreamMessage) => (payload(message).data as { note: string }).note

function copy(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true })
  assert.equal(spawnSync('cp', ['-Rp', from, to]).status, 0)
}

/** 20 rows that the snapshot has, 20 that it has not, and all of them in the stream. */
async function restored(): Promise<Scene> {
  const nats: NatsServer = await startNats()
  started.push(() => nats.kill())
  const nc: NatsConnection = await connectForTest(nats)
  started.push(() => nc.close())
  const postgres: PostgresServer = await startPostgres()
  started.push(() => postgres.stop('immediate'))
  const scene = await setScene(
    { postgres, nats, nc },
    { name: 'snapshot', schema: 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)' },
  )
  started.push(() => scene.killDaemons())
  const first = await scene.start()
  await insert(scene, 20, 'kept')
  await scene.caughtUp()
  await first.stop()
  await postgres.stop()
  const snapshot = `${postgres.dataDir}-snapshot`
  copy(postgres.dataDir, snapshot)
  await postgres.start()
  const second = await scene.start()
  // The larger part of what the stream holds of the future is the WAL between its first and last event.
  await insert(scene, 10, 'undone')
  await scene.sql("SELECT pg_logical_emit_message(true, 'other', repeat('x', 100000))")
  await insert(scene, 10, 'undone')
  await scene.caughtUp()
  await second.stop()
  await postgres.stop()
  copy(snapshot, postgres.dataDir)
  await postgres.start()
  return scene
}

test('a stream that is ahead of the server: exit 79, and nothing is skipped in silence', async () => {
  const scene = await restored()
  for (const policy of ['stop', 'recreate']) {
    scene.settings = { replication: { on_slot_lost: policy } }
    const daemon = scene.launch()
    assert.equal((await daemon.ended()).code, 79, daemon.output)
    assert.match(
      daemon.output,
      /ahead of the database: it holds events up to [0-9A-F/]+, .* ends at [0-9A-F/]+/,
    )
    assert.match(daemon.output, /another \[replication\] slot_name/)
  }
  assert.equal((await scene.read()).length, 41)
  // A stream and a slot that know nothing of what was undone.
  scene.settings = { replication: { slot_name: 'after_restore' } }
  await (await scene.jsm()).streams.purge(scene.stream)
  const third = await scene.start()
  await insert(scene, 5, 'new')
  await until(
    async () => (await scene.read()).length === 5,
    () => `nothing arrives:\n${third.lastLines()}`,
  )
  assert.deepEqual(new Set((await scene.read()).map(noteOf)), new Set(['new']))
  await third.stop()
})
