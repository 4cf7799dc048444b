/** The TOML of FraiseQL's documentation, as it is, on real servers. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { Daemon, until } from '../kit/daemon.ts'
import { startNats } from '../kit/nats.ts'
import { projectRoot } from '../kit/project-root.ts'
import { shareServers } from '../kit/stage.ts'
import { payload, readStream } from '../kit/stream-reader.ts'

const servers = shareServers()

const SCHEMA = `
  CREATE TABLE tb_order (id int PRIMARY KEY, order_id text, status text);
  CREATE TABLE tb_order_item (id int PRIMARY KEY, fk_order int REFERENCES tb_order)`

function filesOf(variant: string): Record<string, string> {
  const folder = join(projectRoot, 'test', 'fixtures', 'documentation', variant)
  return Object.fromEntries(readdirSync(folder).map(name => [name, readFileSync(join(folder, name), 'utf8')]))
}

/** The documentation names neither slot nor port, so that what a test needs for itself comes from the environment. */
async function launch(variant: string, files: Record<string, string>, more: Record<string, string> = {}) {
  const url = await servers.postgres.createDatabase(variant)
  await servers.postgres.sql(SCHEMA, undefined, url)
  const env = {
    DATABASE_URL: url,
    NATS_URL: servers.nats.url,
    FRAISEQL_HTTP_HOST: '127.0.0.1',
    FRAISEQL_HTTP_PORT: '0',
  }
  return { url, daemon: new Daemon({ config: files, env: { ...env, ...more } }) }
}

const WRITE = `
  INSERT INTO tb_order VALUES (1, 'o-1', 'new');
  INSERT INTO tb_order_item VALUES (1, 1);
  UPDATE tb_order SET status = 'paid';
  DELETE FROM tb_order_item`

/** Subject and payload of all messages of each stream, in its order. */
async function delivered(total: number): Promise<Record<string, [string, Record<string, unknown>][]>> {
  const { streams } = await jetstreamManager(servers.nc)
  const found: Record<string, [string, Record<string, unknown>][]> = {}
  await until(
    async () => {
      let count = 0
      for await (const { config, state } of streams.list()) {
        if (state.messages === 0) continue
        const messages = await readStream(servers.nc, config.name)
        found[config.name] = messages.map(message => [message.subject, payload(message)])
        count += messages.length
      }
      return count >= total
    },
    () =>
      `not all arrived: ${JSON.stringify(Object.entries(found).map(([name, list]) => [name, list.length]))}`,
  )
  return found
}

async function within(
  variant: string,
  files: Record<string, string>,
  use: (daemon: Daemon, url: string) => Promise<void>,
): Promise<void> {
  const { daemon, url } = await launch(variant, files)
  try {
    await daemon.streaming()
    await use(daemon, url)
    await daemon.stop()
  } finally {
    await clear(daemon)
  }
}

/** All variants have the same slot and streams. */
async function clear(daemon: Daemon): Promise<void> {
  await daemon.kill()
  const { postgres, nc } = servers
  await until(
    async () => {
      const slots = await postgres.sql<{ database: string }>('SELECT database FROM pg_replication_slots')
      for (const { database } of slots) {
        const url = new URL(`/${database}`, postgres.url).href
        await postgres.sql(
          'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots',
          undefined,
          url,
        )
      }
      return true
    },
    () => 'the slot stays',
  )
  const { streams } = await jetstreamManager(nc)
  for await (const { config } of streams.list()) await streams.delete(config.name)
}

test('A: rules with bare subjects, then the singleton; A2: the transport beside it', async () => {
  const a = filesOf('a')
  assert.deepEqual(Object.keys(a).sort(), ['fraiseql-observer.toml', 'fraiseql.toml'])
  for (const [variant, files] of Object.entries({ a: { 'fraiseql.toml': a['fraiseql.toml']! }, a2: a })) {
    await within(variant, files, async (_daemon, url) => {
      await servers.postgres.sql(WRITE, undefined, url)
      const { fraiseql_events, ...others } = await delivered(2)
      assert.deepEqual(others, {})
      assert.deepEqual(
        fraiseql_events!.map(([subject, event]) => [
          subject,
          event.event_type,
          (event.data as { status: string }).status,
        ]),
        [
          ['order_created', 'INSERT', 'new'],
          ['order_status_changed', 'UPDATE', 'paid'],
        ],
      )
      const { config } = await (await jetstreamManager(servers.nc)).streams.info('fraiseql_events')
      assert.deepEqual(config.subjects, ['fraiseql.mutation.>', 'order_created', 'order_status_changed'])
      assert.equal(config.max_age / 86_400e9, variant === 'a2' ? 30 : 7)
      assert.equal(config.max_msgs, variant === 'a2' ? 1_000_000 : 10_000_000)
    })
  }
})

test('B: no rules, every table to its default subject', async () => {
  await within('b', filesOf('b'), async (_daemon, url) => {
    await servers.postgres.sql(WRITE, undefined, url)
    const { fraiseql_events, ...others } = await delivered(4)
    assert.deepEqual(others, {})
    assert.deepEqual(
      fraiseql_events!.map(([subject]) => subject),
      [
        'fraiseql.mutation.Order.INSERT',
        'fraiseql.mutation.OrderItem.INSERT',
        'fraiseql.mutation.Order.UPDATE',
        'fraiseql.mutation.OrderItem.DELETE',
      ],
    )
  })
})

test('C: dotted subjects go to a stream of their first token, which others share', async () => {
  await within('c', filesOf('c'), async (_daemon, url) => {
    const manager = await jetstreamManager(servers.nc)
    assert.deepEqual((await manager.streams.info('events')).config.subjects, ['events.>'])
    // As the choreography's workers do, in between.
    await servers.nc.request('events.inventory.reserved', '{}', { timeout: 2_000 })
    await servers.postgres.sql(WRITE, undefined, url)
    const { events } = await delivered(3)
    assert.deepEqual(
      events!.map(([subject]) => subject),
      ['events.inventory.reserved', 'events.order.created', 'events.order.status_updated'],
    )
  })
})

test('D: what a single server cannot do is told with the remedy; with one replica the same file runs', async () => {
  const d = filesOf('d')
  const token = 't0p-secret-token'
  const guarded = await startNats({ config: `authorization { token: "${token}" }` })
  try {
    const env = { NATS_URL: guarded.url, NATS_TOKEN: token }
    const { daemon: refused, url } = await launch('d', d, env)
    assert.deepEqual(await refused.ended(), { code: 78, signal: null })
    assert.match(refused.output, /creating stream orders: .*replicas/)
    assert.match(refused.output, /Set replicas = 1 for a single server/)
    const one = { 'fraiseql.toml': d['fraiseql.toml']!.replace('replicas = 3', 'replicas = 1') }
    const own = { DATABASE_URL: url, FRAISEQL_HTTP_HOST: '127.0.0.1', FRAISEQL_HTTP_PORT: '0' }
    const daemon = new Daemon({ config: one, env: { ...own, ...env } })
    await daemon.streaming()
    await daemon.says('needs the notify source')
    const { rules } = await daemon.status()
    assert.deepEqual(
      rules.map(({ source, subject, stream }) => [source, subject, stream]),
      [['saga_step_completed', 'fraiseql.saga.step', 'fraiseql_saga']],
    )
    await daemon.stop()
    for (const { output } of [refused, daemon]) assert.ok(!output.includes(token))
    await clear(daemon)
  } finally {
    await guarded.stop()
  }
})
