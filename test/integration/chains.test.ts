/** Messages that are sent together are chained by their Msg-Ids, and only the last one is answered. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { shareServers } from '../kit/stage.ts'
import { payload, type StreamMessage } from '../kit/stream-reader.ts'

const servers = shareServers()
const SCHEMA = 'CREATE TABLE tb_order (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, note text)'

/** The stream holds more messages than this: the next ones are on their way. */
async function moreThan(stream: string, count: number): Promise<void> {
  const { streams } = await jetstreamManager(servers.nc)
  while ((await streams.info(stream)).state.messages <= count) await sleep(1)
}

function assertInOrder(messages: readonly StreamMessage[], count: number): void {
  assert.deepEqual(
    messages.map(message => Number((payload(message).data as { id: number }).id)),
    Array.from({ length: count }, (_, i) => i + 1),
  )
}

test('each message says which one it follows, by sequence or by Msg-Id', async () => {
  const scene = await servers.scene({ name: 'chained', schema: SCHEMA })
  const daemon = await scene.start()
  await scene.sql("INSERT INTO tb_order (note) VALUES ('alone')")
  await scene.caughtUp()
  await scene.sql("INSERT INTO tb_order (note) SELECT 'together' FROM generate_series(1, 3000)")
  const messages = await scene.messages()
  assertInOrder(messages, 3001)
  let chained = 0
  for (const [index, { headers }] of messages.entries()) {
    const follows = headers.get('Nats-Expected-Last-Msg-Id')
    if (headers.has('Nats-Expected-Last-Sequence')) {
      assert.equal(headers.get('Nats-Expected-Last-Sequence'), String(index))
      assert.equal(follows, undefined)
    } else {
      assert.equal(follows, messages[index - 1]!.msgId)
      chained++
    }
  }
  assert.ok(chained > 1500, `${chained} of 3001 were chained`)
  await daemon.stop()
  await scene.end()
})

test("somebody else's messages in between: none of ours is lost, doubled or out of place", async () => {
  const scene = await servers.scene({ name: 'chain_broken', schema: SCHEMA })
  const daemon = await scene.start()
  // Fewer than make the daemon give up the fence.
  for (let i = 0; i < 4; i++) {
    const inserted = scene.sql("INSERT INTO tb_order (note) SELECT 'x' FROM generate_series(1, 5000)")
    await moreThan(scene.stream, i * 5001)
    await servers.nc.request(`${scene.prefix}.Foreign.INSERT`, `foreign ${i}`)
    await inserted
    await scene.caughtUp()
  }
  const ours = (await scene.messages()).filter(({ headers }) => headers.has('Fraiseql-Position'))
  assertInOrder(ours, 20_000)
  await daemon.stop()
  await scene.end()
})
