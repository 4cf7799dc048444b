/**
 * The last lines of a message's headers. They are added when it is sent, because they say what holds then: the fence
 * (which sequence the message must follow) and the floor (everything before that event is stored).
 * https://docs.nats.io/nats-concepts/jetstream/headers
 */
import { FLOOR_HEADER, formatPlace, type Place } from '../event/position.ts'

const FENCE = Buffer.from('Nats-Expected-Last-Sequence: ')
const END = Buffer.from('\r\n')
const EMPTY = Buffer.alloc(0)

/** The line that says the floor; many messages share one. */
export function floorLine(floor: Place): Uint8Array {
  return Buffer.from(`${FLOOR_HEADER}: ${formatPlace(floor)}\r\n`)
}

/**
 * The same for a message of an atomic batch. The fence stands on the first one; the last one commits.
 * https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
 */
export function composeBatchHeader(
  head: Uint8Array,
  floor: Uint8Array | null,
  lastSequence: number | null,
  batch: { readonly id: string; readonly sequence: number; readonly commit: boolean },
): Uint8Array {
  const lines = [`Nats-Batch-Id: ${batch.id}`, `Nats-Batch-Sequence: ${batch.sequence}`]
  if (batch.commit) lines.push('Nats-Batch-Commit: 1')
  if (lastSequence !== null) lines.push(`Nats-Expected-Last-Sequence: ${lastSequence}`)
  return Buffer.concat([head, floor ?? EMPTY, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)])
}

/** `head`: header bytes up to the last line's CRLF. `lastSequence` null: no fence; `floor` null: no line. */
export function composeHeader(
  head: Uint8Array,
  floor: Uint8Array | null,
  lastSequence: number | null,
): Uint8Array {
  const fence = lastSequence === null ? '' : String(lastSequence)
  const fenceLength = lastSequence === null ? 0 : FENCE.length + fence.length + END.length
  const header = Buffer.allocUnsafe(head.length + (floor?.length ?? 0) + fenceLength + END.length)
  header.set(head, 0)
  let at = head.length
  if (floor !== null) {
    header.set(floor, at)
    at += floor.length
  }
  if (lastSequence !== null) {
    header.set(FENCE, at)
    at += FENCE.length
    at += header.write(fence, at, 'latin1')
    header.set(END, at)
    at += END.length
  }
  header.set(END, at)
  return header
}
