/**
 * A lane is one stream as the publisher sees it: which sequence the next message follows (the fence), and which of
 * our messages the stream is known to hold already (after a resume). Pure state; the publisher drives it.
 */
import type { Place } from '../event/position.ts'
import { comparePlaces } from '../event/position.ts'
import { MESSAGE_ID_AT, messageIdEnd } from './head.ts'
import type { TailWalk } from './tail-walk.ts'
import type { Window } from './window.ts'

/** So many times somebody else's message broke the fence within FOREIGN_SPAN_MS, and the lane goes on unfenced. */
const FOREIGN_LIMIT = 5
const FOREIGN_SPAN_MS = 10_000

/** So many messages in a row without an answer, from a stream that can be read, and it must have been changed. */
const UNANSWERED_LIMIT = 5

export const NOT_SENT = -1

/**
 * When messages go in atomic batches. `measured`: in a backlog, if that is found to be faster; `backlog`: in any;
 * `always`: every transaction.
 */
export type BatchMode = 'never' | 'measured' | 'backlog' | 'always'

/** So many messages waiting at once are a backlog: below, a batch gains nothing. */
export const BACKLOG = 32

export interface LaneOptions {
  /** Of the stream. */
  readonly name: string
  readonly batches: BatchMode
  /** Others write to it by design, so that a fence would break all the time. */
  readonly shared: boolean
}

/** What a resume found out about a stream. */
export interface Resumed {
  /** It is sent to unfenced from now on. */
  readonly becameShared: boolean
  /** Sequences that were stored, and that the stream has forgotten; null: none. Removed messages are not forgotten. */
  readonly gone: { readonly from: number; readonly to: number } | null
}

export class Lane {
  readonly index: number
  readonly stream: string
  readonly batches: BatchMode
  /** A backlog is being sent in batches. */
  batching = false
  /** Entries below are sent singly: a batch or a chain with one of them may have been refused. */
  singlyTo = 0
  /** Entries that wait to be sent together; empty but during a flush. */
  readonly pending: number[] = []
  /** The entry that was sent last since the stream was read, unless it was a batch. */
  lastSent = NOT_SENT
  /** Sequence of the last message, as far as the publisher knows or predicts it. */
  lastSequence = 0
  /** Other writers interfere all the time: no fence any more. What is stored is still found by Msg-Id. */
  shared: boolean
  /** A resume of this run has looked at the stream up to this sequence. */
  lookedAt = 0
  /** When that stream was created: another one of the same name holds other messages. */
  lookedAtStream = ''
  /** Messages in a row that nobody answered although the stream could be read just before. */
  unanswered = 0
  /** The highest sequence that is known to have been stored. */
  #known = 0
  /** The stream lives on a server by itself. */
  #alone = false
  #floor: Place | null = null
  readonly #stored = new Map<string, Place>()
  /** The highest place among `#stored`. */
  #ceiling: Place | null = null
  /** When foreign messages were met at the end of the stream. */
  #foreign: number[] = []

  constructor(index: number, { name, batches, shared }: LaneOptions) {
    this.index = index
    this.stream = name
    this.batches = batches
    this.shared = shared
  }

  /**
   * Whether the fence of a message that follows one in flight is that one's Msg-Id. The sequence would do only as long as
   * nobody else writes: with one message refused and somebody else's in its place, the next one would be stored. Not in a
   * cluster: there one refusal by Msg-Id has stopped a replicated stream, and any stream may become one.
   */
  get chained(): boolean {
    return this.#alone && !this.shared
  }

  /** Nobody was there for a message, or the time was over. True: the stream must have been changed. */
  goesUnanswered(): boolean {
    return ++this.unanswered >= UNANSWERED_LIMIT
  }

  /** Whether messages go in batches now. `backlog`: how many wait. `faster`: batches were measured to be. */
  decideBatching(backlog: number, faster: boolean): void {
    switch (this.batches) {
      case 'never':
        return
      case 'always':
        this.batching = true
        return
      case 'measured':
        this.batching = faster && backlog >= BACKLOG
        return
      case 'backlog':
        this.batching = backlog >= BACKLOG
        return
    }
  }

  /** Whether the entry is sent together with those around it. */
  gathers(entry: number): boolean {
    return entry >= this.singlyTo && (this.batching || this.chained)
  }

  /** It has stored a message at this sequence. */
  answers(sequence: number): void {
    this.unanswered = 0
    if (sequence > this.#known) this.#known = sequence
  }

  /** Takes over what a resume found. */
  resumed(lastSequence: number, walk: TailWalk, now: number): Resumed {
    const gone = this.#gone(lastSequence, walk.stream)
    this.#known = lastSequence
    this.lastSequence = lastSequence
    this.lookedAt = lastSequence
    this.lookedAtStream = walk.stream
    this.#alone = walk.alone
    this.lastSent = NOT_SENT
    if (walk.floor !== null && (this.#floor === null || comparePlaces(walk.floor, this.#floor) > 0)) {
      this.#floor = walk.floor
    }
    for (const [msgId, place] of walk.stored) {
      this.#stored.set(msgId, place)
      if (this.#ceiling === null || comparePlaces(place, this.#ceiling) > 0) this.#ceiling = place
    }
    return { becameShared: walk.foreignTail && !this.shared && this.#becomesShared(now), gone }
  }

  /** Somebody else's message is at the end of the stream. */
  #becomesShared(now: number): boolean {
    this.#foreign = this.#foreign.filter(at => at > now - FOREIGN_SPAN_MS)
    this.#foreign.push(now)
    this.shared = this.#foreign.length >= FOREIGN_LIMIT
    return this.shared
  }

  /** A copy of an earlier day was restored, a crash took what was not synced, or it is another stream of the same name. */
  #gone(lastSequence: number, stream: string): Resumed['gone'] {
    const another = this.lookedAtStream !== '' && stream !== this.lookedAtStream
    const from = another ? 1 : lastSequence + 1
    return from > this.#known ? null : { from, to: this.#known }
  }

  /** Whether the stream holds this entry already. Entries come in order, so what lies behind them is forgotten. */
  holds(window: Window, entry: number): boolean {
    if (this.#floor === null && this.#ceiling === null) return false
    const place = { commitLsn: window.commitLsn(entry), ordinal: window.ordinal(entry) }
    if (this.#floor !== null) {
      if (comparePlaces(place, this.#floor) < 0) return true
      this.#floor = null
    }
    if (this.#ceiling === null) return false
    if (comparePlaces(place, this.#ceiling) <= 0) return this.#stored.has(messageIdOf(window, entry))
    this.#stored.clear()
    this.#ceiling = null
    return false
  }
}

/** The Msg-Id that stands in prepared headers. */
function messageIdOf(window: Window, entry: number): string {
  const slab = window.slab(entry)
  const from = window.start(entry) + MESSAGE_ID_AT
  return Buffer.from(slab.buffer, slab.byteOffset).toString('latin1', from, messageIdEnd(slab, from))
}
