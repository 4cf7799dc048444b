/**
 * FNV-1a, 32 bits: the hash behind partitions and the short tokens of Msg-Ids. It is the hash of
 * nats-server's own `partition()` subject mapping, so a key lands in the same partition whichever of the two
 * maps it.
 * http://www.isthe.com/chongo/tech/comp/fnv/
 */

const OFFSET = 0x811c9dc5
const PRIME = 0x01000193

/** The hash of no bytes; where a hash of several pieces starts. */
export const FNV_START = OFFSET

/** Continues `hash` (or starts) over `bytes[start, end)`; an unsigned 32-bit number. */
export function fnv1a32(bytes: Uint8Array, start = 0, end = bytes.length, hash = OFFSET): number {
  let h = hash
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, PRIME)
  return h >>> 0
}

/** The hash of a text's UTF-8 bytes. */
export function fnv1a32Text(text: string): number {
  return fnv1a32(Buffer.from(text, 'utf8'))
}
