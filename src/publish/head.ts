/**
 * The headers of a message that are known before it is sent, prepared per stream: Msg-Id, expected stream, position, and
 * the empty line behind them. The lines of header.ts go in front.
 * https://docs.nats.io/nats-concepts/jetstream/headers
 */
import { type ByteWriter, Constant } from '../event/bytes.ts'
import type { Event } from '../event/event.ts'
import type { MessageId } from '../event/message-id.ts'
import { OUTSIDE, ordinalOf, POSITION_HEADER } from '../event/position.ts'

/** Who publishes: as it stands in `Fraiseql-Position`. */
export interface Identity {
  readonly system: string
  readonly timeline: number
  readonly slot: string
}

/** Room for Msg-Id, position, and the lines of header.ts, whatever their numbers are. */
const VARIABLE_BYTES = 400

const START = new Constant('Nats-Msg-Id: ')
const LINE_END = 0x0d
const DOT = 0x2e
const LETTER_M = 0x6d
const END = new Constant('\r\n\r\n')

/** Where the Msg-Id begins in prepared headers. */
export const MESSAGE_ID_AT = START.length

/** Where the Msg-Id ends that begins at `from`. */
export function messageIdEnd(slab: Uint8Array, from: number): number {
  return slab.indexOf(LINE_END, from)
}

export class HeadWriter {
  /** No head is longer, its last lines included. */
  readonly maxBytes: number
  readonly #middle: Constant

  constructor(stream: string, { system, timeline, slot }: Identity) {
    const position = `${POSITION_HEADER}: ${system}.${timeline}.${slot}.`
    this.#middle = new Constant(`\r\nNats-Expected-Stream: ${stream}\r\n${position}`)
    this.maxBytes = START.length + this.#middle.length + VARIABLE_BYTES
  }

  /** Adds them to the message that is being written. */
  write(out: ByteWriter, event: Event, messageId: MessageId): void {
    out.constant(START)
    out.range(messageId.view, 0, messageId.length)
    out.constant(this.#middle)
    out.range(messageId.view, messageId.lsnStart, messageId.lsnEnd)
    out.byte(DOT)
    const ordinal = ordinalOf(event)
    if (ordinal === OUTSIDE) out.byte(LETTER_M)
    else out.decimal(ordinal)
    out.constant(END)
  }
}
