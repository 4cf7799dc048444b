/**
 * How large the message of an event is at least, known without writing it: a row of a hundred megabytes would need many
 * times that to be encoded, only to be found too large.
 */
import { type Event, type Row, TEXT, UNCHANGED } from './event.ts'
import type { ValueType } from './value-type.ts'

/**
 * In every format, in bytes: the text of the row that stands in it, or the content of a logical message. The JSON of a
 * string is no shorter than its text; that of an array or composite may be, and is not counted.
 */
export function leastBytes({ relation, before, after, message }: Event): number {
  if (message !== null) return message.content.length
  const row = after ?? before
  if (relation === null || row === null) return 0
  let bytes = 0
  for (let c = 0; c < row.count; c++) {
    if (!isCopied(relation.columns[c]!.type)) continue
    bytes += textBytes(before !== null && row.state[c] === UNCHANGED ? before : row, c)
  }
  return bytes
}

export function textBytes(row: Row | null, column: number): number {
  return row !== null && row.state[column] === TEXT ? row.end[column]! - row.start[column]! : 0
}

function isCopied({ kind }: ValueType): boolean {
  return kind === 'string' || kind === 'plain' || kind === 'json'
}
