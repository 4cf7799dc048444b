/**
 * The board: what the daemon knows of itself, written by whoever finds out and read by /status, the page and the
 * metrics. Numbers that change with every event are not copied here but read from the run when somebody asks.
 */
import type { Config } from '../config/config.ts'
import { messageOf, remedyOf } from '../errors.ts'
import type { ConnectionStatus, DaemonState, ErrorStatus, RuleStatus, Status } from '../http/status.ts'
import { formatLsn, type Lsn } from '../lsn.ts'
import type { Metrics } from '../metrics.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { SlotLag } from '../source/replication/slot.ts'

type Server = 'postgres' | 'nats'

/** A timer that does not fire for so long means that the event loop hangs. */
const LOOP_LIMIT_SECONDS = 60

export class Board {
  state: DaemonState = 'starting'
  /** Changes have flowed since the process began. */
  everStreamed = false
  tables = 0
  rules: readonly RuleStatus[] = []
  confirmed: Lsn | null = null
  lag: SlotLag | null = null
  publisher: Publisher | null = null
  /** Streams that others write to by design. */
  sharedStreams: ReadonlySet<string> = new Set()
  /** Why publishing stands still; null: it does not. */
  standstill: string | null = null
  readonly #config: Config
  readonly #version: string
  readonly #metrics: Metrics
  readonly #startedAt = new Date()
  readonly #connections: Record<Server, ConnectionStatus>
  readonly #totals = { resumes: 0, reconnects: 0 }
  #lastError: ErrorStatus | null = null
  #lastTurn = performance.now()
  #hasStreamed = false

  constructor(config: Config, version: string, metrics: Metrics, servers: Readonly<Record<Server, string>>) {
    this.#config = config
    this.#version = version
    this.#metrics = metrics
    this.#connections = { postgres: connecting(servers.postgres), nats: connecting(servers.nats) }
    metrics.onScrape(() => this.#fillGauges())
  }

  connection(server: Server, state: ConnectionStatus['state'], version?: string): void {
    const before = this.#connections[server]
    if (before.state === state && version === undefined) return
    this.#connections[server] = {
      ...before,
      state,
      server_version: version ?? before.server_version,
      since: new Date().toISOString(),
    }
  }

  /** Changes flow. */
  streaming(): void {
    this.state = 'streaming'
    this.everStreamed = true
    this.#hasStreamed = true
  }

  /** A run is over; what was connected is not any more. */
  ended(): void {
    this.publisher = null
    this.standstill = null
    this.connection('postgres', 'disconnected')
    this.connection('nats', 'disconnected')
  }

  /** Whether the run that ended had changes flowing; asked once. */
  wasStreaming(): boolean {
    const was = this.#hasStreamed
    this.#hasStreamed = false
    return was
  }

  reconnected(server: Server): void {
    this.#metrics.countReconnect(server)
    this.#totals.reconnects++
  }

  resumed(reason: string): void {
    this.#metrics.countResume(reason)
    if (reason === 'fence') this.#metrics.counters.fenceBreaks++
    this.#totals.resumes++
  }

  failed(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? String(error.code) : null
    this.#lastError = {
      at: new Date().toISOString(),
      message: messageOf(error),
      code,
      remedy: remedyOf(error) ?? null,
    }
  }

  /** The event loop turns. */
  turned(): void {
    this.#lastTurn = performance.now()
  }

  status(): Status {
    const { replication, publish } = this.#config
    const { counters, latencies } = this.#metrics
    const { publisher, lag } = this
    return {
      state: this.state,
      version: this.#version,
      started_at: this.#startedAt.toISOString(),
      uptime_seconds: Math.round((Date.now() - this.#startedAt.getTime()) / 1000),
      ...this.#connections,
      slot: {
        name: replication.slot_name,
        publication: replication.publication_name,
        tables: this.tables,
        confirmed_lsn: this.confirmed === null ? null : formatLsn(this.confirmed),
        lag_bytes: lag === null ? null : Number(lag.lagBytes),
        lag_seconds: this.#lagSeconds(),
        retained_wal_bytes: lag === null ? null : Number(lag.retainedBytes),
        safe_wal_bytes: lag === null || lag.safeWalSize === null ? null : Number(lag.safeWalSize),
        wal_status: lag === null ? null : lag.walStatus,
      },
      streams: (publisher?.lanes ?? []).map(lane => ({
        name: lane.stream,
        last_sequence: lane.lastSequence,
        fenced: !lane.shared,
      })),
      in_flight: {
        messages: publisher?.window.size ?? 0,
        bytes: publisher?.window.bytes ?? 0,
        max_messages: publish.max_in_flight_messages,
        max_bytes: publish.max_in_flight_bytes,
        paused: publisher?.full ?? false,
      },
      rules: this.rules,
      totals: {
        events: counters.eventsProcessed,
        failed: counters.eventsFailed,
        duplicates: counters.duplicates,
        dead_letters: counters.deadLetters,
        ...this.#totals,
      },
      latency: {
        commit_to_ack_p50_seconds: latencies.commitToAck.quantile(0.5),
        commit_to_ack_p99_seconds: latencies.commitToAck.quantile(0.99),
      },
      standstill: this.standstill,
      last_error: this.#lastError,
      loops: [
        {
          name: 'event',
          last_turn_seconds: (performance.now() - this.#lastTurn) / 1000,
          limit_seconds: LOOP_LIMIT_SECONDS,
        },
      ],
    }
  }

  /** Age of the oldest message that is not done; 0 when everything is. */
  #lagSeconds(): number | null {
    const window = this.publisher?.window
    if (window === undefined) return null
    if (window.size === 0) return 0
    const commitMs = window.commitMs(window.low)
    return Number.isNaN(commitMs) ? null : Math.max(0, (Date.now() - commitMs) / 1000)
  }

  #fillGauges(): void {
    const { gauges } = this.#metrics
    const { slot, in_flight, postgres, nats, streams } = this.status()
    gauges.inFlightMessages = in_flight.messages
    gauges.inFlightBytes = in_flight.bytes
    gauges.streaming = this.state === 'streaming' ? 1 : 0
    gauges.postgresConnected = postgres.state === 'connected' ? 1 : 0
    gauges.natsConnected = nats.state === 'connected' ? 1 : 0
    gauges.slotLagBytes = slot.lag_bytes
    gauges.slotLagSeconds = slot.lag_seconds
    gauges.retainedWalBytes = slot.retained_wal_bytes
    gauges.safeWalBytes = slot.safe_wal_bytes
    for (const { name, last_sequence, fenced } of streams) {
      const series = this.#metrics.stream(name)
      series.lastSequence = last_sequence
      series.fenced = this.sharedStreams.has(name) ? null : fenced
    }
  }
}

function connecting(server: string): ConnectionStatus {
  return { state: 'connecting', server, server_version: null, since: new Date().toISOString() }
}
