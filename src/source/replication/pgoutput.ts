/**
 * Decoder of the pgoutput plugin, protocol version 1 with `messages`. Pure: bytes in, calls out. A row is not parsed
 * into values but marked: for each column its state and the byte range of its text, which the encoder splices into
 * the message. One Event and two Rows are reused for every change.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
import { FatalError } from '../../errors.ts'
import { builtinType } from '../../event/builtin-types.ts'
import type { Column, Event, Relation, ReplicaIdentity, Row } from '../../event/event.ts'
import { NULL, TEXT, UNCHANGED } from '../../event/event.ts'
import type { ValueType } from '../../event/value-type.ts'
import type { Lsn } from '../../lsn.ts'
import { NO_LSN } from '../../lsn.ts'
import type { Sink } from '../source.ts'
import { PartitionRoots, type TellPartial } from './partition-roots.ts'

/** Types that are not built in, by OID. `undefined`: not loaded, or not to be found. */
export interface Types {
  get(oid: number): ValueType | undefined
}

/** Most columns a table can have (MaxHeapAttributeNumber). */
const MAX_COLUMNS = 1664
const STRING: ValueType = { kind: 'string' }
/** Microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch. */
const EPOCH_2000_US = 946_684_800_000_000n
/** As far as a Date reaches, either way from 1970. */
const MAX_TIME_US = 8_640_000_000_000_000_000n

export class PgoutputDecoder {
  /** Between Begin and Commit. Nothing may be confirmed from a keepalive then. */
  inTransaction = false
  readonly #types: Types
  readonly #relations = new Map<number, Relation>()
  readonly #roots: PartitionRoots
  readonly #after = newRow()
  readonly #before = newRow()
  readonly #event: Event = {
    bytes: 0,
    operation: 'INSERT',
    relation: null,
    after: null,
    before: null,
    beforeIsKey: false,
    truncation: null,
    message: null,
    commitLsn: NO_LSN,
    ordinal: 0,
    xid: 0,
    commitTimeUs: null,
  }
  #buffer: Buffer = Buffer.alloc(0)
  #view = new DataView(this.#buffer.buffer)
  #at = 0
  #end = 0
  /** Ordinal of the next change in the transaction. */
  #ordinal = 0
  #transactionLsn: Lsn = NO_LSN
  #transactionXid = 0
  #transactionTimeUs: bigint | null = null

  constructor(types: Types, tellPartial: TellPartial) {
    this.#types = types
    this.#roots = new PartitionRoots(this.#relations, tellPartial)
  }

  /**
   * Decodes the one message in `buffer[start, end)` and makes its calls into `sink`. Throws FatalError on bytes that
   * are no pgoutput message. Returns the OIDs of column types that must be loaded before this message can be decoded
   * (null: it was decoded): a table with types of the user's own is described, and `typesAreFresh` was not given.
   */
  decode(
    buffer: Buffer,
    start: number,
    end: number,
    sink: Sink,
    typesAreFresh = false,
  ): readonly number[] | null {
    this.#buffer = buffer
    this.#at = start + 1
    this.#end = end
    this.#event.bytes = end - start
    const tag = start < end ? buffer[start]! : 0
    switch (tag) {
      case 0x49: // I
        this.#insert(sink)
        return null
      case 0x55: // U
        this.#update(sink)
        return null
      case 0x44: // D
        this.#delete(sink)
        return null
      case 0x42: // B
        this.#begin()
        return null
      case 0x43: // C
        this.#commit(sink)
        return null
      case 0x52: // R
        return this.#describe(typesAreFresh)
      case 0x54: // T
        this.#truncate(sink)
        return null
      case 0x4d: // M
        this.#logicalMessage(sink)
        return null
      case 0x4f: // O: origin of a change that was itself replicated here; no part of the event
      case 0x59: // Y: name of a type; the catalog gives more (type-catalog.ts)
        return null
      default:
        throw malformed(`unknown message type 0x${tag.toString(16)}`)
    }
  }

  /** Between transactions, when nothing follows at once: the buffer of a large row is not kept until the next row. */
  release(): void {
    this.#after.source = this.#buffer
    this.#before.source = this.#buffer
  }

  #begin(): void {
    const commitLsn = this.#u64() as Lsn
    const time = this.#i64()
    this.#transactionXid = this.#u32()
    this.#transactionLsn = commitLsn
    const timeUs = time + EPOCH_2000_US
    if (timeUs > MAX_TIME_US || timeUs < -MAX_TIME_US) throw malformed('a commit time that no date can have')
    this.#transactionTimeUs = timeUs
    this.#ordinal = 0
    this.inTransaction = true
  }

  #commit(sink: Sink): void {
    this.#skip(9) // flags, and the LSN that BEGIN gave
    const endLsn = this.#u64() as Lsn
    this.inTransaction = false
    this.#roots.commit()
    sink.progress(endLsn)
  }

  #insert(sink: Sink): void {
    const relation = this.#relation()
    this.#expect(0x4e)
    this.#row(this.#after, relation)
    this.#deliver(sink, 'INSERT', relation, this.#after, null, false)
  }

  #update(sink: Sink): void {
    const relation = this.#relation()
    let tag = this.#u8()
    let before: Row | null = null
    let beforeIsKey = false
    if (tag === 0x4b || tag === 0x4f) {
      beforeIsKey = tag === 0x4b || relation.replicaIdentity === 'partial'
      before = this.#before
      this.#row(before, relation)
      tag = this.#u8()
    }
    if (tag !== 0x4e) throw malformed('an update has no new row')
    this.#row(this.#after, relation)
    this.#deliver(sink, 'UPDATE', relation, this.#after, before, beforeIsKey)
  }

  #delete(sink: Sink): void {
    const relation = this.#relation()
    const tag = this.#u8()
    if (tag !== 0x4b && tag !== 0x4f) throw malformed('a delete has no old row')
    this.#row(this.#before, relation)
    const beforeIsKey = tag === 0x4b || relation.replicaIdentity === 'partial'
    this.#deliver(sink, 'DELETE', relation, null, this.#before, beforeIsKey)
  }

  /** One event for each table, in PostgreSQL's order. */
  #truncate(sink: Sink): void {
    const count = this.#u32()
    const flags = this.#u8()
    if (count * 4 !== this.#end - this.#at) throw malformed('a truncate of another length than it says')
    this.#roots.truncate(this.#ordinal)
    const truncation = { cascade: (flags & 1) !== 0, restartIdentity: (flags & 2) !== 0 }
    const relations: Relation[] = []
    for (let i = 0; i < count; i++) relations.push(this.#relation())
    for (const relation of relations) {
      this.#event.truncation = truncation
      this.#deliver(sink, 'TRUNCATE', relation, null, null, false)
    }
    this.#event.truncation = null
  }

  #logicalMessage(sink: Sink): void {
    const transactional = (this.#u8() & 1) !== 0
    const lsn = this.#u64() as Lsn
    const prefix = this.#cstring()
    const length = this.#u32()
    if (length !== this.#end - this.#at) throw malformed('a logical message of another length than it says')
    const content = this.#buffer.subarray(this.#at, this.#end)
    const event = this.#event
    event.message = { transactional, prefix, content }
    if (transactional) {
      this.#deliver(sink, 'CUSTOM', null, null, null, false)
    } else {
      event.commitLsn = lsn
      event.xid = 0
      event.commitTimeUs = null
      event.ordinal = 0
      this.#send(sink, 'CUSTOM', null, null, null, false)
    }
    event.message = null
  }

  #deliver(
    sink: Sink,
    operation: Event['operation'],
    relation: Relation | null,
    after: Row | null,
    before: Row | null,
    beforeIsKey: boolean,
  ): void {
    if (!this.inTransaction) throw malformed('a change outside a transaction')
    const event = this.#event
    event.commitLsn = this.#transactionLsn
    event.xid = this.#transactionXid
    event.commitTimeUs = this.#transactionTimeUs
    event.ordinal = this.#ordinal++
    this.#send(sink, operation, relation, after, before, beforeIsKey)
  }

  #send(
    sink: Sink,
    operation: Event['operation'],
    relation: Relation | null,
    after: Row | null,
    before: Row | null,
    beforeIsKey: boolean,
  ): void {
    const event = this.#event
    event.operation = operation
    event.relation = relation
    event.after = after
    event.before = before
    event.beforeIsKey = beforeIsKey
    sink.change(event)
  }

  #describe(typesAreFresh: boolean): readonly number[] | null {
    const oid = this.#u32()
    const schema = this.#cstring() || 'pg_catalog'
    const table = this.#cstring()
    const replicaIdentity = identityOf(this.#u8())
    const count = this.#u16()
    if (count > MAX_COLUMNS) throw malformed(`a table of ${count} columns`)
    const own: number[] = []
    const columns: Column[] = []
    for (let i = 0; i < count; i++) {
      const key = (this.#u8() & 1) !== 0
      const name = this.#cstring()
      const typeOid = this.#u32()
      this.#u32()
      const builtin = builtinType(typeOid)
      if (builtin === undefined) own.push(typeOid)
      columns.push({ name, key, type: builtin ?? this.#types.get(typeOid) ?? STRING })
    }
    if (own.length > 0 && !typesAreFresh) return own
    const index = this.#relations.get(oid)?.index ?? this.#relations.size
    this.#roots.describe({ oid, index, schema, table, replicaIdentity, columns }, this.#ordinal)
    return null
  }

  #relation(): Relation {
    const oid = this.#u32()
    const relation = this.#relations.get(oid)
    if (relation === undefined) throw malformed(`a change of table ${oid}, which was never described`)
    return relation
  }

  /** https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html#PROTOCOL-LOGICALREP-MESSAGE-FORMATS-TUPLEDATA */
  #row(row: Row, relation: Relation): void {
    const buffer = this.#buffer
    const end = this.#end
    const count = this.#u16()
    if (count !== relation.columns.length) throw malformed(`a row of ${count} columns in ${relation.table}`)
    row.source = buffer
    row.count = count
    const { state, start, end: ends } = row
    let at = this.#at
    for (let i = 0; i < count; i++) {
      const kind = buffer[at]
      if (at >= end) throw malformed('a row that ends early')
      if (kind === 0x74 /* t */) {
        if (at + 5 > end) throw malformed('a row that ends early')
        const length =
          ((buffer[at + 1]! << 24) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 8) | buffer[at + 4]!) >>> 0
        at += 5
        if (at + length > end) throw malformed('a value that ends after its row')
        state[i] = TEXT
        start[i] = at
        at += length
        ends[i] = at
      } else if (kind === 0x6e /* n */) {
        state[i] = NULL
        at++
      } else if (kind === 0x75 /* u */) {
        state[i] = UNCHANGED
        at++
      } else {
        throw malformed(`a column of kind 0x${kind!.toString(16)}`)
      }
    }
    this.#at = at
  }

  #expect(tag: number): void {
    if (this.#u8() !== tag) throw malformed(`no 0x${tag.toString(16)} where one belongs`)
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#end) throw malformed('a message that ends early')
  }

  #skip(bytes: number): void {
    this.#need(bytes)
    this.#at += bytes
  }

  #u8(): number {
    this.#need(1)
    return this.#buffer[this.#at++]!
  }

  #u16(): number {
    this.#need(2)
    const value = this.#buffer.readUInt16BE(this.#at)
    this.#at += 2
    return value
  }

  #u32(): number {
    this.#need(4)
    const value = this.#buffer.readUInt32BE(this.#at)
    this.#at += 4
    return value
  }

  #u64(): bigint {
    this.#need(8)
    const value = this.#memory().getBigUint64(this.#buffer.byteOffset + this.#at)
    this.#at += 8
    return value
  }

  #i64(): bigint {
    this.#need(8)
    const value = this.#memory().getBigInt64(this.#buffer.byteOffset + this.#at)
    this.#at += 8
    return value
  }

  /** The memory that the buffer lies in. Buffer's own reading of 64 bits makes four bigints for one. */
  #memory(): DataView {
    const memory = this.#buffer.buffer
    if (memory !== this.#view.buffer) this.#view = new DataView(memory)
    return this.#view
  }

  #cstring(): string {
    const zero = this.#buffer.indexOf(0, this.#at)
    if (zero === -1 || zero >= this.#end) throw malformed('a text without its end')
    const text = this.#buffer.toString('utf8', this.#at, zero)
    this.#at = zero + 1
    return text
  }
}

function newRow(): Row {
  return {
    source: Buffer.alloc(0),
    count: 0,
    state: new Uint8Array(MAX_COLUMNS),
    start: new Uint32Array(MAX_COLUMNS),
    end: new Uint32Array(MAX_COLUMNS),
  }
}

/** pg_class.relreplident */
function identityOf(code: number): ReplicaIdentity {
  if (code === 0x66 /* f */) return 'full'
  return code === 0x6e /* n */ ? 'nothing' : 'key'
}

/** What was sent is no message of the replication stream. */
export function malformed(what: string): FatalError {
  return new FatalError(`PostgreSQL sent ${what}; this is not pgoutput, protocol version 1`, {
    code: 'PGOUTPUT_MALFORMED',
    remedy: 'Check that the server is PostgreSQL 14 or newer; if it is, report this as a bug with the log.',
  })
}
