/** Atomic batches: a transaction whole or not at all, in order, and no duplicates when they are refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareServers } from '../kit/stage.ts'
import { payload, type StreamMessage } from '../kit/stream-reader.ts'

const servers = shareServers()
const SCHEMA = 'CREATE TABLE tb_order (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, note text)'

/** An older server has none; then the daemon sends singly. */
function knowsBatches(): boolean {
  const [major = 0, minor = 0] = servers.nats.version.split('.').map(Number)
  return major > 2 || minor >= 12
}

function batchIds(messages: readonly StreamMessage[]): (string | undefined)[] {
  return messages.map(({ headers }) => headers.get('Nats-Batch-Id'))
}

function idsInOrder(messages: readonly StreamMessage[]): void {
  const ids = messages.map(message => Number((payload(message).data as { id: number }).id))
  assert.deepEqual(
    ids,
    Array.from({ length: ids.length }, (_, i) => i + 1),
  )
}

test('atomic = "transactions": each transaction is one batch, a single change is none', async () => {
  const scene = await servers.scene({
    name: 'batched',
    schema: SCHEMA,
    settings: { publish: { atomic: 'transactions' } },
  })
  const daemon = await scene.start()
  const batched = knowsBatches()
  await scene.sql("INSERT INTO tb_order (note) VALUES ('alone')")
  await scene.caughtUp()
  await scene.sql("INSERT INTO tb_order (note) SELECT 'together' FROM generate_series(1, 500)")
  await scene.caughtUp()
  // Larger than a batch may be: in pieces.
  await scene.sql("INSERT INTO tb_order (note) SELECT 'large' FROM generate_series(1, 3000)")
  const messages = await scene.messages()
  idsInOrder(messages)
  assert.equal(messages.length, 3501)
  const ids = batchIds(messages)
  if (batched) {
    assert.equal(ids[0], undefined)
    assert.equal(new Set(ids.slice(1, 501)).size, 1)
    assert.notEqual(ids[1], undefined)
    assert.ok(new Set(ids.slice(501)).size >= 3)
  } else assert.deepEqual(new Set(ids), new Set([undefined]))
  await daemon.stop()
  await scene.end()
})

test('a foreign message refuses the batch, which is sent again singly: none lost, none twice', async () => {
  const scene = await servers.scene({
    name: 'batch_refused',
    schema: SCHEMA,
    settings: { publish: { atomic: 'transactions' } },
  })
  const daemon = await scene.start()
  for (let i = 0; i < 5; i++) {
    const inserted = scene.sql("INSERT INTO tb_order (note) SELECT 'x' FROM generate_series(1, 400)")
    await servers.nc.request(`${scene.prefix}.Foreign.INSERT`, `foreign ${i}`)
    await inserted
    await scene.caughtUp()
  }
  const ours = (await scene.messages()).filter(({ headers }) => headers.has('Fraiseql-Position'))
  assert.equal(ours.length, 2000)
  assert.equal(new Set(ours.map(({ msgId }) => msgId)).size, 2000)
  await daemon.stop()
  await scene.end()
})

test('killed in the middle of batches, the next run completes them: same order, none twice', async () => {
  const scene = await servers.scene({
    name: 'batch_killed',
    schema: SCHEMA,
    settings: { publish: { atomic: 'transactions' }, stream: { duplicate_window_seconds: 1 } },
  })
  for (let i = 0; i < 40; i++) {
    await scene.sql("INSERT INTO tb_order (note) SELECT 'x' FROM generate_series(1, 250)")
    if (i === 0) await (await scene.start()).stop()
  }
  for (let kills = 0; kills < 3; kills++) {
    const daemon = scene.launch()
    await daemon.streaming()
    await new Promise(resolve => setTimeout(resolve, 20 * kills))
    await daemon.kill()
    await new Promise(resolve => setTimeout(resolve, 1100))
  }
  const daemon = await scene.start()
  const messages = await scene.messages()
  // The first transaction came before there was a slot.
  const ids = messages.map(message => Number((payload(message).data as { id: number }).id))
  assert.deepEqual(
    ids,
    Array.from({ length: 39 * 250 }, (_, i) => i + 251),
  )
  await daemon.stop()
  await scene.end()
})

test('atomic = "transactions" on a stream that takes no batches: that it is not kept is told', async () => {
  const settings = { publish: { atomic: 'transactions' } }
  const scene = await servers.scene({ name: 'batchless', schema: SCHEMA, settings })
  const { streams } = await scene.jsm()
  await streams.add({ name: 'batchless', subjects: [`${scene.prefix}.>`] })
  const daemon = await scene.start()
  const line = await daemon.says('atomic = "transactions" is not kept')
  assert.deepEqual([line.level, line.stream], ['warn', 'batchless'])
  assert.match(line.msg!, /"nats stream edit batchless --allow-batch"/)
  assert.equal(line.msg!.includes('upgrade nats-server'), !knowsBatches())
  await daemon.stop()
  await scene.end()
})

test('allow_atomic is switched off while the daemon runs: it says so once, and goes on singly', async () => {
  if (!knowsBatches()) return
  const scene = await servers.scene({
    name: 'batch_off',
    schema: SCHEMA,
    settings: { publish: { atomic: 'transactions' } },
  })
  const daemon = await scene.start()
  const { streams } = await scene.jsm()
  const { config } = await streams.info(scene.stream)
  await streams.update(scene.stream, { ...config, allow_atomic: false })
  for (let i = 0; i < 5; i++) {
    await scene.sql("INSERT INTO tb_order (note) SELECT 'x' FROM generate_series(1, 5)")
    await scene.caughtUp()
  }
  const told = daemon.logs.filter(line => JSON.stringify(line).includes('STREAM_CHANGED'))
  assert.equal(told.length, 1)
  assert.match(String(told[0]!.msg), /stream batch_off refused a message: .*10174/)
  idsInOrder(await scene.messages())
  await daemon.stop()
  await scene.end()
})
