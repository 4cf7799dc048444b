/**
 * Position: where in the commit history a message stands, as its header `Fraiseql-Position` says it. Resume reads it
 * back from the stream. Text form:
 *
 *     <system>.<timeline>.<slot>.<commit LSN>.<ordinal>[.<part>]
 *
 * system: PostgreSQL's system identifier in base 36; commit LSN: 64 bits in upper-case hex; part: which message of
 * the event this is within the stream, from 0, left out when 0. Slot names hold [a-z0-9_] only, so `.` divides.
 */
import { type Lsn, toLsn } from '../lsn.ts'

/** What orders messages: commit LSN, then ordinal in the transaction, then part. */
export interface Place {
  readonly commitLsn: Lsn
  readonly ordinal: number
  readonly part: number
}

export interface Position extends Place {
  readonly system: string
  readonly timeline: number
  readonly slot: string
}

export const POSITION_HEADER = 'Fraiseql-Position'

const TEXT = /^([0-9a-z]{1,13})\.(\d{1,10})\.([a-z0-9_]{1,63})\.([0-9A-F]{1,16})\.(\d{1,15})(?:\.(\d{1,5}))?$/

export function formatPosition({ system, timeline, slot, commitLsn, ordinal, part }: Position): string {
  const place = `${commitLsn.toString(16).toUpperCase()}.${ordinal}`
  return `${system}.${timeline}.${slot}.${place}${part === 0 ? '' : `.${part}`}`
}

/** null: not a position of this format; somebody else's message. */
export function parsePosition(text: string): Position | null {
  const match = TEXT.exec(text)
  if (match === null) return null
  return {
    system: match[1]!,
    timeline: Number(match[2]),
    slot: match[3]!,
    commitLsn: toLsn(BigInt(`0x${match[4]}`)),
    ordinal: Number(match[5]),
    part: match[6] === undefined ? 0 : Number(match[6]),
  }
}

/** Below 0: `a` comes before `b`. */
export function comparePlaces(a: Place, b: Place): number {
  if (a.commitLsn !== b.commitLsn) return a.commitLsn < b.commitLsn ? -1 : 1
  return a.ordinal - b.ordinal || a.part - b.part
}
