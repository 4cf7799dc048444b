/** A stream that the workers of a choreography write to as well: what the figures say of it is what the stream has. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

test('the last sequence of a shared stream is that of the last message acked, whoever wrote in between', async () => {
  const stage = await servers.scene({
    name: 'shared_sequence',
    schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)',
    rules: '[[observers]]\ntable = "tb_order"\nsubject = "choreography.order.created"\n',
  })
  const daemon = await stage.start()
  await stage.sql('INSERT INTO tb_order VALUES (1)')
  await stage.caughtUp()
  await servers.nc.request('choreography.inventory.reserved', '{}', { timeout: 5_000 })
  await stage.sql('INSERT INTO tb_order VALUES (2)')
  assert.equal((await stage.messages('choreography')).length, 3)
  const stream = (await daemon.status()).streams.find(({ name }) => name === 'choreography')
  assert.deepEqual(stream, { name: 'choreography', last_sequence: 3, fenced: false })
  assert.match(await daemon.metrics(), /^fraiseql_observer_stream_last_sequence\{stream="choreography"\} 3$/m)
  // What is shared by design has nothing to alarm of.
  assert.doesNotMatch(await daemon.metrics(), /stream_fenced\{/)
  await stage.end()
  await (await stage.jsm()).streams.delete('choreography')
})

test('a stream that has the default subjects already is used, and that the configured one is not is told once', async () => {
  const stage = await servers.scene({ name: 'newer', schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)' })
  const { streams } = await stage.jsm()
  await streams.add({ name: 'older', subjects: [`${stage.prefix}.>`] })
  const daemon = await stage.start()
  const told = () =>
    daemon.logs.filter(({ msg }) => msg?.includes('[stream] name = "newer" is not made') === true)
  assert.deepEqual(
    told().map(({ level, stream }) => [level, stream]),
    [['warn', 'older']],
  )
  assert.match(await daemon.metrics(), /stream_fenced\{stream="older"\} 1/)
  const from = daemon.logs.length
  await stage.sql('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active')
  await daemon.says('streaming', from)
  assert.equal(told().length, 1)
  await stage.end()
  await streams.delete('older')
})
