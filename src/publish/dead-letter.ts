/**
 * A dead letter: what is kept of a message that its stream can't take, or that can't be written. JSON with the reason
 * and where the message belonged, and the event itself without its largest columns, as far as there is room; or, where
 * the values are not understood, PostgreSQL's text of each.
 */
import type { ByteWriter } from '../event/bytes.ts'
import { encodeTrimmed } from '../event/encode.ts'
import type { Encoder } from '../event/encoder.ts'
import { type Event, type Relation, type Row, TEXT, UNCHANGED } from '../event/event.ts'
import type { MessageId } from '../event/message-id.ts'

interface Letter {
  readonly event: Event
  /** Of the message that could not be published. */
  readonly messageId: MessageId
  readonly subject: string
  readonly stream: string
  /** The most that the dead letter may have. */
  readonly room: number
}

export interface TooLarge extends Letter {
  readonly encoder: Encoder
  /** Its size with headers, and the most that was allowed. */
  readonly bytes: number
  readonly limit: number
}

/** Writes the payload since `out.begin()`. */
export function deadLetter(out: ByteWriter, letter: TooLarge): void {
  const { event, encoder, messageId, bytes, limit, room } = letter
  const start = JSON.stringify({ reason: 'message_too_large', ...address(letter), bytes, limit })
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

export interface Malformed extends Letter {
  readonly error: string
}

/** Writes the payload since `out.begin()`. */
export function malformedLetter(out: ByteWriter, letter: Malformed): void {
  const { event, error, room } = letter
  const start = { reason: 'malformed_value', ...address(letter), error }
  const { relation } = event
  const row = event.after ?? event.before
  const text = JSON.stringify({
    ...start,
    row: relation === null || row === null ? null : texts(relation, row),
  })
  out.begin()
  out.text(Buffer.byteLength(text) <= room ? text : JSON.stringify({ ...start, row: null }))
}

function address({ event, messageId, subject, stream }: Letter) {
  const { relation, operation } = event
  const { schema = null, table = null } = relation ?? {}
  return { msg_id: messageId.toString(), subject, stream, schema, table, operation }
}

/** Values that PostgreSQL did not send are left out. */
function texts({ columns }: Relation, row: Row): Readonly<Record<string, string | null>> {
  const values = columns.slice(0, row.count).flatMap(({ name }, i): [string, string | null][] => {
    if (row.state[i] === UNCHANGED) return []
    return [[name, row.state[i] === TEXT ? row.source.toString('utf8', row.start[i]!, row.end[i]!) : null]]
  })
  return Object.fromEntries(values)
}
