/** Several daemons on one slot: one streams, the others stand by and take over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../kit/daemon.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

test('the second stands by, takes over, and gives way again; nothing is lost or doubled', async () => {
  const stage = await servers.scene({ name: 'pair', schema: 'CREATE TABLE tb_row (id serial PRIMARY KEY)' })
  const insert = () => stage.sql('INSERT INTO tb_row SELECT FROM generate_series(1, 500)')
  let active = await stage.start()
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const second = stage.launch()
    const line = await second.says('standing by')
    assert.equal(line.level, 'info')
    assert.equal(line.application, 'fraiseql-observer')
    assert.equal((await second.status()).state, 'standby')
    assert.equal((await fetch(`http://127.0.0.1:${await second.port()}/health`)).status, 200)
    await Promise.all([insert(), insert(), active.kill(signal)])
    await second.streaming()
    await insert()
    await stage.caughtUp()
    active = second
  }
  const ids = (await stage.events()).map(event => (event.data as { id: number }).id)
  assert.equal(ids.length, 3_000)
  assert.equal(new Set(ids).size, 3_000)
  await active.stop()
  await stage.end()
})

test('the one that takes over shows the tables that came while it waited', async () => {
  const stage = await servers.scene({ name: 'waited', schema: 'CREATE TABLE tb_row (id int PRIMARY KEY)' })
  const first = await stage.start()
  const second = stage.launch()
  await second.says('standing by')
  await stage.sql('CREATE TABLE tb_late (id int PRIMARY KEY)')
  await first.says('came into the publication')
  await first.stop()
  await second.streaming()
  await until(
    async () => (await second.status()).slot.tables === 2,
    () => 'the new table is not shown',
  )
  await second.stop()
  await stage.end()
})

test('of several that start at once one streams, and none calls that an error; so it is at each takeover', async () => {
  for (const round of [1, 2, 3]) {
    const stage = await servers.scene({
      name: `crowd_${round}`,
      schema: 'CREATE TABLE tb_row (id serial PRIMARY KEY)',
    })
    let crowd = Array.from({ length: 4 }, () => stage.launch())
    while (crowd.length > 0) {
      const states = () => Promise.all(crowd.map(async daemon => (await daemon.status()).state))
      await until(
        async () =>
          (await states()).toSorted().join() === [...crowd.slice(1).map(() => 'standby'), 'streaming'].join(),
        () => crowd.map(daemon => daemon.lastLines()).join('\n\n'),
      )
      await stage.sql('INSERT INTO tb_row SELECT FROM generate_series(1, 10)')
      const active = crowd[(await states()).indexOf('streaming')]!
      assert.deepEqual(
        crowd.flatMap(({ logs }) => logs).filter(({ level }) => level !== 'info'),
        [],
      )
      await active.kill(crowd.length % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
      crowd = crowd.filter(daemon => daemon !== active)
    }
    const last = await stage.start()
    const ids = (await stage.events()).map(event => (event.data as { id: number }).id)
    assert.deepEqual(
      ids,
      Array.from({ length: 40 }, (_, i) => i + 1),
    )
    await last.stop()
    await stage.end()
  }
})

test('who takes over means the same tables by the same names, from the first change on', async () => {
  const stage = await servers.scene({
    name: 'namesakes',
    schema:
      'CREATE SCHEMA archive; CREATE TABLE tb_order (id int PRIMARY KEY); CREATE TABLE archive.tb_order (id int PRIMARY KEY)',
    rules:
      '[[observers]]\ntable = "tb_order"\nsubject = "live"\n[[observers]]\ntable = "archive.tb_order"\nsubject = "archived"\n',
  })
  stage.settings = { database: { url: `${stage.url}?options=-c%20search_path%3Dpublic,archive` } }
  const first = await stage.start()
  const second = stage.launch()
  await second.says('standing by')
  await stage.sql('CREATE TABLE tb_new (id int PRIMARY KEY)')
  await first.kill()
  await second.streaming()
  await stage.sql('INSERT INTO archive.tb_order VALUES (1); INSERT INTO tb_order VALUES (2)')
  assert.deepEqual(
    (await stage.messages()).map(({ subject }) => subject),
    ['archived', 'live'],
  )
  assert.ok(!second.output.includes('TABLES_OUTDATED'))
  await second.stop()
  await stage.end()
})

test('one that was frozen and comes back: the slot is taken, and what it still had in hand is not stored twice', async () => {
  const stage = await servers.scene({
    name: 'frozen',
    schema: 'CREATE TABLE tb_row (id serial PRIMARY KEY)',
    settings: { stream: { duplicate_window_seconds: 1 } },
  })
  const first = await stage.start()
  const insert = (count: number) => stage.sql(`INSERT INTO tb_row SELECT FROM generate_series(1, ${count})`)
  await insert(10)
  await stage.caughtUp()
  // Frozen with changes on their way to it; PostgreSQL ends the connection, as it does after wal_sender_timeout.
  first.signal('SIGSTOP')
  await insert(200)
  await servers.postgres.sql(
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'frozen'",
  )
  const second = await stage.start()
  await insert(50)
  await stage.caughtUp()
  await new Promise(resolve => setTimeout(resolve, 1_200))
  first.signal('SIGCONT')
  await first.says('standing by')
  await insert(50)
  const ids = (await stage.events()).map(event => (event.data as { id: number }).id)
  assert.deepEqual(
    ids,
    Array.from({ length: 310 }, (_, i) => i + 1),
  )
  await second.stop()
  await until(
    async () => (await first.status()).state === 'streaming',
    () => 'the first does not take over',
  )
  await first.stop()
  await stage.end()
})
