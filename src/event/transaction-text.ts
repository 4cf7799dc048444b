/**
 * What all messages of one transaction share, as bytes: its commit time and, in the `fraiseql` format, its `tx` object
 * up to the ordinal. Written when the transaction changes, copied for each event.
 */
import { ByteWriter } from './bytes.ts'
import type { Event } from './event.ts'
import { type MessageId, writeHex } from './message-id.ts'
import { TimestampWriter } from './timestamp.ts'

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
    text.text('{"id":')
    if (event.xid === 0) text.text('null')
    else text.decimal(event.xid)
    text.text(',"lsn":"')
    text.reserve(20)
    text.at = writeHex(text.buffer, text.at, id.lsnHigh)
    text.byte(0x2f)
    text.at = writeHex(text.buffer, text.at, id.lsnLow)
    text.text('","ordinal":')
    this.#transaction = id.transaction
  }
}
