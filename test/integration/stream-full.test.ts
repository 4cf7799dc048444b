/** A stream that takes no more: the daemon waits, says so, and goes on by itself when there is room. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiscardPolicy } from '@nats-io/jetstream'
import { until } from '../kit/daemon.ts'
import { shareServers } from '../kit/stage.ts'
import { payload } from '../kit/stream-reader.ts'

const servers = shareServers()

for (const [name, limit] of [
  ['full_bytes', { max_bytes: 100_000 }],
  ['full_messages', { max_msgs: 150, max_bytes: 0 }],
] as const) {
  test(`discard = "new", and the stream is full: ${name}`, async () => {
    const stage = await servers.scene({
      name,
      schema: 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)',
      settings: { stream: { discard: 'new', ...limit } },
    })
    const daemon = await stage.start()
    await stage.sql("INSERT INTO tb_row (note) SELECT repeat('x', 300) FROM generate_series(1, 400)")
    const told = await daemon.waitFor(line => line.reason === 'full', { what: 'that the stream is full' })
    assert.equal(told.level, 'warn')
    assert.match(String(told.msg), /raise max_bytes, max_msgs/)
    const status = await daemon.status()
    assert.equal(status.state, 'streaming')
    assert.equal(told.stream, name)
    assert.match(String(status.standstill), /^full in stream full_/)
    assert.match(String(status.last_error?.remedy), /raise max_bytes/)
    assert.match(await daemon.get('/readiness'), /stands still: full/)
    const manager = await stage.jsm()
    const seen: number[] = []
    // A consumer's part: take what is there, and make room.
    await until(
      async () => {
        const messages = await stage.read()
        seen.push(...messages.map(message => (payload(message).data as { id: number }).id))
        const last = messages.at(-1)
        if (last !== undefined) await manager.streams.purge(stage.stream, { seq: last.seq + 1 })
        return seen.length >= 400
      },
      () => `only ${seen.length} arrived:\n${daemon.lastLines()}`,
    )
    await stage.caughtUp()
    assert.deepEqual(
      seen,
      Array.from({ length: 400 }, (_, i) => i + 1),
    )
    await daemon.says('publishing goes on')
    assert.equal(await daemon.metric('fraiseql_observer_duplicates_total'), 0)
    await daemon.stop()
    await stage.end()
  })
}

test('one of two streams is full: what the other one stores does not hide it', async () => {
  const stage = await servers.scene({
    name: 'full_beside',
    schema: 'CREATE TABLE tb_stuck (id int PRIMARY KEY); CREATE TABLE tb_row (id int PRIMARY KEY)',
    rules:
      '[[observers]]\ntable = "tb_stuck"\nsubject = "stuck.row"\n[[observers]]\ntable = "tb_row"\nsubject = "{prefix}.row"\n',
  })
  const daemon = await stage.start()
  const { streams } = await stage.jsm()
  const { config } = await streams.info('stuck')
  await streams.update('stuck', { ...config, discard: DiscardPolicy.New, max_msgs: 1 })
  await stage.sql('INSERT INTO tb_stuck VALUES (1), (2)')
  const flowing = async (from: number) => {
    for (let id = from; id < from + 5; id++) {
      await stage.sql('INSERT INTO tb_row VALUES ($1)', [id])
      await until(
        async () => (await stage.read()).length === id,
        () => `row ${id} does not arrive:\n${daemon.lastLines()}`,
      )
    }
  }
  await flowing(1)
  const told = await daemon.waitFor(line => line.reason === 'full', { what: 'that the stream is full' })
  assert.equal(told.stream, 'stuck')
  await flowing(6)
  assert.match(String((await daemon.status()).standstill), /^full in stream stuck \(/)
  assert.ok(!daemon.output.includes('publishing goes on'))
  await streams.update('stuck', { ...config, max_msgs: 10 })
  await daemon.says('publishing goes on')
  await stage.caughtUp()
  assert.equal((await stage.read('stuck')).length, 2)
  assert.equal((await daemon.status()).standstill, null)
  await daemon.stop()
  await stage.end()
})
