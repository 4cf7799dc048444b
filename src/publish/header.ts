/**
 * The first lines of a message's headers. They are written when it is sent, because they say what holds then: the fence
 * (which sequence the message must follow or, in a chain, which message), the floor (everything before that event is
 * stored) and, in an atomic batch, which message of the batch it is.
 * https://docs.nats.io/nats-concepts/jetstream/headers
 */
import { type ByteWriter, Constant } from '../event/bytes.ts'
import { FLOOR_HEADER, formatPlace, type Place } from '../event/position.ts'
import { MESSAGE_ID_AT, messageIdEnd } from './head.ts'

/** https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md */
export interface BatchPlace {
  readonly id: string
  /** From 1 on. */
  readonly sequence: number
  /** The last one commits. */
  readonly commit: boolean
}

const FENCE = new Constant('Nats-Expected-Last-Sequence: ')
const FOLLOWS = new Constant('Nats-Expected-Last-Msg-Id: ')
const BATCH_ID = 'Nats-Batch-Id: '
const BATCH_SEQUENCE = new Constant('Nats-Batch-Sequence: ')
const BATCH_COMMIT = new Constant('Nats-Batch-Commit: 1\r\n')
const START = new Constant('NATS/1.0\r\n')
const END = new Constant('\r\n')

/** The line that says the floor; many messages share one. */
export function floorLine(floor: Place): Constant {
  return new Constant(`${FLOOR_HEADER}: ${formatPlace(floor)}\r\n`)
}

/** Writes the version line and the lines. `floor` and `fence` null: no such line. */
export function writeLines(
  out: ByteWriter,
  floor: Constant | null,
  fence: number | null,
  batch: BatchPlace | null,
): void {
  out.constant(START)
  if (floor !== null) out.constant(floor)
  if (batch !== null) {
    out.text(`${BATCH_ID}${batch.id}\r\n`)
    out.constant(BATCH_SEQUENCE)
    out.decimal(batch.sequence)
    out.constant(END)
    if (batch.commit) out.constant(BATCH_COMMIT)
  }
  if (fence !== null) {
    out.constant(FENCE)
    out.decimal(fence)
    out.constant(END)
  }
}

/** Writes the line by which the message must follow another one, whose prepared headers begin at `start`. */
export function writeFollows(out: ByteWriter, slab: Uint8Array, start: number): void {
  const from = start + MESSAGE_ID_AT
  out.constant(FOLLOWS)
  const base = slab.byteOffset
  out.range(out.sourceView(slab), base + from, base + messageIdEnd(slab, from))
  out.constant(END)
}
