/** How far the WAL of a server has come, and on which timeline: what a position must not be ahead of. */
import type { Client } from 'pg'
import { type Lsn, parseLsn } from '../../lsn.ts'
import { classifyPostgresError } from '../../postgres-codes.ts'

export interface WalEnd {
  readonly lsn: Lsn
  readonly timeline: number
}

/** The name of a WAL file begins with its timeline, in hex. */
const END = `
  SELECT pg_current_wal_lsn()::text AS lsn, left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline
  WHERE NOT pg_is_in_recovery()`

/** `client` is an ordinary session. null: a standby, which may well be behind. */
export async function readWalEnd(client: Client): Promise<WalEnd | null> {
  try {
    const { rows } = await client.query<{ lsn: string; timeline: string }>(END)
    const row = rows[0]
    return row === undefined ? null : { lsn: parseLsn(row.lsn), timeline: Number.parseInt(row.timeline, 16) }
  } catch (error) {
    throw classifyPostgresError(error)
  }
}
