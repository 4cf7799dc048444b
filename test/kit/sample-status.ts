/** A status as a healthy daemon gives it, for tests of what is made of it. */
import type { Status } from '../../src/http/status.ts'

export function sampleStatus(part: Partial<Status> = {}): Status {
  const connection = {
    state: 'connected',
    server_version: '18.1',
    since: '2026-01-02T03:04:05.678Z',
  } as const
  return {
    state: 'streaming',
    version: '1.2.3',
    started_at: '2026-01-02T03:04:05.678Z',
    uptime_seconds: 93_784,
    postgres: { ...connection, server: 'db.example:5432/shop' },
    nats: { ...connection, server: 'nats.example:4222', server_version: '2.15.1' },
    slot: {
      name: 'fraiseql_observer',
      publication: 'fraiseql_observer',
      tables: 3,
      confirmed_lsn: '16/B374D848',
      lag_bytes: 184,
      lag_seconds: 0,
      retained_wal_bytes: 50_331_648,
      safe_wal_bytes: null,
      wal_status: 'reserved',
    },
    streams: [{ name: 'fraiseql_events', last_sequence: 1_234_567, fenced: true }],
    in_flight: { messages: 12, bytes: 6_480, max_messages: 1_024, max_bytes: 16_777_216, paused: false },
    rules: [],
    totals: { events: 1_234_567, failed: 0, duplicates: 0, dead_letters: 0, resumes: 1, reconnects: 0 },
    latency: { commit_to_ack_p50_seconds: 0.00042, commit_to_ack_p99_seconds: 0.0026 },
    standstill: null,
    last_error: null,
    loops: [{ name: 'pipeline', last_turn_seconds: 0.1, limit_seconds: 60 }],
    ...part,
  }
}
