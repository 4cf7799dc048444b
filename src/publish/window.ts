/**
 * The window: every message that was offered and has no publish ack yet, in order, with all that is needed to send
 * it again. A ring of parallel arrays, because an object a message would be garbage a message. Entries are named by
 * their number, which counts up over the whole run; `low <= entry < high`.
 *
 *     low            next            high
 *      | SENT, STORED | QUEUED ...     |
 */
import { Slabs } from '../event/slabs.ts'
import type { Lsn } from '../lsn.ts'

/** Not handed to the client yet, or handed and known not to be stored. */
export const QUEUED = 0
/** Handed to the client; no word from JetStream yet. */
export const SENT = 1
/** JetStream has it. */
export const STORED = 2

const EMPTY = new Uint8Array(0)

/** Where a message goes, the same object for all messages of a route. */
export interface Target {
  /** Index of the stream's lane. */
  readonly lane: number
}

const NOWHERE: Target = { lane: 0 }

/** A message as it is offered. Whoever offers keeps one and fills it anew for each. */
export interface Outgoing {
  target: Target
  subject: string
  /** Holds the headers at `start`, but for their first lines, and the payload behind them; kept until the entry is done. */
  slab: Uint8Array
  start: number
  headBytes: number
  payloadBytes: number
  commitLsn: Lsn
  ordinal: number
  /** Commit time in milliseconds since 1970; NaN where it is not known. */
  commitMs: number
  offeredAt: number
}

export class Window {
  /** The oldest entry that is not done. */
  low = 0
  /** The number the next entry will get. */
  high = 0
  /** Header and payload bytes of the entries. */
  bytes = 0
  #mask: number
  #state: Uint8Array
  #target: Target[]
  #ordinal: Float64Array
  #commitLsn: BigUint64Array
  #sequence: Float64Array
  #sentAt: Float64Array
  #commitMs: Float64Array
  #offeredAt: Float64Array
  #group: Float64Array
  #subject: string[]
  #slab: Uint8Array[]
  #start: Float64Array
  #payloadBytes: Float64Array
  #headBytes: Float64Array

  /** `capacity`: entries expected at most. The ring grows when one change makes more of them than were free. */
  constructor(capacity: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, capacity)))
    this.#mask = size - 1
    this.#state = new Uint8Array(size)
    this.#target = new Array(size).fill(NOWHERE)
    this.#ordinal = new Float64Array(size)
    this.#commitLsn = new BigUint64Array(size)
    this.#sequence = new Float64Array(size)
    this.#sentAt = new Float64Array(size)
    this.#commitMs = new Float64Array(size)
    this.#offeredAt = new Float64Array(size)
    this.#group = new Float64Array(size)
    this.#subject = new Array(size).fill('')
    this.#slab = new Array(size).fill(EMPTY)
    this.#start = new Float64Array(size)
    this.#payloadBytes = new Float64Array(size)
    this.#headBytes = new Float64Array(size)
  }

  get size(): number {
    return this.high - this.low
  }

  push(message: Outgoing): number {
    if (this.size > this.#mask) this.#grow()
    const entry = this.high++
    const i = entry & this.#mask
    this.#state[i] = QUEUED
    this.#target[i] = message.target
    this.#ordinal[i] = message.ordinal
    this.#commitLsn[i] = message.commitLsn
    this.#commitMs[i] = message.commitMs
    this.#offeredAt[i] = message.offeredAt
    this.#subject[i] = message.subject
    this.#slab[i] = message.slab
    this.#start[i] = message.start
    this.#payloadBytes[i] = message.payloadBytes
    this.#headBytes[i] = message.headBytes
    this.bytes += message.payloadBytes + message.headBytes
    return entry
  }

  state(entry: number): number {
    return this.#state[entry & this.#mask]!
  }

  setState(entry: number, state: number): void {
    this.#state[entry & this.#mask] = state
  }

  target(entry: number): Target {
    return this.#target[entry & this.#mask]!
  }

  subject(entry: number): string {
    return this.#subject[entry & this.#mask]!
  }

  /** What holds the headers, at `start`, which lack their first lines, and the payload behind them. */
  slab(entry: number): Uint8Array {
    return this.#slab[entry & this.#mask]!
  }

  start(entry: number): number {
    return this.#start[entry & this.#mask]!
  }

  payloadBytes(entry: number): number {
    return this.#payloadBytes[entry & this.#mask]!
  }

  headBytes(entry: number): number {
    return this.#headBytes[entry & this.#mask]!
  }

  commitLsn(entry: number): Lsn {
    return this.#commitLsn[entry & this.#mask]! as Lsn
  }

  ordinal(entry: number): number {
    return this.#ordinal[entry & this.#mask]!
  }

  commitMs(entry: number): number {
    return this.#commitMs[entry & this.#mask]!
  }

  offeredAt(entry: number): number {
    return this.#offeredAt[entry & this.#mask]!
  }

  /** Stream sequence the entry was predicted to get when it was sent; NaN when it was sent unfenced. */
  sequence(entry: number): number {
    return this.#sequence[entry & this.#mask]!
  }

  sentAt(entry: number): number {
    return this.#sentAt[entry & this.#mask]!
  }

  /** The first entry of the chain or batch that the entry was sent in; the entry itself when it was sent alone. */
  group(entry: number): number {
    return this.#group[entry & this.#mask]!
  }

  setSent(entry: number, sequence: number, now: number, group = entry): void {
    const i = entry & this.#mask
    this.#group[i] = group
    this.#state[i] = SENT
    this.#sequence[i] = sequence
    this.#sentAt[i] = now
  }

  /** Lets go of the stored entries at the low end. Returns whether there were any. */
  release(): boolean {
    const before = this.low
    while (this.low < this.high) {
      const i = this.low & this.#mask
      if (this.#state[i] !== STORED) break
      this.bytes -= this.#payloadBytes[i]! + this.#headBytes[i]!
      this.#slab[i] = EMPTY
      this.low++
    }
    return this.low !== before
  }

  #grow(): void {
    const bigger = new Window((this.#mask + 1) * 2)
    bigger.low = this.low
    bigger.high = this.low
    for (let entry = this.low; entry < this.high; entry++) {
      const i = entry & this.#mask
      bigger.push({
        target: this.#target[i]!,
        subject: this.#subject[i]!,
        slab: this.#slab[i]!,
        start: this.#start[i]!,
        payloadBytes: this.#payloadBytes[i]!,
        headBytes: this.#headBytes[i]!,
        commitLsn: this.#commitLsn[i]! as Lsn,
        ordinal: this.#ordinal[i]!,
        commitMs: this.#commitMs[i]!,
        offeredAt: this.#offeredAt[i]!,
      })
      bigger.setSent(entry, this.#sequence[i]!, this.#sentAt[i]!, this.#group[i]!)
      bigger.setState(entry, this.#state[i]!)
    }
    this.#mask = bigger.#mask
    this.#state = bigger.#state
    this.#target = bigger.#target
    this.#ordinal = bigger.#ordinal
    this.#commitLsn = bigger.#commitLsn
    this.#sequence = bigger.#sequence
    this.#sentAt = bigger.#sentAt
    this.#commitMs = bigger.#commitMs
    this.#offeredAt = bigger.#offeredAt
    this.#group = bigger.#group
    this.#subject = bigger.#subject
    this.#slab = bigger.#slab
    this.#start = bigger.#start
    this.#payloadBytes = bigger.#payloadBytes
    this.#headBytes = bigger.#headBytes
  }
}

/**
 * Slabs for the window's messages, as they are encoded or as they are sent. One is free again when all entries that had
 * begun by its end are done: then nothing here reads it any more, and its bytes have left the socket, since whatever
 * told that an entry is stored came behind them on the same connection.
 */
export function windowSlabs(window: () => Window | null): Slabs {
  // The message that is being written has no number yet.
  const begun = () => (window()?.high ?? Number.POSITIVE_INFINITY) + 1
  return new Slabs(begun, () => window()?.low ?? 0)
}
