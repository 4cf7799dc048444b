/** Streams made and compared on real servers: what is created, what is added, what is told, and what is refused. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import type { StreamLimits } from '../../src/config/config.ts'
import { ConfigurationError, FatalError, RetryableError } from '../../src/errors.ts'
import { connectNats } from '../../src/nats.ts'
import { requestApi } from '../../src/nats-api.ts'
import {
  type EnsuredStream,
  ensureStream,
  ensureStreams,
  listStreams,
  streamInfo,
} from '../../src/publish/ensure-stream.ts'
import type { StreamConfig } from '../../src/publish/stream-config.ts'
import { type PlannedStream, planStreams } from '../../src/publish/stream-plan.ts'
import { type NatsServer, startNats, startNatsCluster } from '../kit/nats.ts'

const LIMITS: StreamLimits = {
  max_age_seconds: 604_800,
  max_bytes: 16 * 1024 ** 2,
  max_msgs: 1_000_000,
  max_msg_size: 0,
  duplicate_window_seconds: 300,
  replicas: 1,
  storage: 'file',
  discard: 'old',
  retention: 'limits',
}

let store: string
let server: NatsServer
let nc: NatsConnection

before(async () => {
  store = mkdtempSync(join(tmpdir(), 'fraiseql-test-store-'))
  const limits = `jetstream { store_dir: "${store}", max_file_store: 1GB, max_memory_store: 64MB }`
  server = await startNats({ jetstream: false, config: limits })
  nc = await connectTo(server.url)
})

after(async () => {
  await nc.close()
  await server.stop()
  rmSync(store, { recursive: true, force: true })
})

test('created as configured, and found unchanged by the next start', async () => {
  const made = await ensure(planned('made', ['made.>', 'made_single'], { max_msg_size: 4096 }))
  assert.equal(made.created, true)
  assert.deepEqual(made.notes, [])
  assert.deepEqual([made.lastSequence, made.messages, made.maxMessageBytes], [0, 0, 4096])
  const { config } = (await streamInfo(nc, 'made'))!
  const expected = {
    subjects: ['made.>', 'made_single'],
    ...{ retention: 'limits', storage: 'file', discard: 'old', num_replicas: 1 },
    ...{ max_age: 604_800e9, max_bytes: 16 * 1024 ** 2, max_msgs: 1_000_000, max_msg_size: 4096 },
    duplicate_window: 300e9,
  }
  assert.deepEqual({ ...config, ...expected }, config)
  const again = await ensure(planned('made', ['made.>', 'made_single'], { max_msg_size: 4096 }))
  assert.deepEqual(
    [again.created, again.added, again.notes, again.createdAt],
    [false, [], [], made.createdAt],
  )
})

test('0 means no limit', async () => {
  const free = { max_age_seconds: 0, max_bytes: 0, max_msgs: 0, max_msg_size: 0, duplicate_window_seconds: 0 }
  const stream = await ensure(planned('free', ['free'], free))
  const { config } = (await streamInfo(nc, 'free'))!
  assert.deepEqual([config.max_age, config.max_bytes, config.max_msgs, config.max_msg_size], [0, -1, -1, -1])
  assert.equal(stream.maxMessageBytes, null)
  assert.deepEqual((await ensure(planned('free', ['free'], free))).notes, [])
})

test('subjects are added, a wider one takes the place of those it contains, none is lost', async () => {
  await create('grows', {
    subjects: ['grows.a', 'grows.b.*', 'grown'],
    max_age: 86_400e9,
    description: 'kept',
  })
  await publish('grows.a', 'grown')
  const stream = await ensure(planned('grows', ['grows.>', 'grows_single']))
  assert.deepEqual(stream.added, ['grows.>', 'grows_single'])
  assert.deepEqual(stream.subjects, ['grown', 'grows.>', 'grows_single'])
  assert.deepEqual([stream.created, stream.messages, stream.lastSequence], [false, 2, 2])
  const { config } = (await streamInfo(nc, 'grows'))!
  assert.equal((config as { description?: string }).description, 'kept')
  assert.equal(config.max_age, 86_400e9)
})

test('two daemons that add subjects at the same time both have theirs', async () => {
  await create('both', { subjects: ['both.>'] })
  const other = await connectTo(server.url)
  for (let i = 0; i < 5; i++) {
    const ours = [`both_ours_${i}`]
    const theirs = [`both_theirs_${i}`]
    const options = { create: true }
    await Promise.all([ensure(planned('both', ours)), ensureStream(other, planned('both', theirs), options)])
    assert.deepEqual((await ensure(planned('both', [...ours, ...theirs]))).added, [])
  }
  await other.close()
})

test('other differences are told, and nothing is changed', async () => {
  await create('differs', {
    subjects: ['differs.>'],
    ...{
      max_age: 7 * 86_400e9,
      max_bytes: 1_000_000,
      max_msgs: 10,
      max_msg_size: 500,
      duplicate_window: 60e9,
    },
    ...{ storage: 'memory', discard: 'new', retention: 'workqueue' },
  })
  const { config, state } = (await streamInfo(nc, 'differs'))!
  const { notes } = await ensure(planned('differs', ['differs.>'], { max_age_seconds: 30 * 86_400 }))
  assert.deepEqual(
    notes.map(note => note.split(':')[0]),
    [
      'max_age is 7 d there, 30 d configured; not changed',
      'max_bytes is 1000000 there, 16777216 configured; not changed',
      'max_msgs is 10 there, 1000000 configured; not changed',
      'max_msg_size is 500 there, unlimited configured; not changed',
      'duplicate_window is 1 min there, 5 min configured; not changed',
      'discard is new there, old configured; not changed',
      'retention is workqueue there, limits configured; not changed',
      'storage is memory there, file configured; not changed',
      'retention is workqueue',
      'storage is memory',
    ],
  )
  assert.match(notes[0]!, /"nats stream edit differs --max-age=2592000s" does it$/)
  assert.match(
    notes[8]!,
    /duplicates can't be ruled out after an outage longer than the duplicate window \(1 min\)$/,
  )
  const after = (await streamInfo(nc, 'differs'))!
  assert.deepEqual([after.config, after.state], [config, state])
})

test('what a stream does by itself is told', async () => {
  await create('origin', { subjects: ['origin.>'] })
  await create('busy', {
    subjects: ['busy.>'],
    max_msgs_per_subject: 5,
    republish: { src: 'busy.>', dest: 'copy.>' },
    sources: [{ name: 'origin' }],
    duplicate_window: 300e9,
  })
  const { notes } = await ensure({ ...planned('busy', ['busy.>']), kind: 'existing', limits: null })
  assert.equal(notes.length, 3)
  assert.match(notes[0]!, /^keeps only the last 5 messages of a subject/)
  assert.match(notes[1]!, /^the server republishes its messages to copy\.>$/)
  assert.match(notes[2]!, /^it also takes messages from origin/)
})

test('streams that cannot keep the contract are refused', async () => {
  await create('deaf', { subjects: ['deaf.>'], no_ack: true })
  await create('shut', { subjects: ['shut.>'] })
  await requestApi(
    nc,
    'STREAM.UPDATE.shut',
    { ...(await streamInfo(nc, 'shut'))!.config, sealed: true },
    { context: 'sealing' },
  )
  await create('mirrors', { mirror: { name: 'deaf' } })
  await unfit(planned('deaf', ['deaf.>']), /^stream deaf can't be used: no_ack = true/)
  await unfit(planned('shut', ['shut.>']), /^stream shut can't be used: it is sealed/)
  await unfit(planned('mirrors', ['mirrors.>']), /^stream mirrors can't be used: it is a mirror/)
  await create('crossed', { subjects: ['crossed.*.a'] })
  await unfit(
    planned('crossed', ['crossed.x.*']),
    /its subject crossed\.\*\.a overlaps crossed\.x\.\*, which it should own/,
  )
})

test('an overlap that the plan could not know of is named', async () => {
  await create('first', { subjects: ['taken.by.first', 'other.*'] })
  await create('second', { subjects: ['taken.by.second'] })
  await misconfigured(
    planned('late', ['taken.>', 'late.>']),
    '10065',
    /^creating stream late: subjects overlap: taken\.> with taken\.by\.first of stream first; taken\.> with taken\.by\.second of stream second$/,
  )
  await create('wider', { subjects: ['wider.a'] })
  await misconfigured(
    planned('wider', ['other.>']),
    '10065',
    /^adding other\.> to stream wider: .* with other\.\* of stream first$/,
  )
})

test('settings that no server takes', async () => {
  const window = { max_age_seconds: 60, duplicate_window_seconds: 61 }
  await misconfigured(
    planned('w', ['w'], window),
    'DUPLICATE_WINDOW',
    /duplicate window \(61 s\) is longer than messages are kept \(60 s\)/,
  )
  await misconfigured(
    planned('r', ['r'], { replicas: 3 }),
    '10074',
    /^creating stream r: a single NATS server cannot keep replicas/,
  )
  await misconfigured(planned('b', ['b'], { max_bytes: 2 * 1024 ** 3 }), '10047', /has no storage left/)
  await misconfigured(
    planned('m', ['m'], { storage: 'memory', max_bytes: 1024 ** 3 }),
    '10028',
    /not enough memory/,
  )
  await misconfigured(planned('s', ['$JS.API.x']), '10052', /refuses these settings/)
})

test('with create = false nothing is made and nothing is changed', async () => {
  const options = { create: false }
  await assert.rejects(ensureStream(nc, planned('absent', ['absent']), options), {
    name: 'ConfigurationError',
    code: 'STREAM_NOT_CREATED',
  })
  // Somebody's stream that was in the list is gone: the next run plans without it.
  const theirs = { ...planned('absent', ['absent']), kind: 'existing', limits: null } as const
  await assert.rejects(ensureStream(nc, theirs, options), RetryableError)
  await create('fixed', { subjects: ['fixed.a'], duplicate_window: 300e9, max_age: 604_800e9 })
  await assert.rejects(ensureStream(nc, planned('fixed', ['fixed.>']), options), {
    code: 'STREAM_LACKS_SUBJECTS',
    message: 'stream fixed does not own fixed.>',
  })
  assert.equal((await ensureStream(nc, planned('fixed', ['fixed.a']), options)).created, false)
  assert.equal(await streamInfo(nc, 'absent'), null)
})

test('two daemons that start together make one stream', async () => {
  const other = await connectTo(server.url)
  const both = await Promise.all([
    ensureStream(nc, planned('race', ['race.>']), { create: true }),
    ensureStream(other, planned('race', ['race.>', 'racing'], { max_age_seconds: 3_600 }), { create: true }),
  ])
  await other.close()
  const [one, two] = both
  assert.ok(one.created || two.created)
  assert.equal(one.createdAt, two.createdAt)
  assert.deepEqual(new Set((await streamInfo(nc, 'race'))!.config.subjects), new Set(['race.>', 'racing']))
})

test('from the configuration to the streams, twice; more streams than one page has', async () => {
  const config = {
    stream: { ...LIMITS, name: 'events_main', subject_prefix: 'app.mutation', create: true },
    streams: [],
    dlq: { enabled: true, stream_name: 'fraiseql_dlq', subject: 'fraiseql.dlq' },
  }
  const subjects = ['app.mutation.Order.INSERT', 'app_created', 'choreography.order.created']
  const run = async () => {
    const plan = planStreams(config, subjects, await listStreams(nc))
    if ('problems' in plan) assert.fail(JSON.stringify(plan.problems))
    const ensured = await ensureStreams(nc, plan.streams, { create: true })
    return ensured.map(({ name, created, subjects, notes }) => ({
      name,
      created,
      subjects: [...subjects],
      notes: [...notes],
    }))
  }
  const first = await run()
  assert.deepEqual(first, [
    { name: 'events_main', created: true, subjects: ['app.mutation.>', 'app_created'], notes: [] },
    { name: 'choreography', created: true, subjects: ['choreography.>'], notes: [] },
    { name: 'fraiseql_dlq', created: true, subjects: ['fraiseql.dlq'], notes: [] },
  ])
  assert.deepEqual(
    await run(),
    first.map(stream => ({ ...stream, created: false })),
  )
  const many = Array.from({ length: 300 }, (_, i) => `many${i}`)
  for (let i = 0; i < many.length; i += 50) {
    await Promise.all(
      many.slice(i, i + 50).map(name => create(name, { subjects: [name], storage: 'memory' })),
    )
  }
  const names = new Set((await listStreams(nc)).map(({ name }) => name))
  assert.ok(many.every(name => names.has(name)))
})

test('replicas on a cluster, and more of them than it has servers', async () => {
  const cluster = await startNatsCluster()
  const connection = await connectTo(cluster.url)
  try {
    const stream = await onceThereAreServers(() =>
      ensureStream(connection, planned('r3', ['r3.>'], { replicas: 3 }), { create: true }),
    )
    // Not whether it was created now: an attempt before may have done it without an answer.
    assert.equal(stream.replicas, 3)
    const lowered = await ensureStream(connection, planned('r3', ['r3.>', 'r3_more']), { create: true })
    assert.deepEqual(lowered.added, ['r3_more'])
    assert.match(lowered.notes[0]!, /^replicas is 3 there, 1 configured; not changed/)
    await assert.rejects(
      ensureStream(connection, planned('r5', ['r5.>'], { replicas: 5 }), { create: true }),
      (error: unknown) =>
        error instanceof RetryableError && error.code === '10005' && /replicas = 1/.test(error.remedy),
    )
  } finally {
    await connection.close()
    await cluster.stop()
  }
})

/** A cluster that has just been started may take a while to know all its servers. */
async function onceThereAreServers<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 50; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (left === 0 || !(error instanceof RetryableError)) throw error
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
}

function planned(
  name: string,
  subjects: readonly string[],
  limits: Partial<StreamLimits> = {},
): PlannedStream {
  return { name, kind: 'main', subjects, limits: { ...LIMITS, ...limits }, shared: false }
}

function ensure(stream: PlannedStream): Promise<EnsuredStream> {
  return ensureStream(nc, stream, { create: true })
}

async function unfit(stream: PlannedStream, pattern: RegExp): Promise<void> {
  await assert.rejects(ensure(stream), (error: unknown) => {
    assert.ok(error instanceof FatalError && error.code === 'STREAM_UNFIT', String(error))
    assert.match(error.message, pattern)
    return true
  })
}

async function misconfigured(stream: PlannedStream, code: string, pattern: RegExp): Promise<void> {
  await assert.rejects(ensure(stream), (error: unknown) => {
    assert.ok(error instanceof ConfigurationError, String(error))
    assert.match(error.message, pattern)
    assert.equal(error.code, code)
    assert.match(error.remedy, /\.$/)
    return true
  })
}

/** A stream of somebody else's. */
async function create(
  name: string,
  config: Partial<StreamConfig> & { readonly description?: string },
): Promise<void> {
  await requestApi(
    nc,
    `STREAM.CREATE.${name}`,
    { name, num_replicas: 1, ...config },
    { context: `creating ${name}` },
  )
}

async function publish(...subjects: readonly string[]): Promise<void> {
  for (const subject of subjects) await nc.request(subject, 'x')
}

function connectTo(url: string): Promise<NatsConnection> {
  const config = { servers: [url], auth: { type: 'none' }, tls: null, connect_timeout_ms: 5_000 } as const
  return connectNats(config, { name: 'test' })
}
