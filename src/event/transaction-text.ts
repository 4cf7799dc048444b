/**
 * What all messages of one transaction share, as bytes: its commit time and, in the `fraiseql` format, its `tx` object
 * up to the ordinal. Written when the transaction changes, copied for each event.
 */
import { ByteWriter, Constant } from './bytes.ts'
import type { Event } from './event.ts'
import { type MessageId, writeHex } from './message-id.ts'
import { TimestampWriter } from './timestamp.ts'

const ID = new Constant('{"id":')
const NO_ID = new Constant('{"id":null')
const LSN = new Constant(',"lsn":"')
const ORDINAL = new Constant('","ordinal":')

export class TransactionText {
  readonly #text = new ByteWriter(256)
  readonly #timestamp = new TimestampWriter()
  #transaction = -1
  #timeEnd = 0

  /** The commit time, quoted, or `null`. */
  writeTime(out: ByteWriter, event: Event, id: MessageId): void {
    if (id.transaction !== this.#transaction) this.#prepare(event, id)
    out.range(this.#text.view, 0, this.#timeEnd)
  }

  /** `{"id":571,"lsn":"16/B374D848","ordinal":` */
  writeTx(out: ByteWriter, event: Event, id: MessageId): void {
    if (id.transaction !== this.#transaction) this.#prepare(event, id)
    out.range(this.#text.view, this.#timeEnd, this.#text.at)
  }

  #prepare(event: Event, id: MessageId): void {
    const text = this.#text
    text.rollback()
    this.#timestamp.write(text, event.commitTimeUs)
    this.#timeEnd = text.at
    if (event.xid === 0) text.constant(NO_ID)
    else {
      text.constant(ID)
      text.decimal(event.xid)
    }
    text.constant(LSN)
    text.reserve(20)
    text.at = writeHex(text.buffer, text.at, id.lsnHigh)
    text.buffer[text.at++] = 0x2f
    text.at = writeHex(text.buffer, text.at, id.lsnLow)
    text.constant(ORDINAL)
    this.#transaction = id.transaction
  }
}
