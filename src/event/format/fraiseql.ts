/**
 * The default format: one object with the row as `data` and, for the documentation's consumers, once more as
 * `entity`. docs/message.md describes every key; their order is part of the format.
 */
import { type ByteWriter, Constant } from '../bytes.ts'
import { writeContent } from '../encode-content.ts'
import { type RowEncoder, RowEncoders } from '../encode-row.ts'
import type { Encoder, Format, FormatOptions } from '../encoder.ts'
import { snakeCase } from '../entity-name.ts'
import type { Event, Operation, Relation } from '../event.ts'
import type { MessageId } from '../message-id.ts'
import { TransactionText } from '../transaction-text.ts'
import { writeUuid } from '../uuid.ts'

const ID = new Constant('{"id":"')
const DATA = new Constant(',"data":')
const NO_CHANGES = new Constant(',"changes":null')
const CHANGES = new Constant(',"changes":')
const UNCHANGED = new Constant(',"unchanged":')
const TIMESTAMP = new Constant(',"timestamp":')
const NULL_VALUE = new Constant('null')
const BRACE_CLOSE = 0x7d

export function fraiseqlFormat(options: FormatOptions): Format {
  const transaction = new TransactionText()
  const rows = new RowEncoders(options.numbers)
  return {
    forRelation: (relation, entity) =>
      new RelationEncoder(relation, entity, rows.of(relation), options, transaction),
    forMessage: entity => new MessageEncoder(entity, options, transaction),
  }
}

/** The constant stretches of a message, one set for each operation. */
interface Stretches {
  /** From behind the id to the value of `entity_id`. */
  readonly head: Constant
  /** From behind `timestamp` to the value of `entity`, or to the key after it. */
  readonly middle: Constant
}

class RelationEncoder implements Encoder {
  readonly namesOmissions = true
  readonly #rows: RowEncoder
  readonly #stretches: Readonly<Record<Operation, Stretches>>
  readonly #copy: boolean
  readonly #idKey: Constant | null
  readonly #tail: Constant
  readonly #transaction: TransactionText

  constructor(
    relation: Relation,
    entity: string,
    rows: RowEncoder,
    options: FormatOptions,
    transaction: TransactionText,
  ) {
    this.#rows = rows
    this.#copy = options.entity === 'copy'
    this.#stretches = {
      INSERT: stretches('INSERT', entity, this.#copy),
      UPDATE: stretches('UPDATE', entity, this.#copy),
      DELETE: stretches('DELETE', entity, this.#copy),
      TRUNCATE: stretches('TRUNCATE', entity, this.#copy),
      CUSTOM: stretches('CUSTOM', entity, this.#copy),
    }
    this.#idKey = idKey(entity)
    this.#tail = tail(relation.table, relation.schema)
    this.#transaction = transaction
  }

  encode(event: Event, id: MessageId, out: ByteWriter): void {
    const { head, middle } = this.#stretches[event.operation]
    const deleted = event.operation === 'DELETE'
    const row = deleted ? event.before : event.after
    const keyOnly = event.beforeIsKey
    const old = deleted || keyOnly ? null : event.before
    out.constant(ID)
    writeUuid(out, id.bytes, id.length)
    out.constant(head)
    const identityAt = out.length
    this.#rows.writeIdentity(out, row, old)
    const identityLength = out.length - identityAt
    out.constant(DATA)
    const rowAt = out.length
    const unknown = this.#rows.writeRow(out, row, old, deleted && keyOnly)
    const rowLength = out.length - rowAt
    if (event.operation === 'UPDATE' && old !== null && row !== null) {
      out.constant(CHANGES)
      this.#rows.writeChanges(out, old, row)
    } else out.constant(NO_CHANGES)
    if (unknown > 0) {
      out.constant(UNCHANGED)
      this.#rows.writeUnknown(out, row!, old)
    }
    if (event.truncation !== null) {
      const { cascade, restartIdentity } = event.truncation
      out.text(`,"cascade":${cascade},"restart_identity":${restartIdentity}`)
    }
    out.constant(TIMESTAMP)
    this.#transaction.writeTime(out, event, id)
    out.constant(middle)
    if (this.#copy) out.repeat(rowAt, rowLength)
    if (this.#idKey !== null) {
      out.constant(this.#idKey)
      out.repeat(identityAt, identityLength)
    }
    out.constant(this.#tail)
    writeTxEnd(out, event, id, this.#transaction)
  }
}

class MessageEncoder implements Encoder {
  readonly namesOmissions = false
  readonly #stretches: Stretches
  readonly #copy: boolean
  readonly #idKey: Constant | null
  readonly #tail: Constant
  readonly #transaction: TransactionText

  constructor(entity: string, options: FormatOptions, transaction: TransactionText) {
    this.#copy = options.entity === 'copy'
    this.#stretches = stretches('CUSTOM', entity, this.#copy)
    this.#idKey = idKey(entity)
    this.#tail = tail(null, null)
    this.#transaction = transaction
  }

  encode(event: Event, id: MessageId, out: ByteWriter): void {
    out.constant(ID)
    writeUuid(out, id.bytes, id.length)
    out.constant(this.#stretches.head)
    out.constant(NULL_VALUE)
    out.constant(DATA)
    out.constant(NULL_VALUE)
    out.constant(NO_CHANGES)
    out.text(`,"prefix":${JSON.stringify(event.message!.prefix)},"content":`)
    const encoding = writeContent(out, event.message!.content)
    if (encoding === 'base64') out.text(',"content_encoding":"base64"')
    out.constant(TIMESTAMP)
    this.#transaction.writeTime(out, event, id)
    out.constant(this.#stretches.middle)
    if (this.#copy) out.constant(NULL_VALUE)
    if (this.#idKey !== null) {
      out.constant(this.#idKey)
      out.constant(NULL_VALUE)
    }
    out.constant(this.#tail)
    writeTxEnd(out, event, id, this.#transaction)
  }
}

function stretches(operation: Operation, entity: string, copy: boolean): Stretches {
  const name = JSON.stringify(entity)
  return {
    head: new Constant(`","event_type":"${operation}","entity_type":${name},"entity_id":`),
    middle: new Constant(`,"operation":"${operation}"${copy ? ',"entity":' : ''}`),
  }
}

/** `,"order_item_id":`; null for an entity called Entity, whose key stands there already. */
function idKey(entity: string): Constant | null {
  const key = `${snakeCase(entity)}_id`
  return key === 'entity_id' ? null : new Constant(`,${JSON.stringify(key)}:`)
}

function tail(table: string | null, schema: string | null): Constant {
  return new Constant(`,"table":${JSON.stringify(table)},"schema":${JSON.stringify(schema)},"tx":`)
}

function writeTxEnd(out: ByteWriter, event: Event, id: MessageId, transaction: TransactionText): void {
  transaction.writeTx(out, event, id)
  out.decimal(event.ordinal)
  out.byte(BRACE_CLOSE)
  out.byte(BRACE_CLOSE)
}
