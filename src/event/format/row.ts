/**
 * The bare row: the row after, on DELETE what is known of the row before, `null` on TRUNCATE, and of a logical message
 * its content. Columns that PostgreSQL did not send are left out; there is no place here to name them.
 */
import type { ByteWriter } from '../bytes.ts'
import { writeContent } from '../encode-content.ts'
import { type RowEncoder, RowEncoders } from '../encode-row.ts'
import type { Encoder, Format, FormatOptions } from '../encoder.ts'
import type { Event } from '../event.ts'
import type { MessageId } from '../message-id.ts'

export function rowFormat(options: FormatOptions): Format {
  const rows = new RowEncoders(options.numbers)
  return {
    forRelation: relation => new BareRowEncoder(rows.of(relation)),
    forMessage: () => ({ namesOmissions: false, encode: encodeContent }),
  }
}

class BareRowEncoder implements Encoder {
  readonly namesOmissions = false
  readonly #rows: RowEncoder

  constructor(rows: RowEncoder) {
    this.#rows = rows
  }

  encode(event: Event, _id: MessageId, out: ByteWriter): void {
    if (event.operation === 'DELETE') this.#rows.writeRow(out, event.before, null, event.beforeIsKey)
    else this.#rows.writeRow(out, event.after, event.before, false)
  }
}

function encodeContent(event: Event, _id: MessageId, out: ByteWriter): void {
  writeContent(out, event.message!.content)
}
