/**
 * The last lines of a message's headers. They are added when it is sent, because the fence of a message that is sent
 * again is another one.
 * https://docs.nats.io/nats-concepts/jetstream/headers
 */

const FENCE = Buffer.from('Nats-Expected-Last-Sequence: ')

/** `head`: header bytes up to the last line's CRLF. `lastSequence` null: no fence. */
export function composeHeader(head: Uint8Array, lastSequence: number | null): Uint8Array {
  const fence = lastSequence === null ? '' : String(lastSequence)
  const length = head.length + (lastSequence === null ? 2 : FENCE.length + fence.length + 4)
  const header = Buffer.allocUnsafe(length)
  header.set(head, 0)
  let at = head.length
  if (lastSequence !== null) {
    header.set(FENCE, at)
    at += FENCE.length
    at += header.write(fence, at, 'latin1')
    header[at++] = 0x0d
    header[at++] = 0x0a
  }
  header[at++] = 0x0d
  header[at] = 0x0a
  return header
}
