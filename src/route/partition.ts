/**
 * The partition of an event: FNV-1a (32 bits) over the UTF-8 bytes of its key column, modulo the count; the
 * same numbers as nats-server's own `partition()` mapping gives. Equal keys share a partition, and so keep
 * their order for a consumer that reads only that one. Where the table lacks the key column, the row's own
 * key takes its place, so that at least the changes of one row stay in order. No value: partition 0. Vectors:
 * docs/routing.md.
 */
import type { Event, Relation } from '../event/event.ts'
import { FNV_START, fnv1a32 } from '../event/fnv1a.ts'
import { rowHolding } from './column-value.ts'

export interface Partitions {
  readonly enabled: boolean
  readonly key: string
  readonly count: number
}

/** Between the values of a key of several columns; not a character of any key that people type. */
const SEPARATOR = Buffer.from([0x1f])

export function partitionOf(event: Event, columns: readonly number[], count: number): number {
  if (columns.length === 0) return 0
  let hash = FNV_START
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i]!
    const row = rowHolding(event, column)
    if (row === null) return 0
    if (i > 0) hash = fnv1a32(SEPARATOR, 0, 1, hash)
    hash = fnv1a32(row.source, row.start[column]!, row.end[column]!, hash)
  }
  return hash % count
}

/** The columns that are hashed, as indexes into `relation.columns`; none: everything is in partition 0. */
export function partitionColumns({ columns, replicaIdentity }: Relation, key: string): readonly number[] {
  const named = columns.findIndex(column => column.name === key)
  if (named >= 0) return [named]
  const id = columns.findIndex(column => column.name === 'id')
  if (id >= 0 && (replicaIdentity !== 'key' || columns[id]!.key)) return [id]
  // With FULL every column is marked as a key, and with NOTHING none: neither tells which row it is.
  if (replicaIdentity !== 'key') return []
  return columns.flatMap((column, index) => (column.key ? [index] : []))
}
