/**
 * The last lines of a message's headers. They are added when it is sent, because they say what holds then: the fence
 * (which sequence the message must follow) and the floor (everything before that event is stored).
 * https://docs.nats.io/nats-concepts/jetstream/headers
 */
import { FLOOR_HEADER, formatPlace, type Place } from '../event/position.ts'

const FENCE = Buffer.from('Nats-Expected-Last-Sequence: ')
const END = Buffer.from('\r\n')

/** The line that says the floor; many messages share one. */
export function floorLine(floor: Place): Uint8Array {
  return Buffer.from(`${FLOOR_HEADER}: ${formatPlace(floor)}\r\n`)
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
