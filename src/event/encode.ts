/**
 * Picks a format, and makes messages that are too large for the server fit where the format can say what is missing.
 */
import type { ByteWriter } from './bytes.ts'
import { identityColumns } from './encode-row.ts'
import type { Encoder, Format, FormatOptions } from './encoder.ts'
import { type Event, type Relation, type Row, TEXT, UNCHANGED } from './event.ts'
import { cloudeventsFormat } from './format/cloudevents.ts'
import { debeziumFormat } from './format/debezium.ts'
import { fraiseqlFormat } from './format/fraiseql.ts'
import { rowFormat } from './format/row.ts'
import { leastBytes, textBytes } from './least-bytes.ts'
import type { MessageId } from './message-id.ts'

export type FormatName = 'fraiseql' | 'row' | 'debezium' | 'cloudevents'

/** A byte of text becomes at most six, and stands at most four times in a message: row, copy, changes (old or new). */
const MAX_BYTES_PER_BYTE = 24

export function createFormat(name: FormatName, options: FormatOptions): Format {
  switch (name) {
    case 'fraiseql':
      return fraiseqlFormat(options)
    case 'row':
      return rowFormat(options)
    case 'debezium':
      return debeziumFormat(options)
    case 'cloudevents':
      return cloudeventsFormat(options)
  }
}

/**
 * Encodes without the largest columns, as many as it takes to have at most `maxBytes`; the message names them as it
 * names unchanged TOAST values. False, and nothing written since `out.begin()`, if that can't be done.
 */
export function encodeTrimmed(
  encoder: Encoder,
  event: Event,
  id: MessageId,
  out: ByteWriter,
  maxBytes: number,
): boolean {
  const { relation, before, after } = event
  const row = after ?? before
  if (!encoder.namesOmissions || relation === null || row === null) return false
  const states = [before?.state.slice(), after?.state.slice()]
  const candidates = droppable(relation, row, before, after)
  const dropLargest = (): number => {
    const { column, bytes } = candidates.pop()!
    // A column that the old key does not have stays so; else its old value would pass for the new one.
    if (before !== null && (!event.beforeIsKey || before.state[column] === TEXT)) {
      before.state[column] = UNCHANGED
    }
    if (after !== null) after.state[column] = UNCHANGED
    return bytes
  }
  try {
    while (candidates.length > 0 && leastBytes(event) > maxBytes) dropLargest()
    while (leastBytes(event) <= maxBytes) {
      out.rollback()
      encoder.encode(event, id, out)
      const excess = out.length - maxBytes
      if (excess <= 0) return true
      if (candidates.length === 0) break
      for (let dropped = 0; dropped * MAX_BYTES_PER_BYTE < excess && candidates.length > 0; ) {
        dropped += dropLargest()
      }
    }
  } finally {
    if (states[0] !== undefined) before!.state.set(states[0])
    if (states[1] !== undefined) after!.state.set(states[1])
  }
  out.rollback()
  return false
}

interface Candidate {
  readonly column: number
  readonly bytes: number
}

/** The columns that may go, largest last; never those that name the row. */
function droppable(relation: Relation, row: Row, before: Row | null, after: Row | null): Candidate[] {
  const kept = new Set(identityColumns(relation))
  return Array.from({ length: row.count }, (_, column) => ({
    column,
    bytes: textBytes(before, column) + textBytes(after, column),
  }))
    .filter(({ column, bytes }) => bytes > 0 && !kept.has(column))
    .sort((a, b) => a.bytes - b.bytes)
}
