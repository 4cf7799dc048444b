/**
 * Every other spelling of a key, translated here and nowhere else: FraiseQL's documentation writes the same setting as
 * `[observers]`, `[nats]` or `[transport]`, with other names and units. Pure data and arithmetic; the loader applies
 * it, and the JSON Schema and docs/configuration.md list it.
 */

/** How a value written in the other spelling becomes that of the key. */
export type Conversion = 'days' | 'minutes' | 'seconds to ms' | 'duration' | 'no limit as -1'

export interface Spelling {
  /** `*` stands for a name and is carried over to the `*` of `to`. */
  readonly from: string
  /** null: the key is another program's; it is accepted and has no effect here. */
  readonly to: string | null
  readonly convert?: Conversion
  /** Said once when the key is used. */
  readonly note?: string
  /** The one value that is accepted, and why. */
  readonly only?: { readonly value: unknown; readonly because: string }
}

const LIMITS = [
  'max_age_seconds',
  'max_msg_size',
  'duplicate_window_seconds',
  'replicas',
  'storage',
  'discard',
  'retention',
]
const CONSUMER = [
  'stream',
  'durable_name',
  'filter_subjects',
  'deliver_policy',
  'ack_policy',
  'ack_wait_seconds',
  'max_deliver',
  'max_ack_pending',
]

export const SPELLINGS: readonly Spelling[] = [
  ...foreign('database', ['pool_min', 'pool_max', 'idle_timeout_ms']),
  { from: 'observers.nats_url', to: 'nats.servers' },
  ...foreign('observers', ['redis_url', 'handlers']),

  { from: 'nats.enabled', to: 'observers.enabled' },
  { from: 'nats.url', to: 'nats.servers' },
  { from: 'nats.urls', to: 'nats.servers' },
  { from: 'nats.prefix', to: 'stream.subject_prefix' },
  { from: 'nats.subject_prefix', to: 'stream.subject_prefix' },
  { from: 'nats.stream_name', to: 'stream.name' },
  { from: 'nats.consumer_name', to: 'worker.consumer_name' },
  ...login('nats'),
  ...same('nats.partitions', 'partitions', ['enabled', 'key', 'count']),
  ...foreign('nats.cdc', ['enabled']),
  { from: 'nats.cdc.tables', to: 'replication.tables' },
  {
    from: 'nats.jetstream.enabled',
    to: null,
    only: { value: true, because: 'events are always published to JetStream' },
  },
  { from: 'nats.jetstream.stream', to: 'stream.name' },
  {
    from: 'nats.jetstream.subjects',
    to: null,
    note: 'has no effect: the main stream owns `{subject_prefix}.>` and the one-token subjects of the rules',
  },
  ...limits('nats.jetstream', 'stream'),
  ...limits('nats.jetstream.streams.*', 'streams.*'),
  ...same('nats.jetstream.streams.*', 'streams.*', ['name', 'subjects']),
  ...consumers('nats.jetstream.consumers.*'),
  ...same('nats.jetstream.dlq', 'dlq', ['enabled', 'subject', 'stream_name']),
  { from: 'nats.jetstream.dlq.stream', to: 'dlq.stream_name' },
  { from: 'nats.jetstream.dlq.max_deliver', to: 'worker.max_deliver' },

  { from: 'transport.transport', to: 'observers.backend' },
  ...foreign('transport', ['run_bridge', 'run_executors']),
  { from: 'transport.nats.url', to: 'nats.servers' },
  { from: 'transport.nats.stream_name', to: 'stream.name' },
  { from: 'transport.nats.subject_prefix', to: 'stream.subject_prefix' },
  { from: 'transport.nats.consumer_name', to: 'worker.consumer_name' },
  ...login('transport.nats'),
  ...limits('transport.nats.jetstream', 'stream'),
  { from: 'transport.nats.jetstream.max_deliver', to: 'worker.max_deliver' },
  { from: 'transport.nats.jetstream.ack_wait_secs', to: 'worker.ack_wait_seconds' },
  { from: 'transport.bridge.notify_channel', to: 'notify.channel' },
  { from: 'transport.bridge.batch_size', to: 'outbox.batch_size' },
  { from: 'transport.bridge.poll_interval_secs', to: 'outbox.poll_interval_ms', convert: 'seconds to ms' },
  { from: 'transport.bridge.transport_name', to: 'outbox.transport_name' },

  ...limits('stream', 'stream'),
  ...limits('streams.*', 'streams.*'),
  ...consumers('consumers.*'),
]

/** FraiseQL's own environment variables that do not follow from the path of a key. */
export const VARIABLES: Readonly<Record<string, string>> = {
  DATABASE_URL: 'database.url',
  NATS_URL: 'nats.servers',
  FRAISEQL_OBSERVER_TRANSPORT: 'observers.backend',
}

/** FraiseQL shortens the paths of `[transport]` in its variables: `FRAISEQL_NATS_MAX_AGE_DAYS`. */
export function variableOf(path: string): string {
  const short = path
    .replace(/^transport\.nats\.jetstream\./, 'nats.')
    .replace(/^transport\.(nats|bridge)\./, '$1.')
  return `FRAISEQL_${short.replaceAll('.', '_').toUpperCase()}`
}

/** A value of another type is handed on as it is; the check of the key says what is wrong with it. */
export function convert(value: unknown, conversion: Conversion | undefined): unknown {
  if (conversion === 'duration') return typeof value === 'string' ? (durationSeconds(value) ?? value) : value
  if (typeof value !== 'number') return value
  switch (conversion) {
    case 'days':
      return value * 86_400
    case 'minutes':
      return value * 60
    case 'seconds to ms':
      return value * 1000
    case 'no limit as -1':
      return value === -1 ? 0 : value
    case undefined:
      return value
  }
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 }

/** `60s`, `5m`, `1h30m`, `30d`. */
export function durationSeconds(text: string): number | null {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) return null
  let total = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) {
    total += Number(amount) * UNIT_SECONDS[unit!]!
  }
  return Math.round(total * 1000) / 1000
}

function same(from: string, to: string, names: readonly string[]): Spelling[] {
  return from === to ? [] : names.map(name => ({ from: `${from}.${name}`, to: `${to}.${name}` }))
}

function foreign(table: string, names: readonly string[]): Spelling[] {
  return names.map(name => ({ from: `${table}.${name}`, to: null }))
}

function renamed(from: string, to: string, names: Readonly<Record<string, string>>): Spelling[] {
  return Object.entries(names).map(([old, name]) => ({ from: `${from}.${old}`, to: `${to}.${name}` }))
}

function limits(from: string, to: string): Spelling[] {
  const unlimited = ['max_bytes', 'max_msgs'].map(
    (name): Spelling => ({ from: `${from}.${name}`, to: `${to}.${name}`, convert: 'no limit as -1' }),
  )
  return [
    ...same(from, to, LIMITS),
    ...(from === to ? [] : unlimited),
    { from: `${from}.max_age`, to: `${to}.max_age_seconds`, convert: 'duration' },
    { from: `${from}.max_age_days`, to: `${to}.max_age_seconds`, convert: 'days' },
    { from: `${from}.duplicate_window`, to: `${to}.duplicate_window_seconds`, convert: 'duration' },
    { from: `${from}.dedup_window_minutes`, to: `${to}.duplicate_window_seconds`, convert: 'minutes' },
  ]
}

function consumers(from: string): Spelling[] {
  return [
    ...same(from, 'consumers.*', CONSUMER),
    { from: `${from}.ack_wait`, to: 'consumers.*.ack_wait_seconds', convert: 'duration' },
    { from: `${from}.ack_wait_secs`, to: 'consumers.*.ack_wait_seconds' },
    ...renamed(from, 'consumers.*', { filter_subject: 'filter_subjects', durable: 'durable_name' }),
  ]
}

function login(from: string): Spelling[] {
  const auth = ['type', 'token', 'user', 'password', 'nkey', 'jwt', 'creds']
  const tls = ['enabled', 'ca_file', 'cert_file', 'key_file', 'server_name', 'insecure_skip_verify']
  return [
    ...same(`${from}.auth`, 'nats.auth', auth),
    ...renamed(`${from}.auth`, 'nats.auth', {
      username: 'user',
      pass: 'password',
      seed: 'nkey',
      nkey_seed: 'nkey',
      nkey_file: 'nkey',
      seed_file: 'nkey',
      creds_file: 'creds',
      credentials_file: 'creds',
    }),
    ...same(`${from}.tls`, 'nats.tls', tls),
    ...renamed(`${from}.tls`, 'nats.tls', {
      ca: 'ca_file',
      ca_cert: 'ca_file',
      cert: 'cert_file',
      client_cert: 'cert_file',
      key: 'key_file',
      client_key: 'key_file',
    }),
  ]
}
