/** A message over max_payload: dead letter, smaller, or the end, and never gone without a word. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { payload } from '../kit/stream-reader.ts'

const servers = shareServers({ nats: { config: 'max_payload: 20000' } })

const scene = (name: string, policy: string) =>
  servers.scene({
    name,
    schema: 'CREATE TABLE tb_doc (id int PRIMARY KEY, title text, body text)',
    settings: {
      publish: { on_oversize: policy },
      dlq: { stream_name: `${name}_dlq`, subject: `${name}.dlq` },
    },
  })

/** The second is too large; the last is large, and fits. */
const write = (stage: Scene) =>
  stage.sql(`INSERT INTO tb_doc VALUES
    (1, 'small', 'a'), (2, 'large', repeat('x', 60000)), (3, 'small', 'b'), (4, 'fits', repeat('y', 9000))`)

test('on_oversize = "dead-letter"', async () => {
  const stage = await scene('dead_letter', 'dead-letter')
  const daemon = await stage.start()
  await write(stage)
  const events = await stage.events()
  assert.deepEqual(
    events.map(event => event.entity_id),
    ['1', '3', '4'],
  )
  const [letter, ...more] = (await stage.read('dead_letter_dlq')).map(payload)
  assert.equal(more.length, 0)
  assert.equal(letter!.reason, 'message_too_large')
  assert.equal(letter!.subject, `${stage.prefix}.Doc.INSERT`)
  assert.equal(letter!.stream, stage.stream)
  assert.ok((letter!.bytes as number) > 60_000)
  const event = letter!.event as Record<string, unknown>
  assert.deepEqual(event.data, { id: 2, title: 'large' })
  assert.deepEqual(event.unchanged, ['body'])
  const line = await daemon.says('too large')
  assert.equal(line.level, 'warn')
  assert.equal(await daemon.metric('fraiseql_observer_dead_letters_total'), 1)
  assert.equal(await daemon.metric('fraiseql_observer_events_failed_total'), 1)
  await daemon.stop()
  await stage.end()
})

test('many of them are one line of the log, and all are counted', async () => {
  const stage = await scene('flood', 'dead-letter')
  const daemon = await stage.start()
  await stage.sql(`INSERT INTO tb_doc SELECT g, 'large', repeat('x', 60000) FROM generate_series(1, 20) g`)
  await stage.caughtUp()
  assert.equal(await daemon.metric('fraiseql_observer_dead_letters_total'), 20)
  const lines = daemon.logs.filter(({ msg }) => msg?.includes('too large') === true)
  assert.equal(lines.length, 1, daemon.lastLines())
  await daemon.stop()
  await stage.end()
})

test('on_oversize = "trim"', async () => {
  const stage = await scene('trim', 'trim')
  const daemon = await stage.start()
  await write(stage)
  const events = await stage.events()
  assert.deepEqual(
    events.map(event => [event.entity_id, event.unchanged]),
    [
      ['1', undefined],
      ['2', ['body']],
      ['3', undefined],
      ['4', undefined],
    ],
  )
  assert.deepEqual(events[1]!.data, { id: 2, title: 'large' })
  assert.equal(await daemon.metric('fraiseql_observer_oversize_total'), 1)
  await daemon.stop()
  await stage.end()
})

test('what is far too large is replaced without being written: rows before and after, arrays, logical messages', async () => {
  const stage = await servers.scene({
    name: 'far_too_large',
    schema: `
      CREATE TABLE tb_doc (id int PRIMARY KEY, body text, list text[]);
      ALTER TABLE tb_doc ALTER body SET STORAGE EXTERNAL; ALTER TABLE tb_doc REPLICA IDENTITY FULL`,
    settings: { publish: { on_oversize: 'trim' } },
  })
  const daemon = await stage.start()
  await stage.sql(`
    INSERT INTO tb_doc VALUES (1, repeat('x', 60000), NULL), (2, 'fits', ARRAY[repeat('y', 60000)]);
    UPDATE tb_doc SET list = ARRAY['new'];
    UPDATE tb_doc SET body = NULL WHERE id = 1;
    DELETE FROM tb_doc WHERE id = 2;
    SELECT pg_logical_emit_message(true, 'audit', repeat('z', 60000))`)
  const events = await stage.events()
  assert.deepEqual(
    events.map(({ event_type, data, changes, unchanged }) => [event_type, data, changes, unchanged]),
    [
      ['INSERT', { id: 1, list: null }, null, ['body']],
      ['INSERT', { id: 2, body: 'fits' }, null, ['list']],
      ['UPDATE', { id: 1, list: ['new'] }, { list: { old: null, new: ['new'] } }, ['body']],
      ['UPDATE', { id: 2, body: 'fits' }, {}, ['list']],
      ['UPDATE', { id: 1, list: ['new'] }, {}, ['body']],
      ['DELETE', { id: 2, body: 'fits', list: ['new'] }, null, undefined],
    ],
  )
  const [letter] = (await stage.read('fraiseql_dlq')).map(payload)
  assert.deepEqual([letter!.reason, letter!.operation, letter!.event], ['message_too_large', 'CUSTOM', null])
  assert.ok((letter!.bytes as number) >= 60_000)
  await daemon.stop()
  await stage.end()
})

test('on_oversize = "stop": the daemon ends before it, and goes on from there when the server takes more', async () => {
  const stage = await scene('stop', 'stop')
  const daemon = await stage.start()
  await write(stage)
  assert.deepEqual(await daemon.ended(), { code: 1, signal: null })
  assert.match(daemon.output, /has \d+ bytes, and its stream takes 20000/)
  assert.match(daemon.output, /Raise max_payload/)
  const before = (await stage.read()).map(payload).map(event => event.entity_id)
  assert.ok(before.length <= 1)
  stage.settings = { publish: { on_oversize: 'trim' } }
  const second = await stage.start()
  const events = await stage.events()
  assert.deepEqual(
    events.map(event => event.entity_id),
    ['1', '2', '3', '4'],
  )
  await second.stop()
  await stage.end()
})

test('without dead letters the daemon ends, and names the way to have them', async () => {
  const stage = await scene('without', 'dead-letter')
  stage.settings = { dlq: { enabled: false } }
  const daemon = await stage.start()
  await write(stage)
  assert.equal((await daemon.ended()).code, 1)
  assert.match(daemon.output, /set \[dlq\] enabled = true, or \[publish\] on_oversize = "trim"\./)
  await stage.end()
})

test('a dead letter that does not fit its stream ends the daemon, and counts when it is stored', async () => {
  const stage = await scene('narrow', 'dead-letter')
  const { streams } = await stage.jsm()
  await streams.add({ name: 'narrow_dlq', subjects: ['narrow.dlq'], max_msg_size: 300 })
  const daemon = await stage.start()
  await write(stage)
  assert.equal((await daemon.ended()).code, 1)
  assert.match(daemon.output, /stream narrow_dlq takes 300/)
  assert.match(daemon.output, /nats stream edit narrow_dlq --max-msg-size=-1/)
  await streams.update('narrow_dlq', { max_msg_size: -1 })
  const second = await stage.start()
  assert.equal((await stage.events()).length, 3)
  assert.equal(await second.metric('fraiseql_observer_dead_letters_total'), 1)
  assert.equal(await second.metric('fraiseql_observer_events_failed_total'), 1)
  await second.stop()
  await stage.end()
})

test('a limit that was raised while the daemon runs counts: of the stream, of the server, with or without a new connection', async () => {
  const stage = await scene('raised', 'dead-letter')
  stage.settings = { ...stage.settings, stream: { max_msg_size: 5_000 } }
  const daemon = await stage.start()
  const { streams } = await stage.jsm()
  let id = 0
  const insert = (bytes: number) =>
    stage.sql(`INSERT INTO tb_doc VALUES (${++id}, 'x', repeat('x', ${bytes}))`)
  const fresh = async (what: string, raise: () => Promise<unknown>) => {
    const from = daemon.logs.length
    await raise()
    await daemon.says(`${what} was changed`, from)
    await daemon.says('streaming', from)
  }
  await insert(4_000)
  await stage.caughtUp()
  await fresh('max_msg_size of stream raised', () => streams.update('raised', { max_msg_size: -1 }))
  await insert(4_000)
  await fresh('max_payload of NATS', async () => {
    servers.nats.reconfigure('max_payload: 40000')
    await servers.nats.restart()
    await insert(12_000)
  })
  await fresh('max_payload of NATS', async () => {
    servers.nats.reconfigure('max_payload: 80000')
    process.kill(servers.nats.pid, 'SIGHUP')
    await insert(24_000)
  })
  await insert(24_000)
  const events = await stage.events()
  assert.deepEqual(
    events.map(event => event.entity_id),
    ['2', '3', '5'],
  )
  assert.equal((await stage.read('raised_dlq')).length, 2)
  await daemon.stop()
  await stage.end()
})
