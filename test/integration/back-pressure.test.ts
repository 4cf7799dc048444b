/** A broker that stands still in the middle of a large transaction: memory stays flat, PostgreSQL stays connected. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { until } from '../kit/daemon.ts'
import { shareServers } from '../kit/stage.ts'

// Much shorter than the pause below: without status updates and answers PostgreSQL would end the connection.
const servers = shareServers({ postgres: { settings: { wal_sender_timeout: '1500ms' } } })

/** Resident memory in MiB. */
function memory(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB/m)
  return Number(line![1]) / 1024
}

test('a stalled broker stalls the reading, and nothing else', async () => {
  const rows = 40_000
  const stage = await servers.scene({
    name: 'stalled',
    schema: 'CREATE TABLE tb_row (id int PRIMARY KEY, note text)',
    settings: { stream: { max_bytes: 1_000_000_000 }, event: { entity: 'omit' } },
  })
  const daemon = await stage.start()
  const sequence = async () => (await daemon.status()).streams[0]?.last_sequence ?? 0
  await stage.sql(`INSERT INTO tb_row SELECT n, repeat('x', 1000) FROM generate_series(1, ${rows}) n`)
  await until(
    async () => (await sequence()) > 2_000,
    () => 'nothing arrives',
  )
  servers.nats.freeze()
  await until(
    async () => (await daemon.status()).in_flight.paused,
    () => 'the reading is not paused',
  )
  const before = memory(daemon.pid)
  const { in_flight } = await daemon.status()
  const { max_messages, max_bytes } = in_flight
  assert.ok(
    in_flight.messages <= max_messages && in_flight.bytes <= max_bytes + 10_000,
    JSON.stringify(in_flight),
  )
  // Longer than wal_sender_timeout, twice.
  await new Promise(resolve => setTimeout(resolve, 4_000))
  const [sender] = await servers.postgres.sql<{ state: string }>(
    "SELECT state FROM pg_stat_replication WHERE application_name = 'fraiseql-observer'",
  )
  assert.equal(sender?.state, 'streaming')
  const grown = memory(daemon.pid) - before
  // The rest of the transaction alone is more than that.
  assert.ok(grown < 32, `memory grew by ${grown} MiB`)
  servers.nats.thaw()
  const messages = await stage.messages()
  assert.equal(messages.length, rows)
  assert.equal(new Set(messages.map(({ msgId }) => msgId)).size, rows)
  assert.equal(await daemon.metric('fraiseql_observer_reconnects_total'), 0)
  assert.ok((await daemon.metric('fraiseql_observer_paused_seconds_total')) > 0)
  await daemon.stop()
  await stage.end()
})
