/**
 * A dead letter: what is kept of a message that its stream can't take. JSON with the reason and where the message
 * belonged, and the event itself without its largest columns, as far as there is room.
 */
import type { ByteWriter } from '../event/bytes.ts'
import { encodeTrimmed } from '../event/encode.ts'
import type { Encoder } from '../event/encoder.ts'
import type { Event } from '../event/event.ts'
import type { MessageId } from '../event/message-id.ts'

export interface TooLarge {
  readonly event: Event
  readonly encoder: Encoder
  /** Of the message that could not be published. */
  readonly messageId: MessageId
  readonly subject: string
  readonly stream: string
  /** Its size with headers, and the most that was allowed. */
  readonly bytes: number
  readonly limit: number
  /** The most that the dead letter may have. */
  readonly room: number
}

/** Writes the payload since `out.begin()`. */
export function deadLetter(out: ByteWriter, letter: TooLarge): void {
  const { event, encoder, messageId, subject, stream, bytes, limit, room } = letter
  const start = JSON.stringify({
    reason: 'message_too_large',
    msg_id: messageId.toString(),
    subject,
    stream,
    bytes,
    limit,
    schema: event.relation?.schema ?? null,
    table: event.relation?.table ?? null,
    operation: event.operation,
  })
  const prefix = `${start.slice(0, -1)},"event":`
  out.begin()
  // The event is written first, alone, because trimming begins anew at the start of the message.
  const fits = encodeTrimmed(encoder, event, messageId, out, room - Buffer.byteLength(prefix) - 1)
  const trimmed = fits ? Buffer.from(out.cut()) : Buffer.from('null')
  out.begin()
  out.text(prefix)
  out.bytes(trimmed)
  out.text('}')
}
