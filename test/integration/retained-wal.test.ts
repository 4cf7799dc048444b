/** The WAL that PostgreSQL keeps for a quiet slot stays bounded, however much others write. In numbers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'

const MB = 1024 * 1024
/** WAL segments are 16 MB, and the folder holds the one in use, the one before, and those that are kept ready. */
const servers = shareServers({ postgres: { settings: { max_wal_size: '48MB', min_wal_size: '32MB' } } })

const ROUNDS = 5
const ROUND_BYTES = 20 * MB

interface Figures {
  /** Of all WAL files. */
  readonly folder: number
  readonly retained: number
  readonly unconfirmed: number
}

async function figures(scene: Scene): Promise<Figures> {
  const [row] = await scene.sql<Record<keyof Figures, string>>(
    `SELECT (SELECT sum(size) FROM pg_ls_waldir())::text AS folder,
       (pg_current_wal_lsn() - restart_lsn)::text AS retained,
       (pg_current_wal_lsn() - confirmed_flush_lsn)::text AS unconfirmed
     FROM pg_replication_slots WHERE slot_name = $1`,
    [scene.slot],
  )
  const { folder, retained, unconfirmed } = row!
  return { folder: Number(folder), retained: Number(retained), unconfirmed: Number(unconfirmed) }
}

/** In chunks: one record of 20 MB would be another case. */
const noise = (table: string) =>
  `INSERT INTO ${table} SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, ${Math.ceil(ROUND_BYTES / 1_040)}) n`

async function scene(name: string): Promise<{ scene: Scene; elsewhere: string }> {
  const made = await servers.scene({
    name,
    schema: `CREATE TABLE tb_order (id int PRIMARY KEY); CREATE TABLE other (id int, note text);
      ALTER TABLE other ALTER note SET STORAGE EXTERNAL`,
    rules: '[[observers]]\ntable = "tb_order"\n',
  })
  const elsewhere = await servers.postgres.createDatabase(`${name}_elsewhere`)
  await servers.postgres.sql('CREATE TABLE noise (id int, note text)', undefined, elsewhere)
  return { scene: made, elsewhere }
}

for (const place of ['another table', 'another database'] as const) {
  test(`${ROUNDS * 20} MB of WAL by ${place}: the slot keeps less than 2 MB of it, and the folder stays below 64 MB`, async () => {
    const { scene: stage, elsewhere } = await scene(place.replace(' ', '_'))
    const daemon = await stage.start()
    const before = await figures(stage)
    const [start] = await stage.sql<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
    for (let round = 0; round < ROUNDS; round++) {
      if (place === 'another table') await stage.sql(`${noise('other')}; TRUNCATE other`)
      else await servers.postgres.sql(`${noise('noise')}; TRUNCATE noise`, undefined, elsewhere)
      await stage.sql('CHECKPOINT')
      await until(
        async () => (await figures(stage)).unconfirmed < MB,
        () => `the slot stays:\n${daemon.lastLines()}`,
      )
      // The restart position follows at the next record of running transactions, which a checkpoint writes.
      await stage.sql('CHECKPOINT')
      await until(
        async () => (await figures(stage)).retained < 2 * MB,
        () => 'the slot keeps WAL',
      )
    }
    const [written] = await stage.sql<{ bytes: string }>(
      'SELECT (pg_current_wal_lsn() - $1::pg_lsn)::text AS bytes',
      [start!.lsn],
    )
    assert.ok(Number(written!.bytes) > ROUNDS * ROUND_BYTES * 0.95, `${written!.bytes} bytes of WAL`)
    const after = await figures(stage)
    assert.ok(
      after.folder <= 64 * MB,
      `${after.folder / MB} MB of WAL files, ${before.folder / MB} MB before`,
    )
    // What the daemon itself tells of it is the same.
    await until(
      async () => (await daemon.metric('fraiseql_observer_slot_retained_wal_bytes')) < 2 * MB,
      () => 'the metric stays',
    )
    assert.equal((await stage.read()).length, 0)
    await daemon.stop()
    await stage.end()
  })
}

test('without a daemon the same noise is kept: the test above can fail', async () => {
  const { scene: stage } = await scene('nobody')
  await stage.start().then(daemon => daemon.stop())
  for (let round = 0; round < 4; round++) await stage.sql(`${noise('other')}; TRUNCATE other; CHECKPOINT`)
  const { retained, folder } = await figures(stage)
  assert.ok(retained > 4 * ROUND_BYTES * 0.9 && folder > 64 * MB, `${retained} retained, ${folder} in files`)
  await stage.end()
})

test('the figures of the slot follow while NATS is away and no run streams', async () => {
  const { scene: stage } = await scene('away')
  const daemon = await stage.start()
  await stage.caughtUp()
  await servers.nats.stop()
  await stage.sql(
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'away'",
  )
  await stage.sql(noise('other'))
  await until(
    async () => (await daemon.metric('fraiseql_observer_slot_lag_bytes')) > ROUND_BYTES / 2,
    () => `the figures stay:\n${daemon.lastLines()}`,
  )
  await servers.nats.start()
  await stage.caughtUp()
  await until(
    async () => (await daemon.metric('fraiseql_observer_slot_lag_bytes')) < MB,
    () => `the figures stay:\n${daemon.lastLines()}`,
  )
  await daemon.stop()
  await stage.end()
})
