/** Connections that break while changes flow: each time a fresh run, nothing lost and nothing twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Daemon } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

const SCHEMA = 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)'

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
  const rows = await stage.sql<{ id: number }>('SELECT id FROM tb_row ORDER BY id')
  assert.ok(rows.length > 100, `${rows.length} rows`)
  // Not deepEqual: what differs would be told in thousands of lines.
  const expected = rows.map(({ id }) => id)
  const at = expected.findIndex((id, i) => id !== ids[i])
  assert.deepEqual([ids.length, at, ids[at]], [expected.length, -1, undefined])
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

async function around(
  name: string,
  disturb: (stage: Scene, daemon: Daemon) => Promise<void>,
): Promise<Daemon> {
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

const terminate = (backend: string) =>
  servers.postgres.sql(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'fraiseql-observer' AND backend_type = $1`,
    [backend],
  )

test('the walsender is terminated, again and again', async () => {
  await around('walsender', async (_stage, daemon) => {
    for (let i = 0; i < 3; i++) {
      const from = daemon.logs.length
      assert.equal((await terminate('walsender')).length, 1)
      await daemon.says('streaming', from)
      await pause(100)
    }
    assert.equal(daemon.logs.filter(line => line.level === 'error').length, 3)
  })
})

test('the ordinary session is terminated: it is noticed, and a fresh run begins', async () => {
  await around('ordinary', async (_stage, daemon) => {
    const from = daemon.logs.length
    assert.equal((await terminate('client backend')).length, 1)
    await daemon.says('streaming', from)
  })
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
