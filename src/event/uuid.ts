/**
 * `id` of a message: the UUID version 5 (RFC 9562) of its Msg-Id, so that it is the same on every replay and in every
 * format. The namespace is itself the UUID v5 of `fraiseql-observer:msg-id` in the RFC's URL namespace, and fixed.
 */
import type { ByteWriter } from './bytes.ts'
import { sha1 } from './sha1.ts'

export const MESSAGE_ID_NAMESPACE = 'e4aef984-440d-5dd0-a31e-1d585a984267'

const namespace = Int32Array.of(0xe4aef984, 0x440d5dd0, 0xa31e1d58, 0x5a984267)
const state = new Int32Array(5)
const UUID_BYTES = 36
const DASH = 0x2d

/** Two hex digits of each byte, as they lie in memory, big-endian. */
const hexPairs = Uint16Array.from(
  { length: 256 },
  (_, byte) => (hexDigit(byte >> 4) << 8) | hexDigit(byte & 15),
)

/** 36 characters, without quotes. */
export function writeUuid(out: ByteWriter, text: Uint8Array, length: number): void {
  sha1(state, namespace, text, length)
  out.reserve(UUID_BYTES)
  const view = out.view
  const at = out.at
  const second = (state[1]! & 0xffff0fff) | 0x5000
  const third = (state[2]! & 0x3fffffff) | 0x80000000
  writeHalf(view, at, state[0]! >>> 16)
  writeHalf(view, at + 4, state[0]!)
  view.setUint8(at + 8, DASH)
  writeHalf(view, at + 9, second >>> 16)
  view.setUint8(at + 13, DASH)
  writeHalf(view, at + 14, second)
  view.setUint8(at + 18, DASH)
  writeHalf(view, at + 19, third >>> 16)
  view.setUint8(at + 23, DASH)
  writeHalf(view, at + 24, third)
  writeHalf(view, at + 28, state[3]! >>> 16)
  writeHalf(view, at + 32, state[3]!)
  out.at = at + UUID_BYTES
}

/** The low 16 bits as four digits. */
function writeHalf(view: DataView, at: number, value: number): void {
  view.setUint32(at, (hexPairs[(value >>> 8) & 255]! << 16) | hexPairs[value & 255]!)
}

function hexDigit(value: number): number {
  return value < 10 ? 48 + value : 87 + value
}
