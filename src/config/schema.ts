/**
 * The one table of every key: its type and limits, its default, its unit and its meaning. The type of `Config`, the
 * checks, the environment variables, the JSON Schema for editors, the example files and docs/configuration.md all
 * come from here. Other spellings of a key are in dialects.ts.
 */
import { z } from 'zod'
import { SETTINGS_TEXT as text } from './schema-text.ts'

/** What a key says of itself beside its type. */
export interface KeyMeta {
  readonly doc: string
  readonly unit?: 'ms' | 'seconds' | 'bytes' | 'messages'
  /** Never shown: not in errors, logs or `validate-config`. `url`: all but its password may be shown. */
  readonly secret?: true | 'url'
  /** TOML of a sensible value, for keys that have no default. */
  readonly example?: string
  /** What this release does not have, so that the key is accepted and does nothing. */
  readonly needs?: Missing
}

/** As it stands behind "has". */
export type Missing = 'worker' | 'notify source' | 'outbox source'

export const OPERATIONS = ['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'CUSTOM'] as const
export const FORMATS = ['fraiseql', 'row', 'debezium', 'cloudevents'] as const

const DAY_SECONDS = 86_400
const CENTURY_SECONDS = 36_525 * DAY_SECONDS
const MIB = 1024 ** 2

function key<T extends z.ZodType>(type: T, doc: string, more: Omit<KeyMeta, 'doc'> = {}): T {
  return type.meta({ doc, ...more })
}

/** Said in every place that comes from the table, so that nobody sets such a key and waits for what it says. */
function needing(needs: Missing) {
  return <T extends z.ZodType>(type: T, doc: string, more: Omit<KeyMeta, 'doc'> = {}): T =>
    key(type, `${doc} No effect in this release.`, { ...more, needs })
}
const ofWorker = needing('worker')
const ofNotify = needing('notify source')
const ofOutbox = needing('outbox source')

/** Timers of Node.js end at 2^31 ms; a day is more than any of these needs. */
const milliseconds = (min: number) =>
  z
    .int()
    .min(min)
    .max(DAY_SECONDS * 1000)
const seconds = (min: number) => z.int().min(min).max(CENTURY_SECONDS)
const count = (min: number, max = Number.MAX_SAFE_INTEGER) => z.int().min(min).max(max)

/** Limits that a stream has, the main one as well as those of the file; 0 means no limit. */
const limits = {
  max_age_seconds: key(seconds(0), 'Older messages are removed. 0: never.', { unit: 'seconds' }),
  max_bytes: key(count(0), 'Size of the stream. 0: no limit.', { unit: 'bytes' }),
  max_msgs: key(count(0), 'Messages in the stream. 0: no limit.', { unit: 'messages' }),
  max_msg_size: key(count(0, 2 ** 31 - 1), 'Size of one message. 0: what the server allows.', {
    unit: 'bytes',
  }),
  duplicate_window_seconds: key(
    seconds(1),
    'How long JetStream itself knows a `Nats-Msg-Id` again. Not longer than `max_age_seconds`.',
    { unit: 'seconds' },
  ),
  replicas: key(count(1, 5), 'Copies of the stream in a cluster. A single server can have only 1.'),
  storage: key(z.enum(['file', 'memory']), 'Where the server keeps the messages.'),
  discard: key(
    z.enum(['old', 'new']),
    'What a full stream does: remove the oldest, or refuse new ones, which pauses the daemon.',
  ),
  retention: key(
    z.enum(['limits', 'interest', 'workqueue']),
    'Other than `limits`, consumed messages are gone, and duplicates after a long outage can not be ruled out.',
  ),
}

export const limitsSchema = z.strictObject({
  max_age_seconds: limits.max_age_seconds.default(7 * DAY_SECONDS),
  max_bytes: limits.max_bytes.default(10 * 1024 * MIB),
  max_msgs: limits.max_msgs.default(10_000_000),
  max_msg_size: limits.max_msg_size.default(0),
  duplicate_window_seconds: limits.duplicate_window_seconds.default(300),
  replicas: limits.replicas.default(1),
  storage: limits.storage.default('file'),
  discard: limits.discard.default('old'),
  retention: limits.retention.default('limits'),
})

/** A table that may be missing: then every key in it has its default. */
function table<T extends z.core.$ZodLooseShape>(shape: T) {
  return z.strictObject(shape).prefault({} as never)
}

const namedStreamSchema = z.strictObject({
  name: key(text.streamName.optional(), 'Name of the stream, if it is not that of the table.', {
    example: '"orders"',
  }),
  subjects: key(
    z.array(text.subjectFilter).min(1, 'names no subject').optional(),
    'Subjects that the stream owns; `*` and `>` are allowed.',
    { example: '["fraiseql.order.>"]' },
  ),
  ...z.strictObject(limits).partial().shape,
})

const consumerSchema = z.strictObject({
  stream: ofWorker(text.streamName.optional(), 'Stream to read.', { example: '"orders"' }),
  durable_name: ofWorker(
    text.streamName.optional(),
    'Name of the consumer, if it is not that of the table.',
    { example: '"order-processor"' },
  ),
  filter_subjects: ofWorker(z.array(text.subjectFilter).optional(), 'Only these subjects.', {
    example: '["fraiseql.order.>"]',
  }),
  deliver_policy: ofWorker(
    z.enum(['all', 'new', 'last', 'last_per_subject']).default('all'),
    'Where to begin.',
  ),
  ack_policy: ofWorker(
    z.enum(['explicit', 'all', 'none']).default('explicit'),
    'What is to be acknowledged.',
  ),
  ack_wait_seconds: ofWorker(seconds(1).default(30), 'Then a message is delivered again.', {
    unit: 'seconds',
  }),
  max_deliver: ofWorker(count(1).default(3), 'Deliveries of one message before it is given up.'),
  max_ack_pending: ofWorker(count(1).default(1_000), 'Unacknowledged messages at most.', {
    unit: 'messages',
  }),
})

export const settingsSchema = z.strictObject({
  database: table({
    url: key(
      text.databaseUrl.default(''),
      '`postgresql://user@host:5432/database`. Needs a direct connection.',
      {
        secret: 'url',
      },
    ),
    connect_timeout_ms: key(milliseconds(1).default(10_000), 'Time to connect and log in.', { unit: 'ms' }),
    ssl_mode: key(
      z.enum(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']).optional(),
      'TLS to PostgreSQL, where the URL itself has no `sslmode`.',
      { example: '"require"' },
    ),
  }),
  replication: table({
    slot_name: key(
      text.slotName.default('fraiseql_observer'),
      'Replication slot, created when missing: `a-z`, `0-9` and `_`, 63 of them at most.',
    ),
    publication_name: key(
      text.publicationName.default('fraiseql_observer'),
      'Publication; created when missing and kept in step with the rules.',
    ),
    status_interval_ms: key(
      milliseconds(100).default(10_000),
      'At least this often PostgreSQL is told the progress. Less than half of `wal_sender_timeout`.',
      { unit: 'ms' },
    ),
    on_slot_lost: key(
      z.enum(['stop', 'recreate']).default('stop'),
      'What to do when the slot is gone or lost, which is a gap in the stream: stop with exit code 79, or make a ' +
        'new slot and publish an event that names the gap on `{subject_prefix}._control.gap`.',
    ),
    tables: key(
      z.array(text.filled).default([]),
      'Tables that go to their default subjects, beside what the rules say.',
    ),
  }),
  nats: table({
    servers: key(
      z.array(text.natsServer).min(1, 'names no server').default(['nats://127.0.0.1:4222']),
      'Servers of one cluster, as a list or separated by commas. `tls://` requires TLS.',
      { secret: 'url' },
    ),
    connect_timeout_ms: key(milliseconds(1).default(5_000), 'Time to connect to a server.', { unit: 'ms' }),
    auth: table({
      type: key(
        z.enum(['none', 'token', 'user', 'nkey', 'jwt', 'creds']).optional(),
        'How to log in. Without it, the kind whose keys are there.',
        { example: '"token"' },
      ),
      token: key(text.filled.optional(), 'For `token`.', { secret: true, example: `"\${NATS_TOKEN}"` }),
      user: key(text.filled.optional(), 'For `user`.', { example: '"observer"' }),
      password: key(text.filled.optional(), 'For `user`.', { secret: true, example: `"\${NATS_PASSWORD}"` }),
      nkey: key(text.filled.optional(), 'For `nkey` and `jwt`: a seed (`SU...`), or the path of its file.', {
        secret: true,
        example: '"/run/secrets/observer.nk"',
      }),
      jwt: key(text.filled.optional(), 'For `jwt`: the token, or the path of its file.', {
        secret: true,
        example: '"/run/secrets/observer.jwt"',
      }),
      creds: key(text.filled.optional(), 'For `creds`: path of the credentials file.', {
        example: '"/run/secrets/observer.creds"',
      }),
    }),
    tls: table({
      enabled: key(
        z.boolean().optional(),
        'TLS although no URL says `tls://`. Not needed where `[nats.tls]` is there.',
        {
          example: 'true',
        },
      ),
      ca_file: key(
        text.filled.nullable().default(null),
        'Certificate authority, PEM. Without it, those Node.js trusts.',
        {
          example: '"/run/secrets/ca.pem"',
        },
      ),
      cert_file: key(text.filled.nullable().default(null), 'Client certificate, PEM.', {
        example: '"/run/secrets/client.pem"',
      }),
      key_file: key(text.filled.nullable().default(null), 'Key of the client certificate, PEM.', {
        example: '"/run/secrets/client-key.pem"',
      }),
      server_name: key(text.filled.nullable().default(null), 'Name in the certificate, if not the host.', {
        example: '"nats.example.com"',
      }),
      insecure_skip_verify: key(z.boolean().default(false), 'Believe any certificate. For tests only.'),
    }),
  }),
  stream: table({
    name: key(
      text.streamName.default('fraiseql_events'),
      'The main stream: no spaces, dots, slashes, `*` or `>`.',
    ),
    subject_prefix: key(
      text.subject.default('fraiseql.mutation'),
      'Default subjects are `{subject_prefix}.{Entity}.{OPERATION}`; the main stream owns `{subject_prefix}.>`.',
    ),
    create: key(z.boolean().default(true), 'Create missing streams. false: a missing stream is an error.'),
    ...limitsSchema.shape,
  }),
  streams: key(
    z.record(text.streamName, namedStreamSchema).prefault({}),
    'Further streams, `[streams.NAME]`. What such a table does not say is as in `[stream]`.',
  ),
  partitions: table({
    enabled: key(
      z.boolean().default(false),
      'Add the partition to subjects, as `{partition}` or last token.',
    ),
    key: key(text.filled.default('id'), 'Column whose value decides: same value, same partition.'),
    count: key(count(1, 65_536).default(8), 'Number of partitions, `0` to `count - 1`.'),
  }),
  event: table({
    format: key(z.enum(FORMATS).default('fraiseql'), 'Format of the messages, where a rule does not say.'),
    entity: key(z.enum(['copy', 'omit']).default('copy'), '`omit` saves the second copy of the row.'),
    numbers: key(
      z.enum(['number', 'string']).default('number'),
      '`string` quotes `int8` and `numeric`, for consumers that read JSON numbers into floats.',
    ),
  }),
  publish: table({
    max_in_flight_messages: key(count(1, 4_096).default(4_096), 'Unacknowledged messages at most.', {
      unit: 'messages',
    }),
    max_in_flight_bytes: key(count(65_536, 4 * 1024 * MIB).default(4 * MIB), 'The same in bytes.', {
      unit: 'bytes',
    }),
    ack_timeout_ms: key(milliseconds(100).default(2_000), 'Then the stream is read and publishing resumes.', {
      unit: 'ms',
    }),
    atomic: key(
      z.enum(['auto', 'transactions', 'off']).default('auto'),
      'Atomic batches (nats-server 2.12 and later): `auto` sends a backlog in them, to a replicated ' +
        'stream, and to another one where that is measured to be faster; `transactions` ' +
        'sends every transaction as one, so that consumers see it whole or not at all; `off` never.',
    ),
    on_oversize: key(
      z.enum(['dead-letter', 'trim', 'stop']).default('dead-letter'),
      'What to do with a message over `max_payload` of the server.',
    ),
  }),
  http: table({
    host: key(text.filled.default('0.0.0.0'), 'Address of `/metrics`, `/health`, `/readiness`, `/status`.'),
    port: key(count(0, 65_535).default(9_464), 'Its port. 0: any free one.'),
  }),
  log: table({
    level: key(z.enum(['debug', 'info', 'warn', 'error']).default('info'), 'The least that is logged.'),
    format: key(
      z.enum(['auto', 'json', 'pretty']).default('auto'),
      '`auto`: pretty on a terminal, else JSON.',
    ),
  }),
  shutdown_timeout_ms: key(
    milliseconds(0).default(10_000),
    'How long an orderly stop waits for publish acks. What is not acked by then is sent by the next run.',
    { unit: 'ms' },
  ),
  observers: table({
    enabled: key(z.boolean().default(true), 'false: the daemon says so and ends.'),
    backend: key(z.enum(['nats']).default('nats'), 'Where events go.'),
    source: key(
      z.enum(['auto', 'cdc', 'notify', 'outbox']).default('auto'),
      'Where changes come from: `auto` and `cdc` are logical replication; `notify` and `outbox` are refused in this release.',
    ),
    batch_size: ofWorker(count(1, 10_000).nullable().default(null), 'Events a worker takes at once.', {
      example: '100',
    }),
    flush_interval_ms: ofWorker(milliseconds(0).nullable().default(null), 'Longest wait for such a batch.', {
      unit: 'ms',
      example: '1000',
    }),
  }),
  notify: table({
    channel: ofNotify(text.filled.default('fraiseql_events'), 'LISTEN channel of the change log.'),
  }),
  outbox: table({
    transport_name: ofOutbox(text.filled.default('pg_to_nats'), 'Name of the checkpoint in the change log.'),
    batch_size: ofOutbox(count(1, 10_000).default(100), 'Entries of the change log read at once.'),
    poll_interval_ms: ofOutbox(milliseconds(1).default(1_000), 'How often to look without a notification.', {
      unit: 'ms',
    }),
  }),
  worker: table({
    consumer_name: ofWorker(
      text.streamName.default('fraiseql_observer_worker'),
      'Durable consumer of the worker.',
    ),
    max_deliver: ofWorker(count(1).default(3), 'Deliveries of one message before it is a dead letter.'),
    ack_wait_seconds: ofWorker(seconds(1).default(30), 'Then a message is delivered again.', {
      unit: 'seconds',
    }),
  }),
  consumers: key(
    z.record(text.streamName, consumerSchema).prefault({}),
    'Consumers that `[consumers.NAME]` describes.',
  ),
  dlq: table({
    enabled: key(z.boolean().default(true), 'Keep messages that were given up on.'),
    stream_name: key(
      text.streamName.default('fraiseql_dlq'),
      'Stream of the dead letters: made as `[stream]` says, but of 1 GiB at most.',
    ),
    subject: key(text.subject.default('fraiseql.dlq'), 'Subject of the dead letters.'),
  }),
})

/** One `[[observers]]` entry as it is written; rules.ts checks what its keys mean together. */
export const ruleSchema = z.strictObject({
  table: key(text.filled.optional(), '`schema.table` or `table`.'),
  channel: key(
    text.filled.optional(),
    'NOTIFY on this channel needs the notify source, which this release does not have; logical messages with this prefix are published.',
  ),
  entity: key(
    text.filled.optional(),
    'Name of the entity in subjects and messages; without `table`, what a worker matches.',
  ),
  event: key(
    z.union([z.string(), z.array(z.string())]).optional(),
    '`INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`, `CUSTOM`, a list of them, or `*`. Without it, all.',
  ),
  event_type: key(z.union([z.string(), z.array(z.string())]).optional(), 'The same as `event`.'),
  subject: key(
    z.string().optional(),
    'Subject, literal or with `{prefix} {entity} {table} {schema} {operation} {op} {partition} {column:NAME}`.',
  ),
  nats_subject: key(z.string().optional(), 'The same as `subject`.'),
  format: key(z.enum(FORMATS).optional(), 'Format of the messages of this rule.'),
  condition: ofWorker(
    text.filled.optional(),
    'Condition of the worker. It filters nothing: every change that the rule matches is published.',
  ),
  actions: ofWorker(
    z.array(z.record(z.string(), z.unknown())).optional(),
    'Actions of the worker. None is carried out.',
  ),
})
