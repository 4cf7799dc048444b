/** SIGTERM: what is in flight is acked and confirmed, then exit 0. A second signal ends at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../kit/daemon.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

test('SIGTERM in the middle of a backlog: exit 0 soon, and the next run goes on where it ended', async () => {
  const rows = 20_000
  const stage = await servers.scene({
    name: 'backlog',
    schema: 'CREATE TABLE tb_row (id int PRIMARY KEY, note text)',
  })
  await stage.start().then(daemon => daemon.stop())
  // One half as a transaction, the other as many.
  await stage.sql(`INSERT INTO tb_row SELECT n, repeat('x', 300) FROM generate_series(1, ${rows / 2}) n`)
  await stage.sql(`DO $$ BEGIN FOR n IN ${rows / 2 + 1}..${rows} LOOP
    INSERT INTO tb_row VALUES (n, 'x'); IF n % 20 = 0 THEN COMMIT; END IF; END LOOP; END $$`)
  let stops = 0
  for (let done = 0; done < rows; ) {
    const daemon = await stage.start()
    const target = Math.min(rows, done + 6_000)
    const stored = async () => (await (await stage.jsm()).streams.info(stage.stream)).state.messages
    await until(
      async () => (await stored()) >= target,
      () => `stays below ${target}`,
    )
    const began = Date.now()
    assert.deepEqual(await daemon.kill('SIGTERM'), { code: 0, signal: null })
    // shutdown_timeout_ms is 10 s: everything was acked long before.
    assert.ok(Date.now() - began < 8_000)
    assert.equal(daemon.logs.at(-1)?.msg, 'stopped')
    assert.ok(!daemon.output.includes('stopped before everything had its publish ack'))
    done = await stored()
    stops++
  }
  assert.ok(stops >= 2)
  const ids = (await stage.events()).map(event => (event.data as { id: number }).id)
  assert.deepEqual(
    ids,
    Array.from({ length: rows }, (_, i) => i + 1),
  )
  await stage.end()
})

test('what was acked before an orderly stop is confirmed: the next run gets nothing again', async () => {
  const stage = await servers.scene({ name: 'confirmed', schema: 'CREATE TABLE tb_row (id int PRIMARY KEY)' })
  const first = await stage.start()
  await stage.sql('INSERT INTO tb_row VALUES (1)')
  await until(
    async () => (await stage.read()).length === 1,
    () => 'nothing arrives',
  )
  await first.stop()
  const [slot] = await stage.sql<{ again: string }>(
    `SELECT count(*)::text AS again FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL,
       'proto_version', '1', 'publication_names', $2) WHERE get_byte(data, 0) = ascii('I')`,
    [stage.slot, stage.slot],
  )
  assert.equal(slot!.again, '0')
  await stage.end()
})

test('with the broker gone, SIGTERM ends after shutdown_timeout_ms, and nothing is lost', async () => {
  const stage = await servers.scene({ name: 'no_broker', schema: 'CREATE TABLE tb_row (id int PRIMARY KEY)' })
  const first = await stage.start({ FRAISEQL_SHUTDOWN_TIMEOUT_MS: '300' })
  servers.nats.freeze()
  await stage.sql('INSERT INTO tb_row SELECT generate_series(1, 100)')
  await until(
    async () => (await first.status()).in_flight.messages === 100,
    () => 'nothing is in flight',
  )
  assert.deepEqual(await first.kill('SIGTERM'), { code: 0, signal: null })
  assert.match(first.output, /stopped before everything had its publish ack/)
  servers.nats.thaw()
  const second = await stage.start()
  const ids = (await stage.events()).map(event => (event.data as { id: number }).id)
  assert.deepEqual(
    ids,
    Array.from({ length: 100 }, (_, i) => i + 1),
  )
  await second.stop()
  await stage.end()
})

test('a second signal ends at once', async () => {
  const stage = await servers.scene({
    name: 'second_signal',
    schema: 'CREATE TABLE tb_row (id int PRIMARY KEY)',
  })
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    const daemon = await stage.start({ FRAISEQL_SHUTDOWN_TIMEOUT_MS: '60000' })
    servers.nats.freeze()
    await stage.sql('INSERT INTO tb_row SELECT coalesce(max(id), 0) + 1 FROM tb_row')
    await until(
      async () => (await daemon.status()).in_flight.messages > 0,
      () => 'nothing is in flight',
    )
    daemon.signal(signal)
    await daemon.says('stopping')
    assert.deepEqual(await daemon.kill(signal), { code, signal: null })
    servers.nats.thaw()
  }
  await stage.end()
})

test('a signal while the daemon still tries to connect', async () => {
  const stage = await servers.scene({ name: 'connecting' })
  stage.settings = { database: { url: 'postgresql://nobody@127.0.0.1:1/none' } }
  const daemon = stage.launch()
  await daemon.waitFor(line => line.level === 'error')
  assert.deepEqual(await daemon.kill('SIGTERM'), { code: 0, signal: null })
  await stage.end()
})
