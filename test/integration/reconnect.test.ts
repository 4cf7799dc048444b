/** Connections that break while changes flow: each time a fresh run, nothing lost and nothing twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Daemon } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

const SCHEMA = 'CREATE TABLE tb_row (id bigserial PRIMARY KEY, note text)'

/** Writes transactions of several rows, again and again, until told to stop; ones that PostgreSQL refuses are none. */
function writer(stage: Scene): () => Promise<void> {
  let stopped = false
  const writing = (async () => {
    while (!stopped) {
      await stage
        .sql("INSERT INTO tb_row (note) SELECT repeat('x', 200) FROM generate_series(1, 50)")
        .catch(() => new Promise(resolve => setTimeout(resolve, 50)))
    }
  })()
  return async () => {
    stopped = true
    await writing
  }
}

/** What the table holds is what the stream holds, in the order of the commits of one writer. */
async function check(stage: Scene): Promise<void> {
  const ids = (await stage.events()).map(event => (event.data as { id: number }).id)
  const rows = await stage.sql<{ id: string }>('SELECT id::text FROM tb_row ORDER BY id')
  assert.ok(rows.length > 100, `${rows.length} rows`)
  assert.deepEqual(
    ids,
    rows.map(({ id }) => Number(id)),
  )
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

async function around(name: string, disturb: (stage: Scene, daemon: Daemon) => Promise<void>): Promise<Daemon> {
  const stage = await servers.scene({ name, schema: SCHEMA })
  const daemon = await stage.start()
  const stop = writer(stage)
  await pause(200)
  await disturb(stage, daemon)
  await pause(300)
  await stop()
  await check(stage)
  assert.equal(daemon.running, true)
  await daemon.stop()
  await stage.end()
  return daemon
}

test('the sessions of the daemon are terminated, the one that streams and the ordinary one', async () => {
  for (const backend of ['walsender', 'client backend']) {
    const daemon = await around(`terminated_${backend.slice(0, 3)}`, async () => {
      for (let i = 0; i < 3; i++) {
        const ended = await servers.postgres.sql(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE application_name = 'fraiseql-observer' AND backend_type = $1`,
          [backend],
        )
        assert.ok(ended.length > 0 || i > 0)
        await pause(400)
      }
    })
    assert.ok(daemon.logs.some(line => line.level === 'error'))
  }
})

test('PostgreSQL is restarted, in good order and by a crash', async () => {
  await around('restarted', async () => {
    for (const mode of ['fast', 'immediate'] as const) {
      await servers.postgres.stop(mode)
      await pause(200)
      await servers.postgres.start()
      await pause(600)
    }
  })
})

test('nats-server is killed and started again, and stopped and started again', async () => {
  const daemon = await around('broker', async (_stage, daemon) => {
    await servers.nats.kill()
    await pause(300)
    await servers.nats.start()
    await daemon.says('NATS reconnected')
    await pause(300)
    const from = daemon.logs.length
    await servers.nats.stop()
    await servers.nats.start()
    await daemon.says('NATS reconnected', from)
  })
  assert.ok(daemon.logs.some(line => line.msg?.startsWith('NATS disconnected') && line.level === 'warn'))
})

test('nats-server and PostgreSQL go at once', async () => {
  await around('both', async () => {
    await Promise.all([servers.nats.kill(), servers.postgres.stop('immediate')])
    await servers.postgres.start()
    await pause(400)
    await servers.nats.start()
  })
})
