/** What a stored message says, in the same shape as the witness says what it must. */
import { canonical, type Json, JsonNumber, parseExactly } from './canonical.ts'

type Fields = Readonly<Record<string, Json>>

/** Canonical JSON. Throws on a payload that is not a message of the default format. */
export function messageContent(payload: string): string {
  const message = parseExactly(payload) as Fields
  const operation = message.operation ?? null
  if (canonical(message.event_type ?? null) !== canonical(operation))
    throw new Error('event_type is not operation')
  const tx = message.tx as Fields
  const place = { id: digits(tx.id), lsn: tx.lsn ?? null, ordinal: digits(tx.ordinal) }
  if (operation === 'CUSTOM') {
    const { prefix = null, content = null } = message
    return canonical({
      operation,
      place,
      prefix,
      content: typeof content === 'string' ? content : raw(payload),
    })
  }
  const head = { operation, place, schema: message.schema ?? null, table: message.table ?? null }
  if (operation === 'TRUNCATE') {
    return canonical({ ...head, cascade: message.cascade ?? null, restart: message.restart_identity ?? null })
  }
  const data = message.data ?? null
  if (canonical(data) !== canonical(message.entity ?? null)) throw new Error('entity is not data')
  const unchanged = [...((message.unchanged as readonly string[] | undefined) ?? [])].sort()
  return canonical({ ...head, data, unchanged, changes: message.changes ?? null })
}

/** JSON content stands in the message byte for byte. */
function raw(payload: string): string {
  const match = /"content":(.*),"timestamp":/s.exec(payload)
  return match?.[1] ?? ''
}

function digits(value: Json | undefined): Json {
  return value instanceof JsonNumber ? value.digits : (value ?? null)
}
