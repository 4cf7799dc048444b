/**
 * The write-ahead log as a slot delivers it: items in commit order, each with its changes, each change with its
 * messages. It grows while the schedule runs, and a failover cuts its end off and goes on with another timeline.
 */
import { OUTSIDE, type Place, type Position } from '../../src/event/position.ts'
import { type Lsn, toLsn } from '../../src/lsn.ts'
import type { Target } from '../../src/publish/window.ts'
import type { Copy } from './oracle.ts'

const SYSTEM = '7h'
export const SLOTS = ['s0', 's1'] as const

/** One message that must come to be in one stream. */
export interface SimMessage {
  /** Counts up in the order of the WAL. */
  readonly number: number
  readonly name: string
  readonly stream: number
  readonly position: Position
  readonly msgId: string
  readonly subject: string
  readonly target: Target
  /** Of its transaction; 0 outside. */
  readonly xid: number
  /** Payload and headers, which are complete but for the fence. */
  readonly slab: Uint8Array
  readonly payloadBytes: number
  readonly headBytes: number
  readonly positions: readonly Position[]
  /** Where it was stored, ever. */
  readonly copies: Copy[]
  /** Committed on a server that was lost. */
  lost: boolean
}

/** A transaction, or a message outside of transactions. */
export interface Item {
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly transactional: boolean
  /** Changes, and of each the messages. */
  readonly changes: readonly (readonly SimMessage[])[]
}

export class Wal {
  items: Item[] = []
  readonly messages: SimMessage[] = []
  /** How many messages each transaction makes, in all streams. */
  readonly sizes = new Map<number, number>()
  end: Lsn = toLsn(0x100n)
  timeline = 1
  /** Where each timeline left the history. */
  #ends = new Map<number, Lsn>()
  #xid = 700

  /** `shape`: any number; it says how large the transaction is and what goes where. */
  write(shape: number, streams: number): Item {
    const xid = ++this.#xid
    const transactional = shape % 11 !== 0
    // A commit may follow the one before it without a byte between them.
    const commitLsn = toLsn(this.end + BigInt((shape >>> 4) % 3) * 8n)
    const endLsn = toLsn(commitLsn + 8n)
    const count = transactional ? COUNTS[(shape >>> 6) % COUNTS.length]! : 1
    const changes: SimMessage[][] = []
    let bits = shape >>> 9
    for (let i = 0; i < count; i++) {
      bits = (Math.imul(bits, 0x9e3779b1) >>> 3) + 1
      // Ordinals have gaps: changes that no rule wanted.
      const ordinal = i * 2 + (shape & 1)
      // A message outside of transactions goes by the end of its record, where the next commit may begin.
      const place = transactional ? { commitLsn, ordinal } : { commitLsn: endLsn, ordinal: OUTSIDE }
      changes.push(this.#change(bits, streams, transactional ? xid : 0, place))
    }
    if (transactional)
      this.sizes.set(
        xid,
        changes.reduce((sum, change) => sum + change.length, 0),
      )
    const item = { commitLsn, endLsn, transactional, changes }
    this.items.push(item)
    this.end = endLsn
    return item
  }

  /** What else is written, by other databases: nothing to deliver. */
  grow(): void {
    this.end = toLsn(this.end + 8n)
  }

  /** The first item that a slot confirmed up to here still has to deliver. */
  firstAfter(confirmed: Lsn): number {
    let at = this.items.length
    while (at > 0 && this.items[at - 1]!.commitLsn >= confirmed) at--
    return at
  }

  /** A standby that never had the last `count` items becomes the primary. */
  failOver(count: number): void {
    const kept = Math.max(0, this.items.length - count)
    const at = this.items[kept]?.commitLsn ?? this.end
    for (const item of this.items.splice(kept)) {
      for (const change of item.changes) for (const message of change) message.lost = true
    }
    for (const [timeline, end] of this.#ends) if (end > at) this.#ends.set(timeline, at)
    this.#ends.set(this.timeline, at)
    this.timeline++
    this.end = at
  }

  /** As a daemon sees it that starts now: it does not learn of later failovers. */
  endOf(): (timeline: number) => Lsn | null {
    const ends = new Map(this.#ends)
    return timeline => ends.get(timeline) ?? null
  }

  #change(bits: number, streams: number, xid: number, place: Place): SimMessage[] {
    const messages: SimMessage[] = []
    const parts = new Array<number>(streams).fill(0)
    const copies = ROUTES[bits % ROUTES.length]!
    for (let i = 0; i < copies; i++) {
      const stream = (bits >>> (4 + i)) % streams
      messages.push(this.#message(stream, xid, place, parts[stream]!++))
    }
    return messages
  }

  #message(stream: number, xid: number, place: Place, part: number): SimMessage {
    const number = this.messages.length
    const { commitLsn, ordinal } = place
    const id = `${SYSTEM}.${xid}.${commitLsn.toString(16)}.${ordinal}${part === 0 ? '' : `.r${part}`}`
    // The timeline keeps ids apart that a failover would otherwise give twice.
    const msgId = this.timeline === 1 ? id : `${id}t${this.timeline}`
    const head = Buffer.from(`Nats-Msg-Id: ${msgId}\r\n\r\n`, 'latin1')
    const payloadBytes = PAYLOAD_BYTES[number % PAYLOAD_BYTES.length]!
    const positions = SLOTS.map(slot => ({ system: SYSTEM, timeline: this.timeline, slot, ...place }))
    const message: SimMessage = {
      number,
      name: `m${number}`,
      stream,
      position: positions[0]!,
      msgId,
      subject: String(number),
      target: TARGETS[stream]![part]!,
      xid,
      slab: Buffer.concat([head, new Uint8Array(payloadBytes)]),
      payloadBytes,
      headBytes: head.length,
      positions,
      copies: [],
      lost: false,
    }
    this.messages.push(message)
    return message
  }
}

const COUNTS = [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 5, 9, 40]
const ROUTES = [1, 1, 1, 1, 0, 2, 2, 3]
const PAYLOAD_BYTES = [1, 5, 20]
const TARGETS: readonly Target[][] = [0, 1, 2].map(lane => [0, 1, 2].map(part => ({ lane, part })))
