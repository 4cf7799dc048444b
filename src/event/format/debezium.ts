/**
 * The envelope of Debezium's PostgreSQL connector, JSON without schema. Values are those of `to_jsonb`, not Debezium's
 * own mapping; times are the commit's, so that a replay gives the same bytes. A value that PostgreSQL did not send is
 * Debezium's placeholder.
 * https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-events
 */
import { type ByteWriter, Constant } from '../bytes.ts'
import { writeBase64 } from '../encode-content.ts'
import { type RowEncoder, RowEncoders } from '../encode-row.ts'
import type { Encoder, Format, FormatOptions, SourceIdentity } from '../encoder.ts'
import type { Event, Operation, Relation } from '../event.ts'
import type { MessageId } from '../message-id.ts'

const PLACEHOLDER = new Constant('"__debezium_unavailable_value"')
const BEFORE = new Constant('{"before":')
const AFTER = new Constant(',"after":')
const NULL_VALUE = new Constant('null')
const CODES: Readonly<Record<Operation, string>> = {
  INSERT: 'c',
  UPDATE: 'u',
  DELETE: 'd',
  TRUNCATE: 't',
  CUSTOM: 'm',
}

export function debeziumFormat(options: FormatOptions): Format {
  const transaction = new TransactionNumbers()
  const rows = new RowEncoders(options.numbers, PLACEHOLDER)
  return {
    forRelation: relation => new EnvelopeEncoder(relation, rows.of(relation), options, transaction),
    forMessage: () => new MessageEncoder(options, transaction),
  }
}

class EnvelopeEncoder implements Encoder {
  readonly namesOmissions = true
  readonly #rows: RowEncoder
  readonly #source: SourceBlock

  constructor(relation: Relation, rows: RowEncoder, options: FormatOptions, transaction: TransactionNumbers) {
    this.#rows = rows
    this.#source = new SourceBlock(options.source, relation.schema, relation.table, transaction)
  }

  encode(event: Event, id: MessageId, out: ByteWriter): void {
    const { before, after, beforeIsKey } = event
    out.constant(BEFORE)
    this.#rows.writeRow(out, before, null, beforeIsKey)
    out.constant(AFTER)
    if (after === null) out.constant(NULL_VALUE)
    else this.#rows.writeRow(out, after, before, false)
    out.text(',')
    this.#source.write(out, event, id)
    out.text('}')
  }
}

class MessageEncoder implements Encoder {
  readonly namesOmissions = false
  readonly #source: SourceBlock

  constructor(options: FormatOptions, transaction: TransactionNumbers) {
    this.#source = new SourceBlock(options.source, '', '', transaction)
  }

  encode(event: Event, id: MessageId, out: ByteWriter): void {
    out.text('{')
    this.#source.write(out, event, id)
    out.text(`,"message":{"prefix":${JSON.stringify(event.message!.prefix)},"content":`)
    writeBase64(out, event.message!.content)
    out.text('}}')
  }
}

/** What a transaction's messages share, as text; made anew when the transaction changes. */
class TransactionNumbers {
  timeMs = ''
  timeUs = ''
  timeNs = ''
  lsn = ''
  xid = ''
  #transaction = -1

  prepare(event: Event, id: MessageId): void {
    if (id.transaction === this.#transaction) return
    const us = event.commitTimeUs
    this.timeMs = us === null ? 'null' : String(us / 1000n)
    this.timeUs = us === null ? 'null' : String(us)
    this.timeNs = us === null ? 'null' : String(us * 1000n)
    this.lsn = String(event.commitLsn)
    this.xid = event.xid === 0 ? 'null' : String(event.xid)
    this.#transaction = id.transaction
  }
}

/** From `"source":` to `"transaction":`. */
class SourceBlock {
  readonly #head: string
  readonly #database: string
  readonly #place: string
  readonly #transaction: TransactionNumbers

  constructor(identity: SourceIdentity, schema: string, table: string, transaction: TransactionNumbers) {
    const { version, name, database } = identity
    const quote = (text: string) => JSON.stringify(text)
    this.#head = `"source":{"version":${quote(version)},"connector":"postgresql","name":${quote(name)},"ts_ms":`
    this.#database = `,"snapshot":"false","db":${quote(database)},"sequence":"[null,\\"`
    this.#place = `,"schema":${quote(schema)},"table":${quote(table)},"txId":`
    this.#transaction = transaction
  }

  write(out: ByteWriter, event: Event, id: MessageId): void {
    this.#transaction.prepare(event, id)
    const { timeMs, timeUs, timeNs, lsn, xid } = this.#transaction
    out.text(`${this.#head}${timeMs}${this.#database}${lsn}\\"]","ts_us":${timeUs},"ts_ns":${timeNs}`)
    out.text(`${this.#place}${xid},"lsn":${lsn},"xmin":null},"op":"${CODES[event.operation]}"`)
    out.text(`,"ts_ms":${timeMs},"ts_us":${timeUs},"transaction":null`)
  }
}
