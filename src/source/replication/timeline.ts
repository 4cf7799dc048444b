/**
 * The timelines of a server: each promotion starts a new one, and WAL that the old primary wrote beyond the switch is
 * no part of this server's history. Positions from there must not be taken for positions here.
 * https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
 */
import type { Client } from 'pg'
import { type Lsn, parseLsn } from '../../lsn.ts'
import { TIME_LIMIT } from '../../postgres.ts'
import { classifyPostgresError } from '../../postgres-codes.ts'

/** Where a timeline ends in this server's history; null: it does not, it is the current one. */
export type Timelines = ReadonlyMap<number, Lsn>

/** `client` is a replication session. Timeline 1 has no history. */
export async function readTimelines(client: Client, current: number): Promise<Timelines> {
  if (current <= 1) return new Map()
  try {
    const { rows } = await client.query<{ content: Buffer | string }>({
      text: `TIMELINE_HISTORY ${current}`,
      ...TIME_LIMIT,
    })
    return parseTimelines(String(rows[0]?.content ?? ''))
  } catch (error) {
    throw classifyPostgresError(error)
  }
}

/** The file's lines: timeline, the LSN at which it was left, the reason; comments begin with `#`. */
export function parseTimelines(text: string): Timelines {
  const timelines = new Map<number, Lsn>()
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line)
    if (match !== null) timelines.set(Number(match[1]), parseLsn(match[2]!))
  }
  return timelines
}
