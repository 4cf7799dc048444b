/**
 * Where other programs of this kind were seen to lose, double or reorder changes, or to take memory as large as the
 * transaction: the same trials here, on the program as a process. Each must come out clean.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { jetstream } from '@nats-io/jetstream'
import { assertHistory } from '../kit/commit-history.ts'
import { type Daemon, until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { openSecondSlot, type SecondSlot } from '../kit/second-slot.ts'
import { shareServers } from '../kit/stage.ts'
import { clientIsBack, storedCount } from '../kit/stored-count.ts'

// Transactions of more than 64 kB are written to disk while they are decoded, and read back in pieces.
const servers = shareServers({ postgres: { settings: { logical_decoding_work_mem: '64kB' } } })

const SCHEMA = 'CREATE TABLE tb_row (id serial PRIMARY KEY, amount numeric(20, 5), note text, doc jsonb)'

/** Slot and publication are there, and nothing is published yet. */
async function prepare(name: string, settings = {}): Promise<{ scene: Scene; witness: SecondSlot }> {
  const scene = await servers.scene({ name, schema: SCHEMA, settings })
  await scene.start().then(daemon => daemon.stop())
  const witness = await openSecondSlot(servers.postgres, {
    url: scene.url,
    name: `${name}_witness`,
    publication: scene.slot,
  })
  return { scene, witness }
}

/** Transactions of one row, of fifty, and one of a quarter of all rows. */
async function backlog(scene: Scene, rows: number): Promise<void> {
  const columns =
    "INSERT INTO tb_row (amount, note, doc) SELECT g / 7.0, repeat('x', 100), jsonb_build_object('n', g)"
  await scene.sql(`DO $$ BEGIN FOR n IN 1..${rows / 4} LOOP
    ${columns} FROM generate_series(n, n) g; COMMIT; END LOOP; END $$`)
  await scene.sql(`${columns} FROM generate_series(1, ${rows / 4}) g`)
  await scene.sql(`DO $$ BEGIN FOR n IN 1..${rows / 100} LOOP
    ${columns} FROM generate_series(n, n + 49) g; COMMIT; END LOOP; END $$`)
}

async function stored(scene: Scene, least: number, daemon: Daemon): Promise<void> {
  await until(
    async () => (await storedCount(scene)) >= least,
    () => `stays below ${least}:\n${daemon.lastLines()}`,
  )
}

async function finish(scene: Scene, daemon: Daemon): Promise<void> {
  await daemon.stop()
  await servers.postgres.sql('SELECT pg_drop_replication_slot($1)', [`${scene.slot}_witness`])
  await scene.end()
}

test('SIGKILL in mid-backlog', async () => {
  const rows = 12_000
  const { scene, witness } = await prepare('sigkill')
  await backlog(scene, rows)
  let daemon = scene.launch()
  // In the one-row transactions, in the middle of the long one, and in the last part.
  for (const share of [0.1, 0.35, 0.6]) {
    await stored(scene, rows * share, daemon)
    assert.deepEqual(await daemon.kill('SIGKILL'), { code: null, signal: 'SIGKILL' })
    daemon = scene.launch()
  }
  const { messages } = await assertHistory(scene, witness, ['tb_row'])
  assert.equal(messages.length, rows)
  await finish(scene, daemon)
})

test('nats-server killed and restarted', async () => {
  const rows = 12_000
  const { scene, witness } = await prepare('nats_killed')
  await backlog(scene, rows)
  const daemon = scene.launch()
  for (const share of [0.1, 0.35, 0.6]) {
    await stored(scene, rows * share, daemon)
    await servers.nats.kill()
    await new Promise(resolve => setTimeout(resolve, 300))
    await servers.nats.start()
  }
  await stored(scene, rows, daemon)
  await clientIsBack(scene)
  const { messages } = await assertHistory(scene, witness, ['tb_row'])
  assert.equal(messages.length, rows)
  // It did not end, and it is the one that was started.
  await finish(scene, daemon)
})

test('transaction streamed in pieces, savepoint or rollback', async () => {
  const { scene, witness } = await prepare('pieces')
  const daemon = await scene.start()
  const insert = (note: string, count: number) =>
    `INSERT INTO tb_row (note) SELECT '${note} ' || repeat(md5(g::text), 20) FROM generate_series(1, ${count}) g;`
  const wait = 'SELECT pg_sleep(0.3);'
  await Promise.all([
    scene.sql(`BEGIN; ${insert('kept', 1_000)} SAVEPOINT a; ${insert('gone', 1_000)} ${wait} ROLLBACK TO a;
      ${insert('kept', 500)} SAVEPOINT b; ${insert('kept', 1_000)} RELEASE b; ${wait} SAVEPOINT c;
      ${insert('kept', 10)} SAVEPOINT d; ${insert('gone', 1_000)} ROLLBACK TO d; COMMIT`),
    scene.sql(`BEGIN; ${insert('gone', 3_000)} ${wait} UPDATE tb_row SET note = 'gone'; ${wait} ROLLBACK`),
    scene.sql(`BEGIN; ${insert('kept', 1_500)} ${wait} ${insert('kept', 1_500)} ${wait} COMMIT`),
    scene.sql(`BEGIN; SAVEPOINT a; ${insert('gone', 800)} ${wait} ROLLBACK TO a; COMMIT`),
  ])
  const { messages } = await assertHistory(scene, witness, ['tb_row'])
  const notes = messages.map(({ text }) => /"note":"(\w+)/.exec(text)?.[1])
  assert.deepEqual([notes.length, notes.filter(note => note === 'kept').length], [5_510, 5_510])
  const spilled = await scene.sql<{ count: string }>(
    'SELECT spill_count::text AS count FROM pg_stat_replication_slots WHERE slot_name = $1',
    [scene.slot],
  )
  assert.ok(Number(spilled[0]!.count) > 0, 'nothing came in pieces')
  await finish(scene, daemon)
})

test('away longer than the duplicate window', async () => {
  const rows = 12_000
  const { scene, witness } = await prepare('away', { stream: { duplicate_window_seconds: 1 } })
  await scene.sql(`INSERT INTO tb_row (amount, note) SELECT g, 'x' FROM generate_series(1, ${rows}) g`)
  for (const share of [0.2, 0.6]) {
    const daemon = scene.launch()
    await stored(scene, rows * share, daemon)
    await daemon.kill('SIGKILL')
    await new Promise(resolve => setTimeout(resolve, 1_300))
  }
  const daemon = await scene.start()
  const { messages } = await assertHistory(scene, witness, ['tb_row'])
  assert.equal(messages.length, rows)
  // All of it came again from PostgreSQL: it was one transaction.
  assert.ok((await daemon.metric('fraiseql_observer_resume_skipped_total')) >= rows * 0.6)
  assert.equal(await daemon.metric('fraiseql_observer_duplicates_total'), 0)
  await finish(scene, daemon)
})

test('300,000-row transaction in memory', async () => {
  const rows = 300_000
  const scene = await servers.scene({
    name: 'memory',
    schema: `CREATE TABLE tb_wide (id bigint PRIMARY KEY, customer uuid, status text, total numeric(12, 2),
      placed_at timestamptz, tags jsonb, note text, active boolean)`,
    settings: { stream: { max_bytes: 1_000_000_000 } },
  })
  const daemon = await scene.start()
  const first = peakMemory(daemon)
  await scene.sql(`INSERT INTO tb_wide SELECT g, md5(g::text)::uuid, 'paid', g / 3.0, '2026-01-02T03:04:05Z',
    '{"a": [1, 2]}', repeat('n', 130), true FROM generate_series(1, ${rows}) g`)
  await stored(scene, rows, daemon)
  await scene.caughtUp()
  const peak = peakMemory(daemon)
  assert.ok(peak > first)
  assert.ok(peak < 128, `${peak.toFixed(0)} MiB at the peak`)
  await assertCounted(scene, rows)
  await daemon.stop()
  await scene.end()
})

/** The most resident memory that the process ever had, in MiB. */
function peakMemory({ pid }: Daemon): number {
  const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line![1]) / 1024
}

/** Rows 1 to `rows`, each once and in its place. One by one, because all of them at once would fill this process. */
async function assertCounted(scene: Scene, rows: number): Promise<void> {
  const { state } = await (await scene.jsm()).streams.info(scene.stream)
  assert.deepEqual([state.messages, state.last_seq], [rows, rows])
  const consumer = await jetstream(scene.servers.nc).consumers.get(scene.stream)
  const messages = await consumer.consume({ max_messages: 2_000 })
  for await (const message of messages) {
    const row = `"data":{"id":${message.seq},`
    if (!message.string().includes(row)) assert.fail(`${row} is not in ${message.string()}`)
    if (message.seq === rows) break
  }
  messages.stop()
}
