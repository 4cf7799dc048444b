/**
 * Where a message comes from, as its header `Fraiseql-Position` says:
 *
 *     <system36>.<timeline>.<slot>.<commit LSN>.<ordinal>
 *
 * LSN as in the Msg-Id; ordinal `m` for a logical message outside a transaction. Slot names are lower-case letters,
 * digits and underscores, so the dots are unambiguous. `Fraiseql-Floor` is `<commit LSN>.<ordinal>` of another event:
 * everything of the slot before that event was stored when the message was sent. Resume reads both from the stream.
 */
import { type Lsn, toLsn } from '../lsn.ts'
import type { Event } from './event.ts'

export const POSITION_HEADER = 'Fraiseql-Position'
/** Left out where it would name the message's own event. */
export const FLOOR_HEADER = 'Fraiseql-Floor'

/** What orders the events of one system. */
export interface Place {
  /** A message outside a transaction: its own LSN. */
  readonly commitLsn: Lsn
  /** OUTSIDE for a message outside a transaction. */
  readonly ordinal: number
}

export interface Position extends Place {
  /** PostgreSQL's system identifier in base 36. */
  readonly system: string
  readonly timeline: number
  readonly slot: string
}

/**
 * The ordinal of a message outside a transaction. Its LSN is the end of its record, where the commit record of a
 * transaction may begin; it was decoded before that transaction, so it comes before its first change.
 */
export const OUTSIDE = -1

const PLACE = '(0|[1-9A-F][0-9A-F]{0,15})\\.(0|[1-9][0-9]{0,15}|m)'
const PLACE_PATTERN = new RegExp(`^${PLACE}$`)
const POSITION_PATTERN = new RegExp(`^([0-9a-z]+)\\.([1-9][0-9]{0,9})\\.([0-9a-z_]{1,63})\\.${PLACE}$`)

export function formatPosition({ system, timeline, slot, ...place }: Position): string {
  return `${system}.${timeline}.${slot}.${formatPlace(place)}`
}

export function formatPlace({ commitLsn, ordinal }: Place): string {
  return `${commitLsn.toString(16).toUpperCase()}.${ordinal === OUTSIDE ? 'm' : ordinal}`
}

/** null for anything that is not a position. */
export function parsePosition(text: string): Position | null {
  const match = POSITION_PATTERN.exec(text)
  if (match === null) return null
  const [, system = '', timeline = '', slot = '', lsn = '', ordinal = ''] = match
  return { system, timeline: Number(timeline), slot, ...placeOf(lsn, ordinal) }
}

/** null for anything that is not a place. */
export function parsePlace(text: string): Place | null {
  const match = PLACE_PATTERN.exec(text)
  return match === null ? null : placeOf(match[1]!, match[2]!)
}

/** The ordinal by which the event's messages are ordered. */
export function ordinalOf({ message, ordinal }: Event): number {
  return message === null || message.transactional ? ordinal : OUTSIDE
}

/** Negative: `a` comes first; 0: one event. Means something only for places of the same system. */
export function comparePlaces(a: Place, b: Place): number {
  if (a.commitLsn !== b.commitLsn) return a.commitLsn < b.commitLsn ? -1 : 1
  return a.ordinal - b.ordinal
}

function placeOf(lsn: string, ordinal: string): Place {
  return { commitLsn: toLsn(BigInt(`0x${lsn}`)), ordinal: ordinal === 'm' ? OUTSIDE : Number(ordinal) }
}
