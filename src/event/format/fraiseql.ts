/**
 * The default format: one object with the row as `data` and, for the documentation's consumers, once more as
 * `entity`. docs/message.md describes every key; their order is part of the format.
 */
import { type ByteWriter, Constant } from '../bytes.ts'
import { writeContent } from '../encode-content.ts'
import { type RowEncoder, RowEncoders } from '../encode-row.ts'
import type { Encoder, Format, FormatOptions } from '../encoder.ts'
import { snakeCase } from '../entity-name.ts'
import type { Event, Operation } from '../event.ts'
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
  const frames = new Frames(options.entity === 'copy')
  const transaction = new TransactionText()
  const rows = new RowEncoders(options.numbers)
  return {
    forRelation: (relation, entity, operation) => {
      const frame = frames.of(operation, entity, relation.table, relation.schema)
      return new RelationEncoder(frame, rows.of(relation), transaction)
    },
    forMessage: entity => new MessageEncoder(frames.of('CUSTOM', entity, null, null), transaction),
  }
}

/** What all messages of one operation and table have in common. */
interface Frame {
  /** From behind the id to the value of `entity_id`. */
  readonly head: Constant
  /** From behind `timestamp` to the value of `entity`, or to the key after it. */
  readonly middle: Constant
  /** The row stands there once more, as the value of `entity`. */
  readonly copy: boolean
  /** `,"order_item_id":`; null for an entity called Entity, whose key stands there already. */
  readonly idKey: Constant | null
  /** From behind that to the value of `tx`. */
  readonly tail: Constant
}

class Frames {
  readonly #copy: boolean
  /** The same for all tables. */
  readonly #middles = new Map<Operation, Constant>()

  constructor(copy: boolean) {
    this.#copy = copy
  }

  of(operation: Operation, entity: string, table: string | null, schema: string | null): Frame {
    const key = `${snakeCase(entity)}_id`
    const [entityName, tableName, schemaName] = [entity, table, schema].map(text => JSON.stringify(text))
    return {
      head: new Constant(`","event_type":"${operation}","entity_type":${entityName},"entity_id":`),
      middle: this.#middle(operation),
      copy: this.#copy,
      idKey: key === 'entity_id' ? null : new Constant(`,${JSON.stringify(key)}:`),
      tail: new Constant(`,"table":${tableName},"schema":${schemaName},"tx":`),
    }
  }

  #middle(operation: Operation): Constant {
    let middle = this.#middles.get(operation)
    if (middle === undefined) {
      middle = new Constant(`,"operation":"${operation}"${this.#copy ? ',"entity":' : ''}`)
      this.#middles.set(operation, middle)
    }
    return middle
  }
}

class RelationEncoder implements Encoder {
  readonly namesOmissions = true
  readonly #frame: Frame
  readonly #rows: RowEncoder
  readonly #transaction: TransactionText

  constructor(frame: Frame, rows: RowEncoder, transaction: TransactionText) {
    this.#frame = frame
    this.#rows = rows
    this.#transaction = transaction
  }

  encode(event: Event, id: MessageId, out: ByteWriter): void {
    const { head, middle, copy, idKey, tail } = this.#frame
    const deleted = event.operation === 'DELETE'
    const row = deleted ? event.before : event.after
    const keyOnly = event.beforeIsKey
    const old = event.before
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
    if (event.operation === 'UPDATE' && old !== null && row !== null && !keyOnly) {
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
    if (copy) out.repeat(rowAt, rowLength)
    if (idKey !== null) {
      out.constant(idKey)
      out.repeat(identityAt, identityLength)
    }
    out.constant(tail)
    writeTxEnd(out, event, id, this.#transaction)
  }
}

class MessageEncoder implements Encoder {
  readonly namesOmissions = false
  readonly #frame: Frame
  readonly #transaction: TransactionText

  constructor(frame: Frame, transaction: TransactionText) {
    this.#frame = frame
    this.#transaction = transaction
  }

  encode(event: Event, id: MessageId, out: ByteWriter): void {
    const { head, middle, copy, idKey, tail } = this.#frame
    out.constant(ID)
    writeUuid(out, id.bytes, id.length)
    out.constant(head)
    out.constant(NULL_VALUE)
    out.constant(DATA)
    out.constant(NULL_VALUE)
    out.constant(NO_CHANGES)
    out.text(`,"prefix":${JSON.stringify(event.message!.prefix)},"content":`)
    const encoding = writeContent(out, event.message!.content)
    if (encoding === 'base64') out.text(',"content_encoding":"base64"')
    out.constant(TIMESTAMP)
    this.#transaction.writeTime(out, event, id)
    out.constant(middle)
    if (copy) out.constant(NULL_VALUE)
    if (idKey !== null) {
      out.constant(idKey)
      out.constant(NULL_VALUE)
    }
    out.constant(tail)
    writeTxEnd(out, event, id, this.#transaction)
  }
}

function writeTxEnd(out: ByteWriter, event: Event, id: MessageId, transaction: TransactionText): void {
  transaction.writeTx(out, event, id)
  out.decimal(event.ordinal)
  out.byte(BRACE_CLOSE)
  out.byte(BRACE_CLOSE)
}
