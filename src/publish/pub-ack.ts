/**
 * JetStream's answer to a publish. There is one for every message, so the common shape
 * `{"stream":"NAME","seq":N}`, perhaps with `"domain"` and `"duplicate"`, is read from its bytes; everything else goes
 * through JSON.parse, with the same result. https://docs.nats.io/nats-concepts/jetstream/streams#publish-acks
 */

export type PubAck =
  | { readonly kind: 'stored'; readonly seq: number; readonly duplicate: boolean }
  /** `code` is JetStream's err_code; 0 when the answer makes no sense. */
  | { readonly kind: 'refused'; readonly code: number; readonly description: string }

const START = bytesOf('{"stream":"')
const DOMAIN = bytesOf(',"domain":"')
const SEQUENCE = bytesOf(',"seq":')
const DUPLICATE = bytesOf(',"duplicate":')
const TRUE = bytesOf('true')

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACE = 0x20
const ZERO = 0x30
const CLOSE = 0x7d
/** So many digits are always below 2^53. */
const SAFE_DIGITS = 15

/** The answer is `data[start, end)`. */
export function parsePubAck(data: Uint8Array, start = 0, end = data.length): PubAck {
  return parseCommon(data, start, end) ?? parseAny(data.subarray(start, end))
}

/** null: not of the common shape. */
function parseCommon(data: Uint8Array, start: number, end: number): PubAck | null {
  if (!startsWith(data, start, end, START)) return null
  let at = endOfString(data, start + START.length, end)
  if (at > 0 && startsWith(data, at, end, DOMAIN)) at = endOfString(data, at + DOMAIN.length, end)
  if (at < 0 || !startsWith(data, at, end, SEQUENCE)) return null
  at += SEQUENCE.length
  const first = at
  let seq = 0
  for (; at < end; at++) {
    const digit = data[at]! - ZERO
    if (digit < 0 || digit > 9) break
    seq = seq * 10 + digit
  }
  const digits = at - first
  if (digits === 0 || digits > SAFE_DIGITS || (digits > 1 && data[first] === ZERO)) return null
  if (at === end - 1 && data[at] === CLOSE) return { kind: 'stored', seq, duplicate: false }
  if (!startsWith(data, at, end, DUPLICATE)) return null
  at += DUPLICATE.length
  // The server writes a space here, and only here.
  if (at < end && data[at] === SPACE) at++
  if (!startsWith(data, at, end, TRUE)) return null
  at += TRUE.length
  return at === end - 1 && data[at] === CLOSE ? { kind: 'stored', seq, duplicate: true } : null
}

/** Index after the closing quote; -1 when the string has escapes, control characters or no end. */
function endOfString(data: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const byte = data[at]!
    if (byte === QUOTE) return at + 1
    if (byte === BACKSLASH || byte < SPACE) return -1
  }
  return -1
}

function startsWith(data: Uint8Array, at: number, end: number, text: Uint8Array): boolean {
  if (end - at < text.length) return false
  for (let i = 0; i < text.length; i++) if (data[at + i] !== text[i]) return false
  return true
}

function parseAny(data: Uint8Array): PubAck {
  const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8')
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    return unreadable(text)
  }
  if (typeof answer !== 'object' || answer === null) return unreadable(text)
  const { error, seq, duplicate } = answer as Readonly<Record<string, unknown>>
  if (typeof error === 'object' && error !== null) {
    const { err_code, code, description } = error as Readonly<Record<string, unknown>>
    const number = typeof err_code === 'number' ? err_code : code
    return {
      kind: 'refused',
      code: typeof number === 'number' ? number : 0,
      description: typeof description === 'string' ? description : '',
    }
  }
  return typeof seq === 'number' ? { kind: 'stored', seq, duplicate: duplicate === true } : unreadable(text)
}

function unreadable(text: string): PubAck {
  return { kind: 'refused', code: 0, description: `not a publish ack: ${text.slice(0, 200)}` }
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}
