/**
 * Where a message comes from, as its header `Fraiseql-Position` says: `<system36>.<timeline>.<slot>.<commit
 * LSN>.<ordinal>[.<part>]`; part: which message of its event this is within the stream, left out where 0. Resume reads it from the last message of a stream and skips what is not beyond it. LSNs are written as in the Msg-Id.
 * Slot names are lower-case letters, digits and underscores, so the dots are unambiguous.
 */
import { type Lsn, toLsn } from '../lsn.ts'

export const POSITION_HEADER = 'Fraiseql-Position'

/** What orders messages of one system. */
export interface Place {
  /** A message outside a transaction: its own LSN. */
  readonly commitLsn: Lsn
  /** 0 for a message outside a transaction. */
  readonly ordinal: number
  readonly part: number
}

export interface Position extends Place {
  /** PostgreSQL's system identifier in base 36. */
  readonly system: string
  readonly timeline: number
  readonly slot: string
}

const PATTERN =
  /^([0-9a-z]+)\.([1-9][0-9]{0,9})\.([0-9a-z_]{1,63})\.(0|[1-9A-F][0-9A-F]{0,15})\.(0|[1-9][0-9]{0,15})(?:\.([1-9][0-9]{0,4}))?$/

export function formatPosition({ system, timeline, slot, commitLsn, ordinal, part }: Position): string {
  const place = `${commitLsn.toString(16).toUpperCase()}.${ordinal}${part === 0 ? '' : `.${part}`}`
  return `${system}.${timeline}.${slot}.${place}`
}

/** null for anything that is not a position. */
export function parsePosition(text: string): Position | null {
  const match = PATTERN.exec(text)
  if (match === null) return null
  const [, system = '', timeline = '', slot = '', lsn = '', ordinal = '', part = '0'] = match
  return {
    system,
    timeline: Number(timeline),
    slot,
    commitLsn: toLsn(BigInt(`0x${lsn}`)),
    ordinal: Number(ordinal),
    part: Number(part),
  }
}

/** Negative: `a` comes first. Means something only for places of the same system. */
export function comparePlaces(a: Place, b: Place): number {
  if (a.commitLsn !== b.commitLsn) return a.commitLsn < b.commitLsn ? -1 : 1
  return a.ordinal - b.ordinal || a.part - b.part
}
