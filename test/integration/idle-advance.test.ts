/** A quiet slot must move along with what others write, or it fills the disk. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

async function position(stage: Scene): Promise<bigint> {
  const [slot] = await stage.sql<{ at: string }>(
    "SELECT (confirmed_flush_lsn - '0/0')::text AS at FROM pg_replication_slots WHERE slot_name = $1",
    [stage.slot],
  )
  return BigInt(slot!.at)
}

test('the slot moves while only other tables and other databases are written', async () => {
  const stage = await servers.scene({
    name: 'idle',
    schema: 'CREATE TABLE tb_order (id int PRIMARY KEY); CREATE TABLE other (id int, note text)',
    rules: '[[observers]]\ntable = "tb_order"\n',
  })
  const elsewhere = await servers.postgres.createDatabase('elsewhere')
  await servers.postgres.sql('CREATE TABLE noise (id int, note text)', undefined, elsewhere)
  const daemon = await stage.start()
  const write = "SELECT n, repeat('x', 500) FROM generate_series(1, 2000) n"
  const places: readonly [string, () => Promise<unknown>][] = [
    ['another table', () => stage.sql(`INSERT INTO other ${write}`)],
    ['another database', () => servers.postgres.sql(`INSERT INTO noise ${write}`, undefined, elsewhere)],
  ]
  for (const [place, noise] of places) {
    const before = await position(stage)
    await noise()
    await until(
      async () => (await position(stage)) > before + 1_000_000n,
      () => `${place}: the slot stays`,
    )
  }
  await stage.caughtUp()
  assert.equal((await stage.read()).length, 0)
  await stage.sql('INSERT INTO tb_order VALUES (1)')
  assert.equal((await stage.messages()).length, 1)
  await daemon.stop()
  await stage.end()
})

test('an open transaction is not confirmed by the keepalives that come meanwhile', async () => {
  const stage = await servers.scene({
    name: 'open_transaction',
    schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)',
  })
  const daemon = await stage.start()
  await stage.sql('INSERT INTO tb_order VALUES (1)')
  // A long transaction, whose rows are decoded at its commit; others write and commit meanwhile.
  const long = stage.sql(`
    BEGIN;
    INSERT INTO tb_order SELECT generate_series(10, 500);
    SELECT pg_sleep(0.5);
    COMMIT`)
  await stage.sql('INSERT INTO tb_order VALUES (2)')
  await stage.caughtUp()
  await daemon.kill()
  await long
  const second = await stage.start()
  const ids = (await stage.events()).map(event => (event.data as { id: number }).id)
  assert.deepEqual(ids, [1, 2, ...Array.from({ length: 491 }, (_, i) => i + 10)])
  await second.stop()
  await stage.end()
})
