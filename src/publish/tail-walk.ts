/**
 * What resume must know of a stream: which of our messages it holds already. Pure: it is shown the headers of the
 * stream's messages, newest first, and says when it has seen enough.
 *
 * Every message of ours says what was known when it was sent: everything of this slot below its floor is stored. The
 * highest floor found is true for good, whoever wrote in between. Messages at or above it are skipped one by one, by
 * Msg-Id. The fence can't tell as much: when another writer's message slips into the pipeline, the message that
 * follows the refused one finds the sequence that it expects.
 */
import type { Place, Position } from '../event/position.ts'
import { comparePlaces, OUTSIDE } from '../event/position.ts'
import type { Lsn } from '../lsn.ts'

export interface StoredHeaders {
  readonly seq: number
  readonly msgId: string | null
  readonly position: Position | null
  /** The message's `Fraiseql-Floor`; null: it has none, and its own place is its floor. */
  readonly floor: Place | null
}

/** Whose messages are ours, and where the history that is still valid ends. */
export interface Origin {
  readonly system: string
  readonly slot: string
  /** Commits below it are done and never come again. */
  readonly confirmed: Lsn
  /**
   * Where a timeline left the history of this server: messages from beyond were committed on a server that was
   * replaced, and say nothing about this one. null: the timeline is (still) valid everywhere.
   */
  readonly endOf: (timeline: number) => Lsn | null
}

/**
 * The most messages that a window can hold, whatever is configured. When a message was sent, fewer than this many
 * before it were not stored yet; so once that many below the floor were seen, none above it lies further back.
 */
export const MAX_WINDOW_MESSAGES = 4096
/** A window may overshoot by the messages of one change. */
const ENOUGH = MAX_WINDOW_MESSAGES + 1024
/** A stream in which so many messages are none of ours is not read further. */
const MOST_FOREIGN = 100_000

export class TailWalk {
  /** Everything of ours below is stored. */
  floor: Place | null = null
  /** Messages at or above the floor that are stored, by Msg-Id. */
  readonly stored = new Map<string, Position>()
  /** The newest message is no message of ours: somebody else writes to this stream. */
  foreignTail = false
  /** Messages of ours from a history that the database has left (failover, restore). */
  lostHistory = 0
  /** The stream that was looked at. */
  stream = ''
  /** It lives on a server by itself, not in a cluster. */
  alone = false
  /** The highest timeline that a message of ours comes from. */
  newestTimeline = 0
  readonly #origin: Origin
  #after: number
  readonly #afterStream: string
  #seen = 0
  #foreign = 0
  /** Per slot: messages below what matters. */
  readonly #below = new Map<string, number>()

  /** `after`, `afterStream`: how far an earlier walk of this run has looked, and in which stream. */
  constructor(origin: Origin, after = 0, afterStream = '') {
    this.#origin = origin
    this.#after = after
    this.#afterStream = afterStream
    this.#below.set(origin.slot, 0)
  }

  /** Called first. `stream` names it for good: its time of creation. Another one of the same name is looked at anew. */
  begin(stream: string, alone: boolean): void {
    this.stream = stream
    this.alone = alone
    if (stream !== this.#afterStream) this.#after = 0
  }

  /** The next older message. True: enough. */
  visit({ seq, msgId, position, floor }: StoredHeaders): boolean {
    const { system, slot, confirmed } = this.#origin
    if (seq <= this.#after) return true
    const first = this.#seen++ === 0
    if (position === null || msgId === null || position.system !== system) {
      if (first) this.foreignTail = true
      return ++this.#foreign >= MOST_FOREIGN
    }
    if (position.timeline > this.newestTimeline) this.newestTimeline = position.timeline
    if (this.#isLost(position)) {
      this.lostHistory++
      return false
    }
    if (position.slot === slot) this.#raise(floor ?? position)
    else this.#foreign++
    if (this.#matters(position, confirmed)) this.stored.set(msgId, position)
    else this.#below.set(position.slot, (this.#below.get(position.slot) ?? 0) + 1)
    return this.#foreign >= MOST_FOREIGN || [...this.#below.values()].every(count => count >= ENOUGH)
  }

  #raise(floor: Place): void {
    if (this.floor !== null && comparePlaces(floor, this.floor) <= 0) return
    this.floor = floor
    for (const [msgId, position] of this.stored) {
      if (position.slot !== this.#origin.slot || comparePlaces(position, floor) >= 0) continue
      this.stored.delete(msgId)
      this.#below.set(position.slot, this.#below.get(position.slot)! + 1)
    }
  }

  /** Committed on a server that was replaced, after this one had left it. */
  #isLost({ timeline, commitLsn, ordinal }: Position): boolean {
    const end = this.#origin.endOf(timeline)
    if (end === null) return false
    // A message outside a transaction has the LSN of its end, which may be the very end of the common history.
    return commitLsn > end || (commitLsn === end && ordinal !== OUTSIDE)
  }

  /** Whether the source may deliver it again, as far as is known. */
  #matters(position: Position, confirmed: Lsn): boolean {
    if (position.commitLsn < confirmed) return false
    return position.slot !== this.#origin.slot || comparePlaces(position, this.floor!) >= 0
  }
}
