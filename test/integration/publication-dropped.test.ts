/**
 * The publication goes while its slot stays: what is committed from then on can't be decoded any more, so that the
 * daemon says so and ends with the exit code of a gap, and confirms nothing of it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatLsn, type Lsn, parseLsn } from '../../src/lsn.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

const scene = (name: string) => servers.scene({ name, schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)' })

async function confirmed(stage: Scene): Promise<Lsn> {
  const [slot] = await stage.sql<{ lsn: string }>(
    'SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1',
    [stage.slot],
  )
  return parseLsn(slot!.lsn)
}

test('dropped while the daemon runs: it ends, and what was committed since is not confirmed', async () => {
  const stage = await scene('dropped_running')
  const daemon = await stage.start()
  await stage.sql('INSERT INTO tb_order VALUES (1)')
  await stage.caughtUp()
  await stage.sql('DROP PUBLICATION dropped_running')
  await stage.sql('INSERT INTO tb_order VALUES (2)')
  const [now] = await stage.sql<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
  assert.deepEqual(await daemon.ended(), { code: 79, signal: null }, daemon.output)
  assert.match(daemon.output, /publication .*(is gone|does not exist)/)
  assert.match(daemon.output, /on_slot_lost/)
  const done = await confirmed(stage)
  assert.ok(done < parseLsn(now!.lsn), `${formatLsn(done)} is confirmed, beyond what is stored`)
  await stage.end()
})

test('renamed while nothing is written: the daemon finds it gone by itself, and ends', async () => {
  const stage = await scene('renamed_idle')
  const daemon = await stage.start()
  await stage.sql('ALTER PUBLICATION renamed_idle RENAME TO other')
  assert.deepEqual(await daemon.ended(), { code: 79, signal: null }, daemon.output)
  assert.match(daemon.output, /publication \\?"renamed_idle\\?" is gone, and the slot/)
  await stage.end()
})

test('dropped while it is stopped: the next start ends at the gap, or names it and goes on', async () => {
  const stage = await scene('dropped_stopped')
  await stage.start().then(async daemon => {
    await stage.sql('INSERT INTO tb_order VALUES (1)')
    await stage.caughtUp()
    await daemon.stop()
  })
  await stage.sql('DROP PUBLICATION dropped_stopped')
  await stage.sql('INSERT INTO tb_order VALUES (2)')
  const refused = stage.launch()
  assert.deepEqual(await refused.ended(), { code: 79, signal: null }, refused.output)
  assert.match(refused.output, /publication \\?"dropped_stopped\\?" is gone, and the slot/)

  stage.settings = { replication: { on_slot_lost: 'recreate' } }
  await stage.start()
  await stage.sql('INSERT INTO tb_order VALUES (3)')
  const events = await stage.events()
  assert.deepEqual(
    events.map(event => (event.type === 'gap' ? 'gap' : event.entity_id)),
    ['1', 'gap', 'gap', '3'],
  )
  await stage.end()
})
