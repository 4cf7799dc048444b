/** The files of FraiseQL's documentation load as they are, and mean what the documentation says. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Rule } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { inspectFiles } from '../kit/config-files.ts'
import { projectRoot } from '../kit/project-root.ts'

const ENV = {
  DATABASE_URL: 'postgresql://app:secret@db/app',
  NATS_URL: 'nats://nats-1:4222,nats://nats-2:4222',
  NATS_TOKEN: 'token',
}

function load(variant: string) {
  const configPath = join(projectRoot, 'test/fixtures/documentation', variant, 'fraiseql.toml')
  const loaded = loadConfig({ configPath, env: ENV })
  // Of the worker, which its files configure; nothing else in them is worth a word.
  for (const { message } of loaded.warnings)
    assert.match(message, /no effect in this release, which has no worker$/)
  return loaded
}

const brief = ({ table, channel, operations, subject, origin }: Rule) =>
  `${table ?? channel} ${operations.join()} ${subject} :${origin.line}`

describe('the documentation', () => {
  it('A: rules and settings in one file, and a file of settings beside it', () => {
    const { config, sources } = load('a')
    assert.deepEqual(config.rules.map(brief), [
      'tb_order INSERT order_created :2',
      'tb_order UPDATE order_status_changed :6',
    ])
    assert.deepEqual(config.nats.servers, ['nats://nats-1:4222', 'nats://nats-2:4222'])
    assert.equal(config.stream.name, 'fraiseql_events')
    assert.equal(config.stream.subject_prefix, 'fraiseql.mutation')
    assert.equal(config.stream.max_age_seconds, 30 * 86_400)
    assert.equal(config.stream.max_bytes, 10_737_418_240)
    assert.equal(config.stream.max_msgs, 1_000_000)
    assert.equal(config.stream.duplicate_window_seconds, 300)
    assert.deepEqual(config.worker, {
      consumer_name: 'fraiseql_observer_worker',
      max_deliver: 3,
      ack_wait_seconds: 30,
    })
    assert.match(sources.get('stream.max_age_seconds')!, /a\/fraiseql-observer\.toml:10$/)
    assert.equal(sources.get('nats.servers'), 'env NATS_URL')
  })

  it('B: no rules', () => {
    const { config } = load('b')
    assert.deepEqual(config.rules, [])
    assert.equal(config.observers.backend, 'nats')
    assert.equal(config.stream.max_age_seconds, 7 * 86_400)
  })

  it('C: dotted subjects, the database, and tables of other programs', () => {
    const { config } = load('c')
    assert.deepEqual(config.rules.map(brief), [
      'tb_order INSERT events.order.created :10',
      'tb_order UPDATE events.order.status_updated :14',
    ])
    assert.equal(config.database.url, ENV.DATABASE_URL)
  })

  it('D: the dialect of the troubleshooting page', () => {
    const { config } = load('d')
    assert.deepEqual(config.nats.auth, { type: 'token', token: 'token' })
    const [orders] = config.streams
    assert.equal(config.streams.length, 1)
    assert.equal(orders?.name, 'orders')
    assert.deepEqual(orders.subjects, ['fraiseql.order.>'])
    assert.deepEqual([orders.replicas, orders.max_msgs, orders.max_bytes], [3, 1_000_000, 10_737_418_240])
    assert.equal(orders.max_age_seconds, config.stream.max_age_seconds)
    assert.equal(orders.origin.line, 5)
    assert.equal(config.consumers['order-processor']?.ack_wait_seconds, 60)
    assert.deepEqual(config.partitions, { enabled: true, key: 'order_id', count: 8 })
    assert.deepEqual(config.rules.map(brief), ['saga_step_completed  fraiseql.saga.step :19'])
  })

  it('the example of an event pipeline', () => {
    const { config, messages, warned } = inspectFiles(PIPELINE, { env: { ...ENV, NATS_URL: undefined } })
    assert.deepEqual(messages, [])
    assert.deepEqual(
      warned.map(text => text.replace(/^fraiseql\.toml:\d+: /, '').slice(0, 44)),
      [
        'nats.jetstream.subjects: has no effect: the main stream'.slice(0, 44),
        'nats.jetstream.consumers.analytics: stream, durable_name'.slice(0, 44),
        'nats.jetstream.dlq.max_deliver: has no effect in'.slice(0, 44),
      ],
    )
    assert.equal(config.stream.name, 'fraiseql-events')
    assert.equal(config.stream.max_age_seconds, 30 * 86_400)
    assert.deepEqual(config.rules.map(brief), ['tb_order  null :9', 'tb_shipping  null :9'])
    assert.equal(config.consumers.analytics?.durable_name, 'analytics-1')
    assert.equal(config.worker.max_deliver, 4)
  })

  it("the server's own [database] and [observers]", () => {
    const { config, messages } = inspectFiles(SERVER, { env: ENV })
    assert.deepEqual(messages, [])
    assert.equal(config.database.url, `${ENV.DATABASE_URL}?sslmode=require`)
  })
})

const PIPELINE = `
[nats]
enabled = true
urls = ["nats://localhost:4222"]
prefix = "fraiseql"

[nats.cdc]
enabled = true
tables = ["tb_order", "tb_shipping"]

[nats.jetstream]
enabled = true
stream = "fraiseql-events"
subjects = ["fraiseql.>"]
retention = "limits"
max_age = "720h"

[nats.jetstream.streams.orders]
name = "orders"
subjects = ["fraiseql.order.>"]

[nats.jetstream.consumers.analytics]
stream = "orders"
durable_name = "analytics-1"
deliver_policy = "new"

[nats.jetstream.dlq]
enabled = true
subject = "fraiseql.dlq"
max_deliver = 4
`

const SERVER = `
[database]
url = "\${DATABASE_URL}"
pool_min = 2
pool_max = 20
connect_timeout_ms = 5000
idle_timeout_ms = 600000
ssl_mode = "require"

[observers]
enabled = true
backend = "nats"
nats_url = "nats://localhost"

[[observers.handlers]]
name = "notify"
event = "user.created"
`
