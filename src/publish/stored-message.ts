/**
 * A stored message as resume sees it: its sequence and three of its headers. Two ways lead to it, the client's parsed
 * headers (messages of a consumer) and the raw header bytes (messages fetched singly).
 * https://docs.nats.io/reference/reference-protocols/nats-protocol#hpub
 */
import { FLOOR_HEADER, POSITION_HEADER, parsePlace, parsePosition } from '../event/position.ts'
import type { StoredHeaders } from './tail-walk.ts'

export type StoredMessage = StoredHeaders

const MESSAGE_ID = 'Nats-Msg-Id'

/** `get`: the first value of a header, or undefined or '' where there is none. */
export function storedMessage(seq: number, get: (name: string) => string | undefined): StoredMessage {
  const position = get(POSITION_HEADER)
  const floor = get(FLOOR_HEADER)
  return {
    seq,
    msgId: get(MESSAGE_ID) || null,
    position: position ? parsePosition(position) : null,
    floor: floor ? parsePlace(floor) : null,
  }
}

/** Raw header bytes, `NATS/1.0\r\nName: value\r\n...\r\n\r\n`; names are compared as they are written. */
export function parseHeaders(bytes: Uint8Array): (name: string) => string | undefined {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8').split('\r\n')
  const values = new Map<string, string>()
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon)
    if (colon > 0 && !values.has(name)) values.set(name, line.slice(colon + 1).trim())
  }
  return name => values.get(name)
}
