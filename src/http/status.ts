/**
 * What the daemon says of itself at /status and on the page: one plain object, made anew for each request.
 * Key names are those of the JSON, and stable. No secret enters it: servers are named by host and port.
 */

export type DaemonState =
  /** Checks and preparations before the first change. */
  | 'starting'
  /** Another daemon holds the slot; this one takes over when it is free. */
  | 'standby'
  | 'streaming'
  /** A connection failed; a fresh run follows. */
  | 'reconnecting'
  | 'stopping'

export interface ConnectionStatus {
  readonly state: 'connected' | 'connecting' | 'disconnected'
  /** `host:port`, and the database where there is one. */
  readonly server: string
  readonly server_version: string | null
  /** RFC 3339; when the state last changed. */
  readonly since: string
}

export interface SlotStatus {
  readonly name: string
  readonly publication: string
  readonly tables: number
  /** As PostgreSQL writes it; null before it is known. */
  readonly confirmed_lsn: string | null
  readonly lag_bytes: number | null
  readonly lag_seconds: number | null
  readonly retained_wal_bytes: number | null
  /** null: no limit (max_slot_wal_keep_size = -1), or not known. */
  readonly safe_wal_bytes: number | null
  readonly wal_status: string | null
}

export interface StreamStatus {
  readonly name: string
  readonly last_sequence: number
  readonly fenced: boolean
}

export interface RuleStatus {
  /** Table or channel, as written. */
  readonly source: string
  /** Empty: all. */
  readonly operations: readonly string[]
  readonly subject: string
  readonly stream: string
  readonly format: string
  /** What keeps the rule from working as written. */
  readonly note: string | null
}

export interface ErrorStatus {
  /** RFC 3339 */
  readonly at: string
  readonly message: string
  readonly code: string | null
  readonly remedy: string | null
}

/** A loop that must turn: at least one turn in `limit_seconds`, whatever the servers do. */
export interface LoopStatus {
  readonly name: string
  readonly last_turn_seconds: number
  readonly limit_seconds: number
}

export interface Status {
  readonly state: DaemonState
  readonly version: string
  /** RFC 3339 */
  readonly started_at: string
  readonly uptime_seconds: number
  readonly postgres: ConnectionStatus
  readonly nats: ConnectionStatus
  readonly slot: SlotStatus
  readonly streams: readonly StreamStatus[]
  readonly in_flight: {
    readonly messages: number
    readonly bytes: number
    readonly max_messages: number
    readonly max_bytes: number
    /** The window is full, and the replication socket waits. */
    readonly paused: boolean
  }
  /** Empty: every table goes to its default subject. */
  readonly rules: readonly RuleStatus[]
  /** Since the start. */
  readonly totals: {
    readonly events: number
    readonly failed: number
    readonly duplicates: number
    readonly dead_letters: number
    readonly resumes: number
    readonly reconnects: number
  }
  readonly latency: {
    readonly commit_to_ack_p50_seconds: number | null
    readonly commit_to_ack_p99_seconds: number | null
  }
  /** Why nothing has been stored for a second or more, although there is something to store; null: nothing of the kind. */
  readonly standstill: string | null
  readonly last_error: ErrorStatus | null
  readonly loops: readonly LoopStatus[]
}

/** Why the process should be restarted; none: alive. A server that is away is no reason. */
export function reasonsNotAlive(status: Status): readonly string[] {
  return status.loops
    .filter(loop => loop.last_turn_seconds > loop.limit_seconds)
    .map(loop => `the ${loop.name} loop has not turned for ${Math.round(loop.last_turn_seconds)} s`)
}

/** Why changes do not flow right now; none: ready. */
export function reasonsNotReady(status: Status): readonly string[] {
  const reasons = [...reasonsNotAlive(status)]
  if (status.postgres.state !== 'connected') reasons.push(`PostgreSQL is ${status.postgres.state}`)
  if (status.nats.state !== 'connected') reasons.push(`NATS is ${status.nats.state}`)
  if (status.state === 'standby') reasons.push(`standby: the slot ${status.slot.name} is active elsewhere`)
  else if (status.state !== 'streaming') reasons.push(status.state)
  if (status.standstill !== null) reasons.push(`publishing stands still: ${status.standstill}`)
  return reasons
}
