/**
 * Every metric of the daemon, declared once: name, unit (the last word of a name), help, labels. The code's
 * counters take their types from here, and docs/metrics.md its table. The first four names are those of
 * FraiseQL's own documentation. https://prometheus.io/docs/practices/naming/
 */

export const METRIC_PREFIX = 'fraiseql_observer_'

/** Plain numbers, counted on hot paths: `metrics.counters.eventsProcessed++`. */
export const COUNTERS = {
  eventsProcessed: {
    name: 'events_processed_total',
    help: 'Events published: the first message of the event has its publish ack.',
  },
  eventsFailed: {
    name: 'events_failed_total',
    help: 'Events given up on and kept as a dead letter.',
  },
  eventsRetried: {
    name: 'events_retried_total',
    help: 'Messages sent again by a resume, because the stream was known not to hold them.',
  },
  changesReceived: {
    name: 'changes_received_total',
    help: 'Changes read from PostgreSQL: rows, truncations and logical messages.',
  },
  changesUnrouted: {
    name: 'changes_unrouted_total',
    help: 'Changes that no rule matches; not published.',
  },
  publishedBytes: { name: 'published_bytes_total', help: 'Payload bytes that have their publish ack.' },
  duplicates: {
    name: 'duplicates_total',
    help: 'Publish acks that say the stream held the message already (dropped there by its Msg-Id).',
  },
  fenceBreaks: {
    name: 'fence_breaks_total',
    help: 'Publishes refused by the fence: the stream had another writer, or an ack was lost.',
  },
  resumeSkipped: {
    name: 'resume_skipped_total',
    help: 'Messages not sent again after a resume, because the stream holds them.',
  },
  gaps: {
    name: 'gaps_total',
    help: 'Gaps that were accepted and published: what was committed in them is not in the stream.',
  },
  deadLetters: { name: 'dead_letters_total', help: 'Messages kept in the dead letter stream.' },
  oversize: {
    name: 'oversize_total',
    help: 'Messages larger than max_payload of the server or max_msg_size of their stream, whatever became of them.',
  },
  pausedSeconds: {
    name: 'paused_seconds_total',
    help: 'Time the replication socket was paused because the window of unacked messages was full.',
  },
} as const

/** Read when scraped; null: not known, and left out. */
export const GAUGES = {
  inFlightMessages: { name: 'in_flight_messages', help: 'Messages published without their ack yet.' },
  inFlightBytes: { name: 'in_flight_bytes', help: 'Bytes published without their ack yet.' },
  streaming: { name: 'streaming', help: '1 while changes are read from the slot; 0 otherwise.' },
  postgresConnected: { name: 'postgres_connected', help: '1 while the replication connection is up.' },
  natsConnected: { name: 'nats_connected', help: '1 while the connection to NATS is up.' },
  slotLagBytes: {
    name: 'slot_lag_bytes',
    help: 'WAL between the position confirmed to PostgreSQL and the end of WAL.',
  },
  slotLagSeconds: {
    name: 'slot_lag_seconds',
    help: 'Age of the oldest commit that is read but not done; 0 when everything is done.',
  },
  retainedWalBytes: {
    name: 'slot_retained_wal_bytes',
    help: 'WAL that PostgreSQL keeps on disk because of the slot (from its restart_lsn).',
  },
  safeWalBytes: {
    name: 'slot_safe_wal_bytes',
    help: 'WAL to write until the slot may be lost (safe_wal_size); absent without a limit.',
  },
} as const

export const LATENCIES = {
  processing: {
    name: 'processing_duration_seconds',
    help: 'From reading a change to the publish ack of its message.',
  },
  publishAck: { name: 'publish_ack_duration_seconds', help: 'From a publish to its ack.' },
  commitToAck: {
    name: 'commit_to_ack_duration_seconds',
    help: "From the commit (PostgreSQL's clock) to the publish ack (this machine's clock).",
  },
} as const

/** Metrics with labels, written anew at every scrape. */
export const LABELLED = {
  published: {
    name: 'messages_published_total',
    type: 'counter',
    labels: ['subject', 'stream'],
    help: 'Messages with their publish ack, by the pattern of their subject (placeholders as *) and stream.',
  },
  resumes: {
    name: 'resumes_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Resumes: the stream was read for what it holds, and publishing went on from there.',
  },
  reconnects: {
    name: 'reconnects_total',
    type: 'counter',
    labels: ['server'],
    help: 'Fresh connections after a failure, to "nats" or "postgres".',
  },
  streamSequence: {
    name: 'stream_last_sequence',
    type: 'gauge',
    labels: ['stream'],
    help: 'Sequence of the last message acked in the stream.',
  },
  streamFenced: {
    name: 'stream_fenced',
    type: 'gauge',
    labels: ['stream'],
    help: '1 while publishes to the stream are fenced; 0 since other writers broke in. Absent where they share it by design.',
  },
  buildInfo: {
    name: 'build_info',
    type: 'gauge',
    labels: ['version', 'node'],
    help: 'Always 1; what is running.',
  },
} as const

export type CounterName = keyof typeof COUNTERS
export type GaugeName = keyof typeof GAUGES
export type LatencyName = keyof typeof LATENCIES

export interface Declaration {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly help: string
}

/** All of them, in the order of the documentation. */
export function declarations(): readonly Declaration[] {
  const plain = (table: Readonly<Record<string, { name: string; help: string }>>, type: string) =>
    Object.values(table).map(({ name, help }) => ({ name: METRIC_PREFIX + name, type, labels: [], help }))
  const labelled = Object.values(LABELLED).map(each => ({ ...each, name: METRIC_PREFIX + each.name }))
  return [
    ...plain(COUNTERS, 'counter'),
    ...labelled,
    ...plain(LATENCIES, 'histogram'),
    ...plain(GAUGES, 'gauge'),
  ]
}
