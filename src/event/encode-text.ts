/**
 * Text to a JSON string, escaped as PostgreSQL's escape_json does: \b \f \n \r \t \" \\, \u00XX for other control
 * characters, everything else (DEL, UTF-8) verbatim. Four bytes are looked at and copied at once; only a word that
 * holds something to escape goes byte by byte.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/json.c
 */
import type { ByteWriter } from './bytes.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** Text is reserved and written in pieces of this size: one byte may become six. */
const PIECE_BYTES = 4096

export function writeString(out: ByteWriter, source: DataView, start: number, end: number): void {
  if (end - start > PIECE_BYTES) {
    out.byte(QUOTE)
    writeEscaped(out, source, start, end)
    out.byte(QUOTE)
    return
  }
  out.reserve((end - start) * 6 + 2)
  const target = out.view
  target.setUint8(out.at, QUOTE)
  const at = writePiece(target, out.at + 1, source, start, end)
  target.setUint8(at, QUOTE)
  out.at = at + 1
}

/** As `writeString`, without the quotes around it. */
export function writeEscaped(out: ByteWriter, source: DataView, start: number, end: number): void {
  for (let from = start; from < end; from += PIECE_BYTES) {
    const to = Math.min(from + PIECE_BYTES, end)
    out.reserve((to - from) * 6)
    out.at = writePiece(out.view, out.at, source, from, to)
  }
}

function writePiece(
  target: DataView,
  position: number,
  source: DataView,
  start: number,
  end: number,
): number {
  let at = position
  let i = start
  for (; i + 4 <= end; i += 4) {
    const word = source.getInt32(i, true)
    const quote = word ^ 0x22222222
    const backslash = word ^ 0x5c5c5c5c
    // The high bit of a byte of each term is set if that byte is below 0x20, is a quote, is a backslash.
    const special =
      ((word - 0x20202020) & ~word) |
      ((quote - 0x01010101) & ~quote) |
      ((backslash - 0x01010101) & ~backslash)
    if ((special & 0x80808080) === 0) {
      target.setInt32(at, word, true)
      at += 4
    } else {
      for (let k = 0; k < 4; k++) at = writeByte(target, at, source.getUint8(i + k))
    }
  }
  for (; i < end; i++) at = writeByte(target, at, source.getUint8(i))
  return at
}

function writeByte(target: DataView, at: number, byte: number): number {
  if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) {
    target.setUint8(at, byte)
    return at + 1
  }
  const short = shortEscape(byte)
  target.setUint8(at, BACKSLASH)
  if (short !== 0) {
    target.setUint8(at + 1, short)
    return at + 2
  }
  target.setUint32(at + 1, 0x75303030 + (byte >> 4)) // u00 and the first digit, which is 0 or 1
  target.setUint8(at + 5, (byte & 15) + ((byte & 15) < 10 ? 48 : 87))
  return at + 6
}

/** The letter after the backslash, 0 for characters that have none. */
function shortEscape(byte: number): number {
  switch (byte) {
    case QUOTE:
    case BACKSLASH:
      return byte
    case 0x08:
      return 0x62
    case 0x09:
      return 0x74
    case 0x0a:
      return 0x6e
    case 0x0c:
      return 0x66
    case 0x0d:
      return 0x72
    default:
      return 0
  }
}
