/**
 * The link beside the client's own traffic, on one connection: it writes and reads past the client in places the client
 * does not document, so an update of the client must pass here before it is taken.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import { NO_LSN, toLsn } from '../../src/lsn.ts'
import { connectNats } from '../../src/nats.ts'
import { requestApi } from '../../src/nats-api.ts'
import { Answers } from '../../src/publish/answers.ts'
import { JetStreamLink } from '../../src/publish/jetstream-link.ts'
import { Publisher } from '../../src/publish/publisher.ts'
import { startNats } from '../kit/nats.ts'

const STREAM = 'linked'
const COUNT = 3_000

test('publishing goes past the client, all else through it, also after the server was restarted', async () => {
  const server = await startNats()
  const nc = await connectNats(
    { servers: [server.url], auth: { type: 'none' }, tls: null, connect_timeout_ms: 5_000 },
    { name: 'test' },
  )
  try {
    const subjects = [`${STREAM}.>`]
    const config = { name: STREAM, subjects, storage: 'file' }
    await requestApi(nc, `STREAM.CREATE.${STREAM}`, config, { context: 'creating' })
    const { publisher, detach } = publish(nc)
    publisher.connected(performance.now())
    const offered = { to: 0 }
    await publishAll(publisher, offered, COUNT)
    assert.ok(parserOf(nc) instanceof Answers, 'acks are read by the client')

    const heard: string[] = []
    nc.subscribe('other.*', { callback: (_, message) => void heard.push(message.string()) })
    nc.subscribe('ask', { callback: (_, message) => void message.respond(message.data) })
    const busy = publishAll(publisher, offered, COUNT)
    for (let i = 0; i < 200; i++) {
      nc.publish('other.x', String(i))
      assert.equal((await nc.request('ask', `question ${i}`)).string(), `question ${i}`)
    }
    await busy
    assert.deepEqual(
      heard,
      Array.from({ length: 200 }, (_, i) => String(i)),
    )

    await server.kill()
    publisher.disconnected(performance.now())
    await server.start()
    while (nc.isClosed() || !(await answers(nc))) await sleep(20)
    publisher.connected(performance.now())
    await publishAll(publisher, offered, COUNT)
    assert.ok(parserOf(nc) instanceof Answers, 'acks are read by the client since the reconnect')
    detach()
    const { state } = await requestApi<{ state: { messages: number } }>(nc, `STREAM.INFO.${STREAM}`, null, {
      context: 'looking',
    })
    assert.equal(state.messages, 3 * COUNT)
  } finally {
    await nc.close()
    await server.stop()
  }
})

function parserOf(nc: NatsConnection): unknown {
  return (nc as unknown as { protocol: { parser: unknown } }).protocol.parser
}

function answers(nc: NatsConnection): Promise<boolean> {
  return nc.rtt().then(
    () => true,
    () => false,
  )
}

function publish(nc: NatsConnection): { publisher: Publisher; detach: () => void } {
  const link = new JetStreamLink(nc)
  const publisher: Publisher = new Publisher(
    {
      streams: [{ name: STREAM, batches: 'never', shared: false }],
      runId: 'run',
      maxMessages: 1_000,
      maxBytes: 2 ** 20,
      ackTimeoutMs: 5_000,
      confirm: () => {},
      onRoom: () => {},
      onState: () => {},
      onFailure: error => assert.fail(String(error)),
      onResumed: () => {},
      counters: { duplicates: 0, resumeSkipped: 0, eventsRetried: 0 },
      onResume: () => {},
      onStored: () => {},
      random: Math.random,
    },
    { system: 's', slot: 'slot', confirmed: NO_LSN, endOf: () => null },
    link,
  )
  return { publisher, detach: link.attach(publisher) }
}

/** Messages of very different sizes, some larger than a slab. */
async function publishAll(publisher: Publisher, offered: { to: number }, count: number): Promise<void> {
  for (const end = offered.to + count; offered.to < end; ) {
    while (publisher.full) await sleep(1)
    const number = offered.to++
    const payload = Buffer.alloc(number % 1_000 === 7 ? 400_000 : (number * 37) % 900, 'x')
    const position = `s.1.slot.${number.toString(16).toUpperCase()}.0`
    const head = Buffer.from(
      `Nats-Msg-Id: ${number}\r\nNats-Expected-Stream: ${STREAM}\r\nFraiseql-Position: ${position}\r\n\r\n`,
    )
    publisher.offer({
      target: { lane: 0 },
      subject: `${STREAM}.${number % 7}`,
      slab: Buffer.concat([head, payload]),
      ...{ start: 0, payloadBytes: payload.length, headBytes: head.length },
      ...{ commitLsn: toLsn(BigInt(number)), ordinal: 0, commitMs: Number.NaN, offeredAt: performance.now() },
    })
    if (number % 50 === 0 || publisher.full || offered.to === end) publisher.flush(performance.now())
  }
  while (publisher.window.size > 0) await sleep(1)
}
