/**
 * The event: one change as the program carries it, from a source through route and encode. Sources keep ONE event
 * object and refill it for every change, so it is valid only inside the call that delivers it; nothing downstream
 * keeps a reference. Rows stay in PostgreSQL's wire text; only the encoder reads their bytes.
 */
import type { Lsn } from '../lsn.ts'
import type { ValueType } from './value-type.ts'

export type Operation = 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE' | 'CUSTOM'

export interface Column {
  readonly name: string
  /** Part of the table's replica identity. */
  readonly key: boolean
  /** How the column's text becomes JSON. */
  readonly type: ValueType
}

/**
 * `full`: the old row has every column; `key`: DELETE and key-changing UPDATE carry the key only; `partial`: FULL, but
 * not in every partition, so that an old row may be a key only; `nothing`.
 */
export type ReplicaIdentity = 'key' | 'full' | 'partial' | 'nothing'

/** A table as it was when the change was made. A new object whenever PostgreSQL describes the table anew. */
export interface Relation {
  readonly oid: number
  /** Counts the tables of a source from 0 as they are described: what is kept of each of them lies in an array. */
  readonly index: number
  readonly schema: string
  readonly table: string
  readonly replicaIdentity: ReplicaIdentity
  readonly columns: readonly Column[]
}

/** State of one column in a row. */
export const NULL = 0
export const TEXT = 1
/** A TOASTed value that did not change and that PostgreSQL therefore did not send. */
export const UNCHANGED = 2

/** One row: for each column a state and, where TEXT, the half-open byte range of its text in `source`. */
export interface Row {
  source: Buffer
  /** Columns present; 0 means there is no row. */
  count: number
  readonly state: Uint8Array
  readonly start: Uint32Array
  readonly end: Uint32Array
}

export interface Truncation {
  readonly cascade: boolean
  readonly restartIdentity: boolean
}

/** A logical decoding message (`pg_logical_emit_message`); `content` is a view, valid like the event itself. */
export interface LogicalMessage {
  readonly transactional: boolean
  readonly prefix: string
  readonly content: Uint8Array
}

export interface Event {
  /** Of all that PostgreSQL sent of it: none of its values is longer. */
  bytes: number
  operation: Operation
  /** null for CUSTOM events. */
  relation: Relation | null
  /** INSERT, UPDATE: the row after. */
  after: Row | null
  /** UPDATE, DELETE: the row before, where the replica identity gives it. */
  before: Row | null
  /** `before` carries only the key columns, which are never null: what is NULL there is not known. */
  beforeIsKey: boolean
  truncation: Truncation | null
  message: LogicalMessage | null
  /** LSN of the transaction's commit record; of the message itself when it is not transactional. */
  commitLsn: Lsn
  /** Counts the changes of the transaction from 0, before any filter. */
  ordinal: number
  /** 32-bit transaction id; 0 for a message that is not transactional. */
  xid: number
  /** Commit time, microseconds since 1970-01-01 UTC; null where PostgreSQL gives none. */
  commitTimeUs: bigint | null
}
