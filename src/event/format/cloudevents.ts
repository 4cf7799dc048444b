/**
 * CloudEvents 1.0 in structured JSON. `id` is the Msg-Id, `subject` the entity's id, and `data` holds the rows before
 * and after, since an update is more than its new row.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
 */
import { type ByteWriter, Constant } from '../bytes.ts'
import { writeContent } from '../encode-content.ts'
import { type RowEncoder, RowEncoders } from '../encode-row.ts'
import type { Encoder, Format, FormatOptions, SourceIdentity } from '../encoder.ts'
import type { Event, Operation } from '../event.ts'
import type { MessageId } from '../message-id.ts'
import { TransactionText } from '../transaction-text.ts'

const ID = new Constant('{"specversion":"1.0","id":"')
const SUBJECT = new Constant(',"subject":')
const TIME = new Constant(',"time":')
const DATA = new Constant(',"datacontenttype":"application/json","data":{')
const BEFORE = new Constant('"before":')
const AFTER = new Constant(',"after":')
const UNCHANGED = new Constant(',"unchanged":')
const NULL_BYTES = 4

export function cloudeventsFormat(options: FormatOptions): Format {
  const transaction = new TransactionText()
  const rows = new RowEncoders(options.numbers)
  return {
    forRelation: (relation, entity, operation) => {
      const uri = sourceUri(options.source, [relation.schema, relation.table])
      return new RelationEncoder(rows.of(relation), context(uri, entity, operation), transaction)
    },
    forMessage: entity => new MessageEncoder(entity, options, transaction),
  }
}

class RelationEncoder implements Encoder {
  readonly namesOmissions = true
  readonly #rows: RowEncoder
  readonly #context: Constant
  readonly #transaction: TransactionText

  constructor(rows: RowEncoder, context: Constant, transaction: TransactionText) {
    this.#rows = rows
    this.#context = context
    this.#transaction = transaction
  }

  encode(event: Event, id: MessageId, out: ByteWriter): void {
    const { before, after, beforeIsKey, truncation } = event
    out.constant(ID)
    out.bytes(id.bytes, 0, id.length)
    out.constant(this.#context)
    optional(out, SUBJECT, () => this.#rows.writeIdentity(out, after ?? before, before))
    optional(out, TIME, () => this.#transaction.writeTime(out, event, id))
    out.constant(DATA)
    if (truncation !== null) {
      out.text(`"cascade":${truncation.cascade},"restart_identity":${truncation.restartIdentity}}}`)
      return
    }
    out.constant(BEFORE)
    const hidden = this.#rows.writeRow(out, before, null, beforeIsKey)
    out.constant(AFTER)
    const unknown = this.#rows.writeRow(out, after, before, false)
    if (after === null ? hidden > 0 : unknown > 0) {
      out.constant(UNCHANGED)
      this.#rows.writeUnknown(out, (after ?? before)!, before)
    }
    out.text('}}')
  }
}

class MessageEncoder implements Encoder {
  readonly namesOmissions = false
  readonly #context: Constant
  readonly #transaction: TransactionText

  constructor(entity: string, options: FormatOptions, transaction: TransactionText) {
    this.#context = context(sourceUri(options.source, []), entity, 'CUSTOM')
    this.#transaction = transaction
  }

  encode(event: Event, id: MessageId, out: ByteWriter): void {
    const { prefix, content } = event.message!
    out.constant(ID)
    out.bytes(id.bytes, 0, id.length)
    out.constant(this.#context)
    if (prefix !== '') out.text(`,"subject":${JSON.stringify(prefix)}`)
    optional(out, TIME, () => this.#transaction.writeTime(out, event, id))
    out.constant(DATA)
    out.text(`"prefix":${JSON.stringify(prefix)},"content":`)
    if (writeContent(out, content) === 'base64') out.text(',"content_encoding":"base64"')
    out.text('}}')
  }
}

/** From behind the id to behind `type`. */
function context(uri: string, entity: string, operation: Operation): Constant {
  const type = JSON.stringify(`fraiseql.${entity}.${operation}`)
  return new Constant(`","source":${JSON.stringify(uri)},"type":${type}`)
}

function sourceUri({ system, database }: SourceIdentity, place: readonly string[]): string {
  return ['', 'fraiseql-observer', system, database, ...place].map(part => encodeURIComponent(part)).join('/')
}

/** An attribute without a value is not written: CloudEvents knows no null there, nor an empty subject. */
function optional(out: ByteWriter, key: Constant, write: () => void): void {
  const begin = out.length
  out.constant(key)
  const valueAt = out.length
  write()
  const length = out.length - valueAt
  const first = out.view.getUint8(out.at - length)
  if ((length === NULL_BYTES && first === 0x6e) || length === 2) out.truncate(begin)
}
