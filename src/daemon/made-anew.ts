/**
 * Whether a slot is another one than the slot that streamed what the streams hold. PostgreSQL gives a slot no identity;
 * but its statistics begin with it. So a slot that has decoded no transaction, although a later event of its name than
 * those statistics is stored, was dropped and made anew, or belongs to a server that was restored. Where statistics may
 * have been lost (a crash, a reset, another timeline) nothing is concluded.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import type { Client } from 'pg'
import type { Position } from '../event/position.ts'
import { classifyPostgresError } from '../postgres-codes.ts'
import { storedAgo } from '../publish/stored-ago.ts'
import type { SlotFacts } from '../source/replication/slot.ts'

interface Facts {
  readonly slot: SlotFacts
  /** The newest event of a slot of this name. */
  readonly found: {
    readonly position: Position
    readonly stream: string
    readonly seq: number
    readonly gap: boolean
  }
  /** Of the server. */
  readonly system: string
  readonly timeline: number
}

/** Two clocks are read one after the other. */
const SLACK_MS = 500

export async function isMadeAnew(
  sql: Client,
  nats: NatsConnection,
  { slot, found, system, timeline }: Facts,
): Promise<boolean> {
  const { position, stream, seq, gap } = found
  // A gap that was accepted: the slot has nothing to show yet.
  if (gap || slot.holder !== null || slot.confirmedFlush === null) return false
  const kept = await unusedSince(sql, slot.name)
  if (kept === null) return false
  if (position.system !== system) return true
  if (position.timeline !== timeline || slot.confirmedFlush <= position.commitLsn) return false
  const storedMs = await storedAgo(nats, stream, seq)
  return storedMs !== null && kept > storedMs + SLACK_MS
}

/**
 * How long statistics have been kept, in ms, if the slot has decoded nothing since; else null. A crash resets all of
 * them at once, and `pg_stat_bgwriter` tells when.
 */
async function unusedSince(sql: Client, name: string): Promise<number | null> {
  try {
    const { rows } = await sql.query<{ kept_ms: number | null }>(
      `SELECT extract(epoch FROM clock_timestamp() - b.stats_reset)::float8 * 1000 AS kept_ms
       FROM pg_stat_replication_slots s, pg_stat_bgwriter b
       WHERE s.slot_name = $1 AND s.total_txns = 0 AND s.stats_reset IS NULL`,
      [name],
    )
    return rows[0]?.kept_ms ?? null
  } catch (error) {
    throw classifyPostgresError(error)
  }
}
