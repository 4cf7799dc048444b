/**
 * Any text as exactly one token of a NATS subject. What would end the token, act as a wildcard or break the
 * protocol's line is percent-escaped (UTF-8 bytes, two hex digits), so `decodeURIComponent` gives the text
 * back; all else stays, letters of every script included. https://docs.nats.io/nats-concepts/subjects
 */
import { fnv1a32Text } from './fnv1a.ts'

/** Stands for an empty or missing value. */
export const EMPTY_TOKEN = '_'

/**
 * `.`, `*`, `>`, `%` itself, white space, control characters, and a `$` in front: subjects that start with
 * `$` belong to the server (`$JS`, `$SYS`), and no value of a row may reach them.
 */
const UNSAFE = /[.*>%\s\p{Cc}]|^\$/gu
const SAFE = /^[A-Za-z0-9_-]+$/

/** In UTF-16 units of the token. */
const MAX_LENGTH = 200

/**
 * Of a subject, in UTF-8. The server closes connections whose protocol line is longer than 4,096 bytes, and the line has
 * a reply subject and two sizes beside it.
 */
export const MAX_SUBJECT_BYTES = 3_500

/** Of the hash that stands for what was cut off: no token can be made shorter. */
export const MIN_TOKEN_BYTES = 10

/** `maxBytes`: where the subject would be too long with the token as it is. */
export function subjectToken(text: string, maxBytes = Number.POSITIVE_INFINITY): string {
  const token = tokenOf(text)
  if (maxBytes === Number.POSITIVE_INFINITY) return token
  const bytes = Buffer.from(token, 'utf8')
  if (bytes.length <= maxBytes) return token
  // Streaming, so that a character that is cut in the middle is left out.
  return hashed(
    new TextDecoder().decode(bytes.subarray(0, maxBytes - MIN_TOKEN_BYTES), { stream: true }),
    text,
  )
}

function tokenOf(text: string): string {
  if (text.length <= MAX_LENGTH && SAFE.test(text)) return text
  if (text === '') return EMPTY_TOKEN
  const token = text.slice(0, MAX_LENGTH + 1).replace(UNSAFE, escaped)
  return token.length <= MAX_LENGTH && text.length <= MAX_LENGTH
    ? token
    : hashed(token.slice(0, MAX_LENGTH), text)
}

function escaped(character: string): string {
  let out = ''
  for (const byte of Buffer.from(character, 'utf8'))
    out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return out
}

/**
 * The beginning of the token, then `%~` (never part of an escape) and a hash of the whole text: distinct, one
 * way.
 */
function hashed(start: string, text: string): string {
  const head = start.replace(/(%[0-9A-F]?|[\uD800-\uDBFF])$/, '')
  return `${head}%~${fnv1a32Text(text).toString(16).padStart(8, '0')}`
}
