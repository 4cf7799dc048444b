/** The tail of a stream, read from real servers after everything that can happen to a stream. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { RetryableError } from '../../src/errors.ts'
import { FLOOR_HEADER, formatPosition, POSITION_HEADER, type Position } from '../../src/event/position.ts'
import { toLsn } from '../../src/lsn.ts'
import { connectNats } from '../../src/nats.ts'
import { requestApi } from '../../src/nats-api.ts'
import { STREAM_MISSING } from '../../src/nats-codes.ts'
import type { StoredMessage } from '../../src/publish/stored-message.ts'
import type { StreamConfig } from '../../src/publish/stream-config.ts'
import { readBack, readTail } from '../../src/publish/tail.ts'
import { TcpProxy } from '../fault/proxy.ts'
import { type NatsServer, startNats, startNatsCluster } from '../kit/nats.ts'

let server: NatsServer
let nc: NatsConnection

before(async () => {
  server = await startNats()
  nc = await connectTo(server.url)
})

after(async () => {
  await nc.close()
  await server.stop()
})

test('a stream that is missing, and one that is empty', async () => {
  const missing = (error: unknown) => error instanceof RetryableError && error.code === STREAM_MISSING
  await assert.rejects(readTail(nc, 'nowhere'), missing)
  await assert.rejects(readBack(nc, 'nowhere', { fromSeq: 1, until: () => true }), missing)
  await create('empty')
  const { createdAt, ...tail } = await readTail(nc, 'empty')
  assert.deepEqual(tail, { lastSeq: 0, firstSeq: 0, messages: 0, lastMessage: null, alone: true })
  assert.ok(!Number.isNaN(Date.parse(createdAt)))
  assert.deepEqual(await back('empty', 0), [])
})

test("headers of ours, of somebody else's, and none", async () => {
  await create('mixed')
  await publish('mixed', 1)
  await nc.request('mixed.foreign', 'no headers')
  const strange = headers()
  strange.set('Nats-Msg-Id', 'theirs')
  strange.set(POSITION_HEADER, 'no position')
  await nc.request('mixed.foreign', 'x', { headers: strange, timeout: 2_000 })
  await publish('mixed', 4, { floor: '2.0' })
  const tail = await readTail(nc, 'mixed')
  assert.deepEqual([tail.lastSeq, tail.firstSeq, tail.messages], [4, 1, 4])
  const floor = { commitLsn: toLsn(2n), ordinal: 0 }
  assert.deepEqual(tail.lastMessage, { seq: 4, msgId: 'id-4', position: position(4), floor })
  assert.deepEqual(await back('mixed', 3), [
    { seq: 3, msgId: 'theirs', position: null, floor: null },
    { seq: 2, msgId: null, position: null, floor: null },
    { seq: 1, msgId: 'id-1', position: position(1), floor: null },
  ])
})

test('newest first, in runs of every length, and no further than wanted', async () => {
  await create('long')
  await publishMany('long', 1, 12_000)
  const all = await back('long', 12_000)
  assert.deepEqual(
    all.map(({ seq }) => seq),
    Array.from({ length: 12_000 }, (_, i) => 12_000 - i),
  )
  assert.ok(
    all.every(({ seq, msgId, position }) => msgId === `id-${seq}` && position?.commitLsn === BigInt(seq)),
  )
  for (const enough of [1, 16, 17, 272, 273, 5_000]) {
    assert.equal((await back('long', 11_000, enough)).at(-1)?.seq, 11_000 - enough + 1)
  }
  assert.equal((await back('long', 99_999, 1))[0]?.seq, 12_000)
})

test('the last messages deleted one by one', async () => {
  await create('deleted')
  await publishMany('deleted', 1, 40)
  for (let seq = 40; seq > 10; seq--) await remove('deleted', seq)
  await remove('deleted', 5)
  const tail = await readTail(nc, 'deleted')
  assert.deepEqual([tail.lastSeq, tail.messages, tail.lastMessage?.seq], [40, 9, 10])
  assert.deepEqual(sequences(await back('deleted', 40)), [10, 9, 8, 7, 6, 4, 3, 2, 1])
})

test('purged: the sequence stays, and the message of before is gone', async () => {
  await create('purged')
  await publishMany('purged', 1, 30)
  await requestApi(nc, 'STREAM.PURGE.purged', null, { context: 'purging' })
  const empty = await readTail(nc, 'purged')
  assert.deepEqual([empty.lastSeq, empty.messages, empty.lastMessage], [30, 0, null])
  assert.deepEqual(await back('purged', 30), [])
  await publishMany('purged', 31, 33)
  assert.equal((await readTail(nc, 'purged')).lastMessage?.seq, 33)
  assert.deepEqual(sequences(await back('purged', 33)), [33, 32, 31])
})

test('purged by subject: what is left lies far back', async () => {
  await create('filtered')
  await publishMany('filtered', 1, 3)
  await publishMany('filtered', 4, 20_000, 'noise')
  await requestApi(nc, 'STREAM.PURGE.filtered', { filter: 'filtered.noise' }, { context: 'purging' })
  const tail = await readTail(nc, 'filtered')
  assert.deepEqual([tail.lastSeq, tail.messages, tail.lastMessage?.seq], [20_000, 3, 3])
  await publishMany('filtered', 20_001, 20_600)
  const found = sequences(await back('filtered', 20_600))
  assert.deepEqual(found, [...Array.from({ length: 600 }, (_, i) => 20_600 - i), 3, 2, 1])
})

test('dense before a long gap: no run holds more than its share', async () => {
  await create('gap')
  await publishMany('gap', 1, 15_000)
  await publishMany('gap', 15_001, 30_000, 'noise')
  await requestApi(nc, 'STREAM.PURGE.gap', { filter: 'gap.noise' }, { context: 'purging' })
  assert.deepEqual(
    sequences(await back('gap', 30_000)),
    Array.from({ length: 15_000 }, (_, i) => 15_000 - i),
  )
})

test('trimmed by retention while nobody looked', async () => {
  await create('trimmed', { max_msgs: 20 })
  await publishMany('trimmed', 1, 100)
  const tail = await readTail(nc, 'trimmed')
  assert.deepEqual([tail.lastSeq, tail.firstSeq, tail.messages, tail.lastMessage?.seq], [100, 81, 20, 100])
  assert.deepEqual(
    sequences(await back('trimmed', 100)),
    Array.from({ length: 20 }, (_, i) => 100 - i),
  )
})

test('recreated: another time of creation, and a sequence that begins again', async () => {
  await create('reborn')
  await publishMany('reborn', 1, 10)
  const before = await readTail(nc, 'reborn')
  await requestApi(nc, 'STREAM.DELETE.reborn', null, { context: 'deleting' })
  await create('reborn')
  await publish('reborn', 1)
  const after = await readTail(nc, 'reborn')
  assert.notEqual(after.createdAt, before.createdAt)
  assert.deepEqual([before.lastSeq, after.lastSeq, after.lastMessage?.seq], [10, 1, 1])
  assert.deepEqual(sequences(await back('reborn', 10)), [1])
})

test('retention other than limits: no consumer is made, so that nothing is taken away', async () => {
  for (const retention of ['workqueue', 'interest'] as const) {
    await create(retention, { retention })
    await requestApi(
      nc,
      `CONSUMER.DURABLE.CREATE.${retention}.worker`,
      { stream_name: retention, config: { durable_name: 'worker', ack_policy: 'explicit' } },
      { context: 'creating the consumer' },
    )
    await publishMany(retention, 1, 600)
    assert.equal((await back(retention, 600)).length, 600)
    const { state } = await requestApi<{ state: { messages: number; consumer_count: number } }>(
      nc,
      `STREAM.INFO.${retention}`,
      null,
      { context: 'looking' },
    )
    assert.deepEqual([state.messages, state.consumer_count], [600, 1])
  }
})

test('where consumers are used up or not allowed, messages are fetched singly', async () => {
  await create('full', { max_consumers: 1 } as Partial<StreamConfig>)
  await requestApi(
    nc,
    'CONSUMER.DURABLE.CREATE.full.worker',
    { stream_name: 'full', config: { durable_name: 'worker', ack_policy: 'explicit' } },
    { context: 'creating the consumer' },
  )
  await publishMany('full', 1, 700)
  assert.equal((await back('full', 700)).length, 700)
  const permissions =
    '{ publish: ["full.>", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*"], subscribe: ["_INBOX.>"] }'
  const guarded = await startNats({
    config: `authorization { users = [{ user: a, password: a }, { user: b, password: b, permissions: ${permissions} }] }`,
  })
  const admin = await connectTo(`nats://a:a@127.0.0.1:${guarded.port}`)
  const limited = await connectTo(`nats://b:b@127.0.0.1:${guarded.port}`)
  await create('full', {}, admin)
  await publishMany('full', 1, 700, 'x', admin)
  assert.equal((await back('full', 700, Number.POSITIVE_INFINITY, limited)).length, 700)
  await Promise.all([admin.close(), limited.close()])
  await guarded.stop()
})

test('large messages: the headers alone, or few at once, so that a slow link is no reason to give up', async t => {
  const wide = await startNats({ config: 'max_payload: 8MB' })
  const proxy = await TcpProxy.open(wide.port)
  const direct = await connectTo(wide.url)
  const slow = await connectTo(`nats://127.0.0.1:${proxy.port}`)
  t.after(async () => {
    await Promise.all([direct.close(), slow.close()])
    proxy.close()
    await wide.stop()
  })
  await create('huge', {}, direct)
  await create('queue', { retention: 'workqueue' }, direct)
  for (let n = 1; n <= 18; n++) {
    await publish('huge', n, { connection: direct, bytes: 5_000_000 })
    await publish('queue', n, { connection: direct, bytes: n === 1 ? 5_000_000 : 900_000 })
  }
  proxy.bytesPerSecond = 5_000_000
  assert.equal((await readTail(slow, 'huge')).lastMessage?.seq, 18)
  assert.equal((await back('huge', 18, Number.POSITIVE_INFINITY, slow)).length, 18)
  assert.equal((await back('queue', 18, Number.POSITIVE_INFINITY, slow)).length, 18)
})

test('a work queue that was consumed but for its ends', async () => {
  await create('gaps', { retention: 'workqueue' })
  await publishMany('gaps', 1, 20)
  await publishMany('gaps', 21, 9_000, 'noise')
  await publish('gaps', 9_001, { bytes: 900_000 })
  await publish('gaps', 9_002, { bytes: 900_000 })
  await requestApi(nc, 'STREAM.PURGE.gaps', { filter: 'gaps.noise' }, { context: 'purging' })
  const before = nc.stats().outMsgs
  assert.deepEqual(sequences(await back('gaps', 9_002)), [
    9_002,
    9_001,
    ...Array.from({ length: 20 }, (_, i) => 20 - i),
  ])
  assert.ok(nc.stats().outMsgs - before < 500)
})

test('consumers do not stay behind', async () => {
  await create('clean')
  await publishMany('clean', 1, 3_000)
  await back('clean', 3_000)
  await nc.flush()
  const { total } = await requestApi<{ total: number }>(nc, 'CONSUMER.NAMES.clean', null, {
    context: 'counting',
  })
  assert.equal(total, 0)
})

test('a server that does not answer: retryable, within the time-out', async () => {
  const frozen = await startNats()
  const connection = await connectTo(frozen.url)
  await create('frozen', {}, connection)
  await publishMany('frozen', 1, 400, 'x', connection)
  frozen.freeze()
  const slow = (error: unknown) => error instanceof RetryableError && error.code === 'JETSTREAM_TIMEOUT'
  // The server's threads stop a moment later.
  await assert.rejects(async () => {
    for (;;) await readTail(connection, 'frozen', 100)
  }, slow)
  await assert.rejects(readBack(connection, 'frozen', { fromSeq: 400, until: () => false }, 100), slow)
  frozen.thaw()
  assert.equal((await back('frozen', 400, Number.POSITIVE_INFINITY, connection)).length, 400)
  await connection.close()
  await frozen.stop()
})

test('a replicated stream is read as its leader has it, whichever replica the consumer lives on', async t => {
  const cluster = await startNatsCluster()
  const connection = await connectTo(cluster.url)
  t.after(async () => {
    await connection.close()
    await cluster.stop()
  })
  await create('r3', { num_replicas: 3 }, connection)
  for (let round = 0; round < 8; round++) {
    await publishMany('r3', round * 600 + 1, (round + 1) * 600, 'x', connection)
    const last = (round + 1) * 600
    const tail = await readTail(connection, 'r3')
    assert.deepEqual([tail.lastMessage?.seq, tail.alone], [last, false])
    // A replica that lags is said to lag, and one that does not answer yet is said to be slow; the caller tries again.
    const read = async (): Promise<StoredMessage[]> => {
      for (let left = 20; ; left--) {
        try {
          return await back('r3', last, Number.POSITIVE_INFINITY, connection)
        } catch (error) {
          assert.ok(error instanceof RetryableError && left > 0, String(error))
          assert.ok(['REPLICA_LAGS', 'JETSTREAM_TIMEOUT'].includes(error.code ?? ''), String(error))
        }
      }
    }
    assert.deepEqual(
      sequences(await read()),
      Array.from({ length: last }, (_, i) => last - i),
    )
  }
})

/** What `readBack` shows, until `enough` messages were seen. */
async function back(
  stream: string,
  fromSeq: number,
  enough = Number.POSITIVE_INFINITY,
  connection = nc,
): Promise<StoredMessage[]> {
  const seen: StoredMessage[] = []
  await readBack(connection, stream, { fromSeq, until: message => seen.push(message) >= enough })
  return seen
}

function sequences(messages: readonly StoredMessage[]): number[] {
  return messages.map(({ seq }) => seq)
}

/** The position of message n of these tests. */
function position(n: number): Position {
  return { system: '1a', timeline: 1, slot: 'test', commitLsn: toLsn(BigInt(n)), ordinal: 0 }
}

async function create(name: string, config: Partial<StreamConfig> = {}, connection = nc): Promise<void> {
  const stream = { name, subjects: [`${name}.>`], num_replicas: 1, ...config }
  await requestApi(connection, `STREAM.CREATE.${name}`, stream, { context: `creating ${name}` })
}

async function publish(
  stream: string,
  n: number,
  {
    floor,
    token = 'x',
    connection = nc,
    bytes = 7,
  }: { floor?: string; token?: string; connection?: NatsConnection; bytes?: number } = {},
): Promise<void> {
  const head = headers()
  head.set('Nats-Msg-Id', `id-${n}`)
  head.set(POSITION_HEADER, formatPosition(position(n)))
  if (floor !== undefined) head.set(FLOOR_HEADER, floor)
  const { data } = await connection.request(`${stream}.${token}`, 'x'.repeat(bytes), {
    headers: head,
    timeout: 10_000,
  })
  assert.equal(JSON.parse(Buffer.from(data).toString()).seq, n)
}

/** Messages `from` to `to`, in order; each must get its number as its sequence. */
async function publishMany(
  stream: string,
  from: number,
  to: number,
  token = 'x',
  connection = nc,
): Promise<void> {
  for (let start = from; start <= to; start += 500) {
    const end = Math.min(start + 499, to)
    const numbers = Array.from({ length: end - start + 1 }, (_, i) => start + i)
    await Promise.all(numbers.map(n => publish(stream, n, { token, connection })))
  }
}

async function remove(stream: string, seq: number): Promise<void> {
  await requestApi(nc, `STREAM.MSG.DELETE.${stream}`, { seq }, { context: `deleting ${seq}` })
}

function connectTo(url: string): Promise<NatsConnection> {
  const config = {
    servers: url.split(','),
    auth: { type: 'none' },
    tls: null,
    connect_timeout_ms: 5_000,
  } as const
  return connectNats(config, { name: 'test' })
}
