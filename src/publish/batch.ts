/**
 * Atomic batches: which messages go together. A batch is stored whole or not at all, so a transaction is never split
 * over two batches unless it is larger than a batch may be. Pure.
 * https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
 */
import { OUTSIDE } from '../event/position.ts'
import type { Window } from './window.ts'

/** What the server allows. */
export const MAX_BATCH_MESSAGES = 1000

/**
 * Cuts entries of one stream, in order, into runs of at most `max`, at the ends of transactions where it can be done.
 */
export function cutBatches(window: Window, entries: readonly number[], max: number): number[][] {
  const batches: number[][] = []
  let start = 0
  while (start < entries.length) {
    let end = Math.min(start + max, entries.length)
    if (end < entries.length) end = lastBoundary(window, entries, start, end) ?? end
    batches.push(entries.slice(start, end))
    start = end
  }
  return batches
}

/** The last index in (start, end] at which a transaction begins; null: one transaction fills it all. */
function lastBoundary(window: Window, entries: readonly number[], start: number, end: number): number | null {
  for (let i = end; i > start; i--) {
    const before = entries[i - 1]!
    if (window.ordinal(before) === OUTSIDE || window.commitLsn(before) !== window.commitLsn(entries[i]!))
      return i
  }
  return null
}
