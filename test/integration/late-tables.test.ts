/** Tables that come after the daemon's start: at once where the publication is one of all tables, else with the next. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()
const TABLE = 'CREATE TABLE tb_late (id int PRIMARY KEY)'
const warned = (logs: readonly { level?: unknown; msg?: string }[]) =>
  logs.flatMap(({ level, msg }) => (level === 'warn' ? [msg] : []))

test('FOR ALL TABLES, and there is none yet: nothing to warn of, and the first one is published', async () => {
  const stage = await servers.scene({
    name: 'late_all',
    schema: 'CREATE PUBLICATION late_all FOR ALL TABLES',
  })
  const daemon = await stage.start()
  await stage.sql(TABLE)
  await stage.sql('INSERT INTO tb_late VALUES (1)')
  assert.deepEqual(
    (await stage.messages()).map(({ subject }) => subject),
    [`${stage.prefix}.Late.INSERT`],
  )
  assert.deepEqual(warned(daemon.logs), [])
  await stage.end()
})

test('a publication of the daemon, and there is no table: it says so, and takes the new one at the next start', async () => {
  const stage = await servers.scene({ name: 'late_own' })
  const daemon = await stage.start()
  assert.match(String(warned(daemon.logs)[0]), /there is no table to publish: .* start the daemon again/)
  await stage.sql(TABLE)
  await stage.sql('INSERT INTO tb_late VALUES (1)')
  await stage.caughtUp()
  await daemon.stop()
  await stage.start()
  await stage.sql('INSERT INTO tb_late VALUES (2)')
  assert.deepEqual(
    (await stage.events()).map(({ entity_id }) => entity_id),
    ['2'],
  )
  await stage.end()
})
