/**
 * Failover on PostgreSQL 17 and later: the standby that copies the slot is promoted, and the daemon, which knows both
 * hosts, goes on there.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { type Daemon, until } from '../kit/daemon.ts'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { connectForTest, Scene } from '../kit/scene.ts'
import { startStandby } from '../kit/standby.ts'

/** Slots are copied to standbys from 17 on. */
const MAJOR = Math.max(17, Number(process.env.TEST_PG_MAJOR || 18))
const SCHEMA = 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)'

const started: (() => Promise<unknown>)[] = []
after(async () => {
  for (const stop of started.reverse()) await stop()
})

interface Pair {
  readonly primary: PostgresServer
  readonly standby: PostgresServer
  readonly scene: Scene
  /** Of the scene's database on the standby. */
  readonly url: string
}

async function makePair(name: string, settings: Readonly<Record<string, string>>): Promise<Pair> {
  const nats: NatsServer = await startNats()
  started.push(() => nats.stop())
  const nc: NatsConnection = await connectForTest(nats)
  started.push(() => nc.close())
  const primary = await startPostgres({ major: MAJOR, settings })
  started.push(() => primary.stop('immediate'))
  const database = await primary.createDatabase(name)
  await primary.sql(SCHEMA, undefined, database)
  await primary.sql("SELECT pg_create_physical_replication_slot('standby')")
  const standby = await startStandby(primary, { primary_slot_name: 'standby', sync_replication_slots: 'on' })
  started.push(() => standby.stop('immediate'))
  const hosts = [primary, standby].map(({ port }) => `127.0.0.1:${port}`).join(',')
  const url = `postgresql://postgres@${hosts}/${name}?target_session_attrs=read-write`
  const scene = new Scene({ postgres: primary, nats, nc }, database, {
    name,
    settings: { database: { url } },
  })
  started.push(() => scene.killDaemons())
  return { primary, standby, scene, url: database.replace(`:${primary.port}/`, `:${standby.port}/`) }
}

/** The standby's copy of the slot would survive a promotion, and has come so far. */
async function slotIsCopied({ standby, scene }: Pair): Promise<void> {
  const [now] = await scene.sql<{ at: string }>('SELECT pg_current_wal_lsn()::text AS at')
  await until(
    async () => {
      const [slot] = await standby.sql<{ ready: boolean }>(
        `SELECT synced AND NOT temporary AND confirmed_flush_lsn >= $2::pg_lsn AS ready
         FROM pg_replication_slots WHERE slot_name = $1`,
        [scene.slot, now!.at],
      )
      return slot?.ready === true
    },
    () => `the slot is not copied:\n${standby.log()}`,
  )
}

async function promote({ primary, standby }: Pair): Promise<void> {
  await primary.stop('immediate')
  await standby.sql('SELECT pg_promote()')
}

async function caughtUp({ standby, scene, url }: Pair, daemon: Daemon): Promise<void> {
  const [now] = await standby.sql<{ at: string }>('SELECT pg_current_wal_lsn()::text AS at')
  await until(
    async () => {
      const [slot] = await standby.sql<{ done: boolean }>(
        'SELECT confirmed_flush_lsn >= $2::pg_lsn AS done FROM pg_replication_slots WHERE slot_name = $1',
        [scene.slot, now!.at],
        url,
      )
      return slot?.done === true
    },
    () => `the daemon does not go on with the promoted server:\n${daemon.output}\n${standby.log()}`,
    60_000,
  )
}

const insert = (count: number, note: string) =>
  `INSERT INTO tb_row (note) SELECT '${note}' FROM generate_series(1, ${count})`

async function notes(scene: Scene): Promise<string[]> {
  const messages = await scene.read()
  assert.equal(new Set(messages.map(({ msgId }) => msgId)).size, messages.length)
  return messages.map(({ text }) => (JSON.parse(text) as { data: { note: string } }).data.note)
}

const counted = (list: readonly string[], note: string) => list.filter(one => one === note).length

test('the standby that has confirmed everything is promoted: no row is lost, none comes twice', async () => {
  const pair = await makePair('failover', { synchronized_standby_slots: 'standby' })
  const { scene, standby, url } = pair
  const daemon = await scene.start()
  await slotIsCopied(pair)
  await scene.sql(insert(500, 'before'))
  await scene.caughtUp()
  // On its way when the primary goes: what was committed there and has come to the standby must come to the stream.
  for (let i = 0; i < 20; i++) await scene.sql(insert(20, 'in flight'))
  await promote(pair)
  await standby.sql(insert(300, 'after'), undefined, url)
  await caughtUp(pair, daemon)
  const rows = await standby.sql<{ id: number; note: string }>(
    'SELECT note FROM tb_row ORDER BY id',
    undefined,
    url,
  )
  assert.deepEqual(
    await notes(scene),
    rows.map(({ note }) => note),
  )
  assert.equal(daemon.running, true)
  await daemon.stop()
})

test('rows that only the lost primary had are no reason to skip those of the new one', async () => {
  const pair = await makePair('diverged', {})
  const { scene, standby, url } = pair
  const daemon = await scene.start()
  await slotIsCopied(pair)
  await scene.sql(insert(100, 'common'))
  await scene.caughtUp()
  // The standby gets no more; the stream does.
  await standby.sql("ALTER SYSTEM SET primary_conninfo = ''")
  await standby.sql('SELECT pg_reload_conf()')
  await until(
    async () =>
      (await scene.sql("SELECT 1 FROM pg_stat_replication WHERE application_name = 'walreceiver'")).length ===
      0,
    () => 'the standby still receives',
  )
  await scene.sql(insert(400, 'lost'))
  await scene.caughtUp()
  await promote(pair)
  for (let i = 0; i < 10; i++) await standby.sql(insert(50, 'new'), undefined, url)
  await caughtUp(pair, daemon)
  const found = await notes(scene)
  assert.deepEqual(
    ['common', 'lost', 'new'].map(note => counted(found, note)),
    [100, 400, 500],
  )
  await daemon.stop()
})

test('a standby that a URL of one host leads to makes no slot: it is waited for until it is promoted', async () => {
  const pair = await makePair('alone', {})
  const { scene, standby, url } = pair
  scene.settings = { ...scene.settings, database: { url } }
  await scene.sql("CREATE PUBLICATION alone FOR TABLE tb_row; COMMENT ON PUBLICATION alone IS 'mine'")
  const daemon = scene.launch()
  const line = await daemon.says('this PostgreSQL server is a standby')
  assert.match(JSON.stringify(line), /Let DATABASE_URL name the primary/)
  assert.deepEqual(await standby.sql("SELECT FROM pg_replication_slots WHERE slot_type = 'logical'"), [])
  await promote(pair)
  await daemon.streaming()
  await daemon.stop()
})
