/**
 * A slot that is gone, lost, made anew by somebody else, or another server's: a gap in the stream. By default the daemon
 * stops with exit code 79 and names the gap; told to recreate the slot, it publishes an event that names it and goes on.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { connectSql } from '../../src/postgres.ts'
import { type Daemon, until } from '../kit/daemon.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { payload, type StreamMessage } from '../kit/stream-reader.ts'

const servers = shareServers({
  postgres: { settings: { max_slot_wal_keep_size: '16MB', max_wal_size: '32MB' } },
})

const started: PostgresServer[] = []
after(() => Promise.all(started.map(server => server.stop('immediate'))))

const SCHEMA = 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)'
const RECREATE = { replication: { on_slot_lost: 'recreate' } }

/** Of an application. */
const session = (scene: Scene) =>
  connectSql({ url: scene.url, connect_timeout_ms: 5_000 }, { applicationName: 'shop' })

const write = (scene: Scene, count: number) =>
  scene.sql(`INSERT INTO tb_row (note) SELECT 'x' FROM generate_series(1, ${count})`)

const isGap = ({ subject }: StreamMessage) => subject.endsWith('._control.gap')

/** Of the rows; what makes WAL here are logical messages, which are events too. */
const idsOf = (messages: readonly StreamMessage[]) =>
  messages.flatMap(message => (payload(message).data as { id: number } | null | undefined)?.id ?? [])

const count = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** '16/B374D848' -> 0x16B374D848 */
function lsn(text: string): bigint {
  const [high, low] = text.split('/').map(part => BigInt(`0x${part}`))
  return (high! << 32n) + low!
}

/** The commit of the last event that the stream holds. */
async function lastCommit(scene: Scene): Promise<bigint> {
  const position = (await scene.read()).findLast(message => message.position !== '')!.position
  return BigInt(`0x${position.split('.').at(-2)}`)
}

async function now(scene: Scene): Promise<bigint> {
  const [row] = await scene.sql<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
  return lsn(row!.lsn)
}

/** So much WAL that `max_slot_wal_keep_size` is exceeded, and a checkpoint that acts on it. */
async function loseSlot(scene: Scene): Promise<void> {
  for (let i = 0; i < 6; i++)
    await scene.sql("SELECT pg_logical_emit_message(false, '', 'x'), pg_switch_wal()")
  await scene.sql('CHECKPOINT')
}

async function dropSlot(scene: Scene): Promise<void> {
  await until(
    async () => (await scene.sql('SELECT pg_drop_replication_slot($1)', [scene.slot])).length === 1,
    () => 'the slot stays',
  )
}

interface Cause {
  readonly name: string
  readonly reason: string
  /** Of the sentence, beside the positions. */
  readonly says: RegExp
  /** While the daemon is away, after 20 rows that it published and before 5 that it can't see. */
  readonly before: (scene: Scene) => Promise<unknown>
  /** After these 5. */
  readonly after: (scene: Scene) => Promise<unknown>
}

const CAUSES: readonly Cause[] = [
  {
    name: 'dropped',
    reason: 'slot_missing',
    says: /replication slot \\?"dropped_\w+\\?" is gone/,
    before: dropSlot,
    after: async () => {},
  },
  {
    name: 'lost',
    reason: 'slot_lost',
    says: /replication slot \\?"lost_\w+\\?" is lost/,
    before: async () => {},
    after: loseSlot,
  },
  {
    name: 'remade',
    reason: 'slot_recreated',
    says: /replication slot \\?"remade_\w+\\?" was made anew/,
    before: dropSlot,
    after: scene => scene.sql("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [scene.slot]),
  },
]

/** 20 rows in the stream, a daemon that is away, the cause, and 5 rows in the gap. */
async function afterGap({ name, before, after: then }: Cause, variant: string): Promise<Scene> {
  const scene = await servers.scene({ name: `${name}_${variant}`, schema: SCHEMA })
  const daemon = await scene.start()
  await write(scene, 20)
  await scene.caughtUp()
  await daemon.stop()
  await before(scene)
  await write(scene, 5)
  await then(scene)
  return scene
}

/** From the last event or what was confirmed after it, up to where the new slot begins. */
async function assertGap(scene: Scene, from: string, to: string): Promise<void> {
  const last = await lastCommit(scene)
  assert.ok(
    lsn(from) >= last && lsn(from) < last + 100_000n,
    `from ${from}, and the last event is at ${last}`,
  )
  assert.ok(lsn(to) > lsn(from) && lsn(to) <= (await now(scene)), `from ${from} to ${to}`)
}

for (const cause of CAUSES) {
  test(`${cause.name}, on_slot_lost = "stop": exit 79, the gap and the choices`, async () => {
    const scene = await afterGap(cause, 'stop')
    const end = await now(scene)
    const daemon = scene.launch()
    assert.deepEqual(await daemon.ended(), { code: 79, signal: null }, daemon.output)
    assert.match(daemon.output, cause.says)
    const [, from, to] = /after ([0-9A-F]+\/[0-9A-F]+), up to (?:about )?([0-9A-F]+\/[0-9A-F]+)/.exec(
      daemon.output,
    )!
    await assertGap(scene, from!, to!)
    assert.match(daemon.output, /on_slot_lost = \\?"recreate\\?"/)
    assert.match(daemon.output, /missing rows/)
    // Again and again, and nothing is hidden by it.
    assert.equal((await scene.launch().ended()).code, 79)
    assert.equal((await scene.read()).length, 20)
    assert.ok(lsn(to!) <= end + 10_000n)
    await scene.end()
  })

  test(`${cause.name}, on_slot_lost = "recreate": the gap is published once, and it goes on`, async () => {
    const scene = await afterGap(cause, 'recreate')
    scene.settings = RECREATE
    const first = await scene.start()
    assert.equal(await first.metric('fraiseql_observer_gaps_total'), 1)
    await first.stop()
    // Now that the gap is published, a slot that has nothing to show yet is no gap.
    scene.settings = {}
    await scene.sql('CREATE TABLE elsewhere AS SELECT 1 AS n')
    await scene.start().then(idle => idle.stop())
    await scene.sql('DROP TABLE elsewhere')
    const daemon = await scene.start()
    await write(scene, 10)
    const messages = await scene.messages()
    await assertRecreated(scene, messages, cause.reason)
    await daemon.stop()
    // It was told to accept this gap, and not to see one at each start.
    scene.settings = {}
    const second = await scene.start()
    await write(scene, 1)
    assert.deepEqual(idsOf(await scene.messages()), [...count(1, 20), ...count(26, 36)])
    await second.stop()
    await scene.end()
  })
}

async function assertRecreated(
  scene: Scene,
  messages: readonly StreamMessage[],
  reason: string,
): Promise<void> {
  assert.deepEqual(idsOf(messages), [...count(1, 20), ...count(26, 35)])
  assert.deepEqual(messages.map(isGap).indexOf(true), 20)
  const gaps = messages.filter(isGap)
  assert.ok(gaps.every(({ subject }) => subject === `${scene.prefix}._control.gap`))
  const told = gaps.map(payload) as { from: string; to: string | null }[]
  // Where the new slot begins is not known before it is made.
  const known = reason === 'slot_recreated'
  assert.deepEqual(
    told.map(gap => gap.to === null),
    known ? [false] : [true, false],
  )
  const { from, to, ...rest } = told.at(-1)!
  for (const gap of told) assert.deepEqual({ ...gap, to }, { ...rest, from, to })
  assert.deepEqual(rest, { type: 'gap', reason, slot: scene.slot })
  const before = BigInt(`0x${messages[19]!.position.split('.').at(-2)}`)
  assert.ok(lsn(from) >= before && lsn(from) < before + 100_000n)
  const after = BigInt(`0x${messages[20 + gaps.length]!.position.split('.').at(-2)}`)
  assert.ok(to !== null && lsn(to) > lsn(from) && lsn(to) < after)
}

test('thousands of messages of others behind the last event do not hide that the slot is gone', async () => {
  const scene = await servers.scene({ name: 'buried', schema: SCHEMA })
  await scene.start().then(async daemon => {
    await write(scene, 3)
    await scene.caughtUp()
    await daemon.stop()
  })
  for (let i = 0; i < 3_000; i++) servers.nc.publish(`${scene.prefix}.foreign`, 'x')
  await servers.nc.flush()
  await until(
    async () => (await (await scene.jsm()).streams.info(scene.stream)).state.messages === 3_003,
    () => 'not stored',
  )
  await dropSlot(scene)
  const daemon = scene.launch()
  assert.equal((await daemon.ended()).code, 79, daemon.output)
  assert.match(daemon.output, /replication slot \\?"buried\\?" is gone, and the stream holds its events/)
  await scene.end()
})

test('the gap reaches to where the new slot begins, transactions that were open when it was made included', async () => {
  const scene = await servers.scene({ name: 'gap_end', schema: SCHEMA })
  await scene.start().then(async daemon => {
    await write(scene, 20)
    await scene.caughtUp()
    await daemon.stop()
  })
  await dropSlot(scene)
  await write(scene, 5)
  scene.settings = RECREATE
  const writer = await session(scene)
  await writer.query('BEGIN; SELECT pg_current_xact_id()')
  const first = scene.launch()
  await first.says('the gap is published')
  await write(scene, 1)
  const missed = await now(scene)
  // Ended by force before it could say where the gap ends: the next one does.
  await first.kill()
  await scene.sql(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'gap_end'`,
  )
  const second = scene.launch()
  await second.says('the daemon waits for them')
  await write(scene, 1)
  await writer.query('COMMIT')
  await writer.end()
  await second.streaming()
  await write(scene, 1)
  const messages = await scene.messages()
  const gaps = messages.filter(isGap).map(payload) as { from: string; to: string | null; reason: string }[]
  assert.deepEqual(
    gaps.map(({ reason, to }) => [reason, to === null]),
    [
      ['slot_missing', true],
      ['slot_missing', false],
    ],
  )
  assert.equal(gaps[0]!.from, gaps[1]!.from)
  assert.ok(lsn(gaps[1]!.to!) > missed)
  assert.deepEqual(idsOf(messages), [...count(1, 20), 28])
  await second.stop()
  await scene.end()
})

for (const slot of ['without', 'with'] as const) {
  test(`another system identifier, restored ${slot} a slot of the same name`, async () => {
    const scene = await servers.scene({ name: `restored_${slot}`, schema: SCHEMA })
    const daemon = await scene.start()
    await write(scene, 20)
    await scene.caughtUp()
    await daemon.stop()
    // As from a dump: the rows, and nothing of the history.
    const other = await startPostgres({ ownSystemId: true })
    started.push(other)
    const url = await other.createDatabase(scene.slot)
    const restored = { ...RECREATE, database: { url } }
    const run = (text: string) => other.sql(text, undefined, url)
    await run(`${SCHEMA}; INSERT INTO tb_row (note) SELECT 'x' FROM generate_series(1, 22)`)
    if (slot === 'with') {
      await run(`CREATE PUBLICATION ${scene.slot} FOR TABLE tb_row`)
      await run(`SELECT pg_create_logical_replication_slot('${scene.slot}', 'pgoutput')`)
    }
    scene.settings = { database: { url } }
    const refused = scene.launch()
    assert.equal((await refused.ended()).code, 79, refused.output)
    assert.match(refused.output, /from another database server \(up to [0-9A-F]+\/[0-9A-F]+ there\)/)
    assert.match(refused.output, /before [0-9A-F]+\/[0-9A-F]+ can not be told apart/)
    assert.match(refused.output, /on_slot_lost = \\?"recreate\\?"/)
    scene.settings = restored
    const accepted = await scene.start()
    await run("INSERT INTO tb_row (note) VALUES ('x'), ('x')")
    await arrived(scene, 23, accepted)
    const messages = await scene.read()
    assert.equal(payload(messages[20]!).reason, 'other_system')
    assert.deepEqual(idsOf(messages), [...count(1, 20), 23, 24])
    await accepted.stop()
    scene.settings = { database: { url } }
    const last = await scene.start()
    await run("INSERT INTO tb_row (note) VALUES ('x')")
    await arrived(scene, 24, last)
    await last.stop()
    await scene.end()
  })
}

async function arrived(scene: Scene, messages: number, daemon: Daemon): Promise<void> {
  await until(
    async () => (await scene.read()).length >= messages,
    () => `${messages} do not arrive:\n${daemon.lastLines()}`,
  )
}

for (const policy of ['stop', 'recreate'] as const) {
  test(`lost while the daemon is frozen, on_slot_lost = "${policy}"`, async () => {
    const scene = await servers.scene({
      name: `frozen_${policy}`,
      schema: SCHEMA,
      settings: { replication: { on_slot_lost: policy } },
    })
    const daemon = await scene.start()
    await write(scene, 20)
    await scene.caughtUp()
    daemon.signal('SIGSTOP')
    await write(scene, 5)
    await until(
      async () => {
        await loseSlot(scene)
        const [slot] = await scene.sql('SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1', [
          scene.slot,
        ])
        return slot?.wal_status === 'lost'
      },
      () => 'the slot is not lost',
    )
    const from = daemon.logs.length
    daemon.signal('SIGCONT')
    if (policy === 'stop') {
      assert.equal((await daemon.ended()).code, 79)
      assert.match(daemon.output, /is lost .* after [0-9A-F]+\/[0-9A-F]+, up to about [0-9A-F]+\/[0-9A-F]+/)
    } else {
      await daemon.says('the gap is published', from)
      await daemon.says('streaming', from)
      await write(scene, 1)
      assert.equal((await scene.messages()).filter(isGap).length, 2)
      assert.equal(idsOf(await scene.read()).at(-1), 26)
      await daemon.stop()
    }
    await scene.end()
  })
}
