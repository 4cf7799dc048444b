/**
 * What the stream may have become while the daemon was away or at work: nothing that it holds comes twice, and
 * nothing that it never held is skipped.
 */
import assert from 'node:assert/strict'
import { cpSync, renameSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { headers } from '@nats-io/transport-node'
import { type Daemon, until } from '../kit/daemon.ts'
import { startPostgres } from '../kit/postgres.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { clientIsBack } from '../kit/stored-count.ts'
import { payload, type StreamMessage } from '../kit/stream-reader.ts'

const servers = shareServers()

const SCHEMA = 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)'

const scene = (name: string, settings = {}) => servers.scene({ name, schema: SCHEMA, settings })

const write = (stage: Scene, count: number) =>
  stage.sql(`INSERT INTO tb_row (note) SELECT 'x' FROM generate_series(1, ${count})`)

const idsOf = (messages: readonly StreamMessage[]) =>
  messages
    .filter(({ msgId }) => msgId !== '' && !msgId.startsWith('foreign'))
    .map(message => (payload(message).data as { id: number }).id)

const count = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/**
 * As after a crash in the worst moment: everything is stored, and PostgreSQL was told nothing of it, so that all
 * comes again. A frozen slot position does that: the daemon's status updates are taken back by a copy of the slot.
 */
async function rewound(stage: Scene, work: (daemon: Daemon) => Promise<void>): Promise<void> {
  await stage.start().then(daemon => daemon.stop())
  const { postgres } = servers
  await postgres.sql(
    'SELECT pg_copy_logical_replication_slot($1, $2)',
    [stage.slot, `${stage.slot}_copy`],
    stage.url,
  )
  const daemon = await stage.start()
  await work(daemon)
  await stage.caughtUp()
  await daemon.kill()
  await until(
    async () => {
      await stage.sql('SELECT pg_drop_replication_slot($1)', [stage.slot])
      return true
    },
    () => 'the slot stays active',
  )
  await postgres.sql(
    'SELECT pg_copy_logical_replication_slot($1, $2)',
    [`${stage.slot}_copy`, stage.slot],
    stage.url,
  )
  await stage.sql('SELECT pg_drop_replication_slot($1)', [`${stage.slot}_copy`])
}

async function finish(stage: Scene, daemon: Daemon): Promise<void> {
  assert.equal(await daemon.metric('fraiseql_observer_duplicates_total'), 0)
  await daemon.stop()
  await stage.end()
}

test('all comes again, longer after than the duplicate window: nothing is stored twice', async () => {
  const stage = await scene('window', { stream: { duplicate_window_seconds: 1 } })
  await rewound(stage, async () => {
    await write(stage, 3_000)
    await write(stage, 1)
  })
  await new Promise(resolve => setTimeout(resolve, 1_500))
  const daemon = await stage.start()
  await write(stage, 10)
  assert.deepEqual(idsOf(await stage.messages()), count(1, 3_011))
  assert.equal(await daemon.metric('fraiseql_observer_resume_skipped_total'), 3_001)
  await finish(stage, daemon)
})

test('the stream was purged meanwhile: what it had held before does not come again', async () => {
  const stage = await scene('purged', { stream: { duplicate_window_seconds: 1 } })
  const first = await stage.start()
  await write(stage, 50)
  await stage.caughtUp()
  await first.stop()
  await (await stage.jsm()).streams.purge(stage.stream)
  await write(stage, 5)
  const second = await stage.start()
  assert.deepEqual(idsOf(await stage.messages()), count(51, 55))
  // And while it runs.
  await (await stage.jsm()).streams.purge(stage.stream)
  await write(stage, 5)
  assert.deepEqual(idsOf(await stage.messages()), count(56, 60))
  await finish(stage, second)
})

// What retention removed is not there to tell that it was: of the last window it may come again, never twice at once.
test('retention has trimmed the stream down to its last messages, or to one', async () => {
  for (const kept of [1, 7]) {
    const stage = await scene(`trimmed_${kept}`, { stream: { max_msgs: kept, duplicate_window_seconds: 1 } })
    await rewound(stage, async () => {
      await write(stage, 500)
    })
    await new Promise(resolve => setTimeout(resolve, 1_200))
    const daemon = await stage.start()
    await stage.caughtUp()
    const before = idsOf(await stage.messages())
    assert.equal(new Set(before).size, before.length)
    await write(stage, 20)
    assert.deepEqual(idsOf(await stage.messages()), count(520 - kept + 1, 520))
    await finish(stage, daemon)
  }
})

test('messages were deleted: only they may come again', async () => {
  const stage = await scene('holes', { stream: { duplicate_window_seconds: 1 } })
  await rewound(stage, async () => {
    await write(stage, 20)
  })
  const manager = await stage.jsm()
  for (const sequence of [3, 4, 20]) await manager.streams.deleteMessage(stage.stream, sequence)
  await new Promise(resolve => setTimeout(resolve, 1_200))
  const daemon = await stage.start()
  await write(stage, 2)
  const ids = idsOf(await stage.messages())
  assert.equal(new Set(ids).size, ids.length)
  assert.deepEqual(
    ids.filter(id => ![3, 4, 20].includes(id)),
    [1, 2, ...count(5, 19), 21, 22],
  )
  assert.ok(ids.includes(20), 'the last message may never have been stored, as far as anybody knows')
  await finish(stage, daemon)
})

test('the stream was deleted and made anew, while the daemon was stopped and while it ran', async () => {
  const stage = await scene('recreated')
  const first = await stage.start()
  await write(stage, 10)
  await stage.caughtUp()
  await first.stop()
  const manager = await stage.jsm()
  await manager.streams.delete(stage.stream)
  await write(stage, 5)
  const second = await stage.start()
  assert.deepEqual(idsOf(await stage.messages()), count(11, 15))
  const { config } = await manager.streams.info(stage.stream)
  // By somebody, at once.
  await manager.streams.delete(stage.stream)
  await manager.streams.add(config)
  await write(stage, 5)
  assert.deepEqual(idsOf(await stage.messages()), count(16, 20))
  const told = await second.says('went back or was made anew')
  assert.deepEqual([told.stream, told.from, told.to], ['recreated', 1, 5])
  // By the daemon itself, when nobody does.
  await manager.streams.delete(stage.stream)
  await write(stage, 5)
  assert.deepEqual(idsOf(await stage.messages()), count(21, 25))
  await finish(stage, second)
})

test('an older copy of the stream is restored while the daemon runs: it says what is gone', async () => {
  const stage = await scene('restored')
  const daemon = await stage.start()
  await write(stage, 10)
  await stage.caughtUp()
  const { nats } = servers
  const { storeDir } = nats
  const restart = async (work: () => void) => {
    await nats.stop()
    work()
    await nats.start()
    await clientIsBack(stage)
  }
  await restart(() => cpSync(storeDir, `${storeDir}.old`, { recursive: true }))
  await write(stage, 5)
  await stage.caughtUp()
  await restart(() => {
    rmSync(storeDir, { recursive: true })
    renameSync(`${storeDir}.old`, storeDir)
  })
  const told = await daemon.says('went back or was made anew')
  assert.deepEqual([told.stream, told.from, told.to], ['restored', 11, 15])
  assert.match(String((await daemon.status()).last_error?.message), /11 to 15.* not sent again/)
  await write(stage, 5)
  assert.deepEqual(idsOf(await stage.messages()), [...count(1, 10), ...count(16, 20)])
  await finish(stage, daemon)
})

test('deleted while it runs, and the daemon may not create: it says so and ends', async () => {
  const stage = await scene('not_created')
  await stage.start().then(daemon => daemon.stop())
  stage.settings = { stream: { create: false } }
  const daemon = await stage.start()
  await (await stage.jsm()).streams.delete(stage.stream)
  await write(stage, 5)
  const { code } = await daemon.ended()
  assert.equal(code, 78)
  assert.match(daemon.output, /stream not_created does not exist/)
  assert.match(daemon.output, /nats stream add not_created/)
  await stage.end()
})

test('the slot was dropped: the daemon stops at the gap, or names it and goes on', async () => {
  const stage = await scene('earlier')
  const first = await stage.start()
  await write(stage, 20)
  await stage.caughtUp()
  await first.stop()
  await stage.sql('SELECT pg_drop_replication_slot($1)', [stage.slot])
  // In the gap between the two slots: lost, and not for the daemon to hide.
  await write(stage, 5)
  const refused = stage.launch()
  assert.equal((await refused.ended()).code, 79)
  assert.match(refused.output, /replication slot \\?"earlier\\?" is gone.*missing in the stream/)
  stage.settings = { replication: { on_slot_lost: 'recreate' } }
  const second = await stage.start()
  await write(stage, 20)
  const messages = await stage.messages()
  const gap = messages.findIndex(({ subject }) => subject.startsWith(`${stage.prefix}._control`))
  assert.equal(gap, 20)
  assert.deepEqual(
    messages.slice(gap, gap + 2).map(message => payload(message).reason),
    ['slot_missing', 'slot_missing'],
  )
  assert.deepEqual(idsOf(messages.toSpliced(gap, 2)), [...count(1, 20), ...count(26, 45)])
  await second.stop()
  await stage.end()
})

test('a second slot on the same stream: what the first one stored does not come twice, and nothing is skipped', async () => {
  const stage = await scene('two_slots', { stream: { duplicate_window_seconds: 1 } })
  const { postgres } = servers
  await rewound(stage, () => write(stage, 20).then(() => {}))
  // The new slot begins where the old one was, as after a change of the name in the configuration.
  await postgres.sql(
    'SELECT pg_copy_logical_replication_slot($1, $2)',
    [stage.slot, 'two_slots_b'],
    stage.url,
  )
  await new Promise(resolve => setTimeout(resolve, 1_200))
  await write(stage, 5)
  stage.settings = { replication: { slot_name: 'two_slots_b' } }
  const daemon = await stage.start()
  await until(
    async () => (await stage.read()).length >= 25,
    () => 'nothing arrives',
  )
  assert.deepEqual(idsOf(await stage.read()), count(1, 25))
  // Two daemons that publish the same tables there would lose events.
  const told = daemon.logs.filter(({ msg = '' }) =>
    msg.includes('events of another slot of this PostgreSQL server'),
  )
  assert.deepEqual(
    told.map(({ level, slot, stream }) => [level, slot, stream]),
    [['warn', stage.slot, stage.stream]],
  )
  await daemon.stop()
  await postgres.sql("SELECT pg_drop_replication_slot('two_slots_b')")
  await stage.end()
})

test("another system's messages at higher positions are at the tail: nothing of ours is skipped for them", async () => {
  const stage = await scene('systems')
  const other = await startPostgres({ ownSystemId: true })
  // The other system's WAL is far ahead.
  await other.sql("CREATE TABLE noise AS SELECT n, repeat('x', 900) FROM generate_series(1, 40000) n")
  await other.sql(SCHEMA)
  stage.settings = { database: { url: other.url }, replication: { slot_name: 'theirs' } }
  const theirs = await stage.start()
  stage.settings = {}
  await other.sql("INSERT INTO tb_row (note) SELECT 'theirs' FROM generate_series(1, 10)")
  await until(
    async () => (await stage.read()).length === 10,
    () => `theirs do not arrive:\n${theirs.lastLines()}`,
  )
  await theirs.stop()
  const ours = await stage.start()
  await write(stage, 10)
  const messages = await stage.messages()
  assert.deepEqual(idsOf(messages), [...count(1, 10), ...count(1, 10)])
  assert.equal(new Set(messages.map(({ msgId }) => msgId)).size, 20)
  await ours.stop()
  await other.stop()
  await stage.end()
})

test('foreign messages at the tail, while it is stopped and while it runs', async () => {
  const stage = await scene('foreign', { stream: { duplicate_window_seconds: 1 } })
  const { nc } = servers
  let foreign = 0
  const intrude = async () => {
    const mine = headers()
    mine.set('Nats-Msg-Id', `foreign-${foreign++}`)
    mine.set('Fraiseql-Position', 'not a position')
    await nc.request(`${stage.prefix}.foreign`, 'not json', { headers: mine, timeout: 2_000 })
  }
  await rewound(stage, async () => {
    await write(stage, 200)
  })
  for (let i = 0; i < 300; i++) await intrude()
  await new Promise(resolve => setTimeout(resolve, 1_200))
  const daemon = await stage.start()
  for (let i = 0; i < 4; i++) {
    await write(stage, 100)
    await intrude()
  }
  const messages = await stage.messages()
  // Where a foreign message slips in between messages in flight, the order of these few is not ours to keep.
  const ids = idsOf(messages)
  assert.deepEqual(ids.slice(0, 200), count(1, 200))
  assert.deepEqual(
    ids.toSorted((a, b) => a - b),
    count(1, 600),
  )
  assert.equal(messages.length, 600 + foreign)
  await finish(stage, daemon)
})

test('another writer interferes all the time: the daemon says so once, and nothing is lost or doubled', async () => {
  const stage = await scene('shared')
  const daemon = await stage.start()
  let stopped = false
  const intruder = (async () => {
    while (!stopped) await servers.nc.request(`${stage.prefix}.foreign`, 'x', { timeout: 2_000 })
  })()
  for (let i = 0; i < 40; i++) await write(stage, 100)
  await stage.caughtUp()
  stopped = true
  await intruder
  const ids = idsOf(await stage.messages())
  assert.equal(ids.length, 4_000)
  assert.deepEqual(
    ids.toSorted((a, b) => a - b),
    count(1, 4_000),
  )
  const told = daemon.logs.filter(line => line.msg?.includes('without the fence'))
  assert.equal(told.length, 1)
  assert.equal(told[0]!.level, 'warn')
  await daemon.stop()
  await stage.end()
})

test('the stream loses our subject, or its word, while it runs: a fresh run mends it, or says what is wrong', async () => {
  const stage = await scene('altered', { publish: { ack_timeout_ms: 200 } })
  const daemon = await stage.start()
  await write(stage, 1)
  await stage.caughtUp()
  const { streams } = await stage.jsm()
  const { config } = await streams.info(stage.stream)
  await streams.update(stage.stream, { ...config, subjects: ['elsewhere'] })
  await write(stage, 5)
  const changed = await daemon.waitFor(line => JSON.stringify(line).includes('STREAM_CHANGED'))
  assert.match(String(changed.msg), /stream altered .* messages to p_altered\.Row\.INSERT/)
  assert.deepEqual(idsOf(await stage.messages()), count(1, 6))
  await streams.update(stage.stream, { ...config, no_ack: true })
  await until(
    async () => {
      if (daemon.running) await write(stage, 1)
      return !daemon.running
    },
    () => `does not end:\n${daemon.lastLines()}`,
  )
  assert.equal((await daemon.ended()).code, 1)
  assert.match(daemon.output, /no_ack/)
  await streams.update(stage.stream, { ...config, no_ack: false })
  const again = await stage.start()
  await write(stage, 1)
  const ids = idsOf(await stage.messages())
  assert.deepEqual(ids, count(1, ids.length))
  await finish(stage, again)
})
