/**
 * The value of one column in an event, for subjects and partitions: from the row after the change, else from
 * the row before it. Values stay bytes of PostgreSQL's text until somebody needs them as a string.
 */
import { type Event, type Row, TEXT, UNCHANGED } from '../event/event.ts'

/** The row that holds the column's text; null where it is NULL, or was not sent. */
export function rowHolding(event: Event, column: number): Row | null {
  const after = event.after
  if (after !== null && column < after.count) {
    if (after.state[column] === TEXT) return after
    if (after.state[column] !== UNCHANGED) return null
  }
  const before = event.before
  return before !== null && column < before.count && before.state[column] === TEXT ? before : null
}

/** '' where there is no value. */
export function columnText(event: Event, column: number): string {
  const row = rowHolding(event, column)
  return row === null ? '' : row.source.toString('utf8', row.start[column]!, row.end[column]!)
}
