/**
 * Several hosts in DATABASE_URL, as libpq reads them: the first one that takes writes is used, whatever their order; and
 * a promoted standby that has no copy of the slot is a gap, not a fresh start.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Daemon, until } from '../kit/daemon.ts'
import type { PostgresServer } from '../kit/postgres.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { startStandby } from '../kit/standby.ts'
import { payload } from '../kit/stream-reader.ts'

const servers = shareServers()

const started: PostgresServer[] = []
after(() => Promise.all(started.map(server => server.stop('immediate'))))

const SCHEMA = 'CREATE TABLE tb_row (id serial PRIMARY KEY)'
const LAST = 1

/** `host=a,b&port=1,2`; the last port is one where nobody listens. */
function listed(scene: Scene, attrs: string, ports: readonly number[]): { database: { url: string } } {
  const hosts = ports.map(() => '127.0.0.1').join(',')
  const name = scene.slot
  const url = `postgresql://postgres@/${name}?host=${hosts}&port=${ports.join(',')}&target_session_attrs=${attrs}`
  return { database: { url } }
}

async function standby(): Promise<PostgresServer> {
  const server = await startStandby(servers.postgres)
  started.push(server)
  return server
}

async function replayed(server: PostgresServer): Promise<void> {
  const [now] = await servers.postgres.sql<{ at: string }>('SELECT pg_current_wal_lsn()::text AS at')
  await until(
    async () => {
      const [row] = await server.sql<{ done: boolean }>(
        'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done',
        [now!.at],
      )
      return row!.done
    },
    () => `the standby stays behind:\n${server.log()}`,
  )
}

const ids = async (scene: Scene) =>
  (await scene.read())
    .filter(({ subject }) => !subject.includes('_control'))
    .map(message => (payload(message).data as { id: number }).id)

test('host=a,b target_session_attrs=read-write: the primary is found, in any order', async () => {
  const replica = await standby()
  const primary = servers.postgres.port
  const scene = await servers.scene({ name: 'hosts', schema: SCHEMA })
  await replayed(replica)
  const cases: readonly [string, readonly number[]][] = [
    ['read-write', [replica.port, primary]],
    ['read-write', [LAST, replica.port, primary]],
    ['primary', [replica.port, LAST, primary]],
    ['read-write', [primary, replica.port]],
  ]
  for (const [index, [attrs, ports]] of cases.entries()) {
    scene.settings = listed(scene, attrs, ports)
    const daemon = await scene.start()
    await scene.sql('INSERT INTO tb_row DEFAULT VALUES')
    await scene.caughtUp()
    assert.equal((await ids(scene)).length, index + 1)
    await daemon.stop()
  }
  await scene.end()
})

test('none of the hosts takes writes: tried again until one does, with what is wrong', async () => {
  const replica = await standby()
  const scene = await servers.scene({ name: 'no_primary', schema: SCHEMA })
  await replayed(replica)
  scene.settings = listed(scene, 'read-write', [replica.port, LAST])
  const daemon: Daemon = scene.launch()
  const line = await daemon.waitFor(({ level }) => level === 'error')
  assert.equal((line.err as { type: string }).type, 'RetryableError')
  assert.match(String((line.err as { remedy: string }).remedy), /target_session_attrs=read-write/)
  await replica.sql('SELECT pg_promote()')
  await daemon.streaming()
  await replica.sql(
    'INSERT INTO tb_row DEFAULT VALUES',
    undefined,
    scene.url.replace(/:\d+\//, `:${replica.port}/`),
  )
  await until(
    async () => (await ids(scene)).length === 1,
    () => `nothing arrives:\n${daemon.lastLines()}`,
  )
  await daemon.stop()
  await scene.end()
})

// Last, because the shared primary is gone afterwards.
test('the standby that is promoted has no copy of the slot: exit 79, or the gap as an event', async () => {
  const replica = await standby()
  const scene = await servers.scene({ name: 'no_slot', schema: SCHEMA })
  const url = scene.url.replace(/:\d+\//, `:${replica.port}/`)
  scene.settings = listed(scene, 'read-write', [servers.postgres.port, replica.port])
  const daemon = await scene.start()
  await scene.sql('INSERT INTO tb_row SELECT FROM generate_series(1, 10)')
  await scene.caughtUp()
  await replayed(replica)
  await servers.postgres.stop('immediate')
  await replica.sql('SELECT pg_promote()')
  assert.equal((await daemon.ended()).code, 79, daemon.output)
  assert.match(daemon.output, /replication slot \\?"no_slot\\?" is gone.* after [0-9A-F/]+, up to [0-9A-F/]+/)
  assert.match(daemon.output, /on_slot_lost = \\?"recreate\\?"/)
  scene.settings = { ...scene.settings, replication: { on_slot_lost: 'recreate' } }
  const second = await scene.start()
  await replica.sql('INSERT INTO tb_row DEFAULT VALUES', undefined, url)
  await until(
    async () => (await ids(scene)).length === 11,
    () => `does not go on:\n${second.lastLines()}`,
  )
  const gaps = (await scene.read()).filter(({ subject }) => subject.includes('_control'))
  assert.deepEqual(
    gaps.map(gap => payload(gap).reason),
    ['slot_missing', 'slot_missing'],
  )
  await second.stop()
})
