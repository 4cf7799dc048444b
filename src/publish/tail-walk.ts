/**
 * What resume must know of a stream: which of our messages it holds already. Pure: it is shown the headers of the
 * stream's messages, newest first, and says when it has seen enough.
 *
 * A message of ours that was published behind the fence says: everything of this slot up to my position is stored,
 * and nothing above it is stored before me. So the first such message ends the walk, and its position is the floor
 * below which everything is skipped. Messages of ours that were published unfenced, or by another slot of the same
 * database server, say nothing about their neighbours: they are skipped one by one, by Msg-Id.
 */
import type { Position } from '../event/position.ts'
import { comparePlaces } from '../event/position.ts'
import type { Lsn } from '../lsn.ts'

export interface StoredHeaders {
  readonly msgId: string | null
  readonly position: Position | null
  /** Published behind the fence: alone with an expected last sequence, or in an atomic batch. */
  readonly fenced: boolean
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

/** The most messages a window can hold, whatever is configured: unfenced holes can't lie further back than this. */
export const MAX_WINDOW_MESSAGES = 8192

export class TailWalk {
  /** Everything of ours up to here is stored. */
  floor: Position | null = null
  /** Messages above the floor that are stored, by Msg-Id. */
  readonly stored = new Map<string, Position>()
  /** The newest message is no message of ours: somebody else writes to this stream. */
  foreignTail = false
  /** Messages of ours from a history that the database has left (failover, restore). */
  lostHistory = 0
  readonly #origin: Origin
  #seen = 0
  #seenOurs = 0
  #seenDone = 0

  constructor(origin: Origin) {
    this.#origin = origin
  }

  /** The next older message. True: enough. */
  visit({ msgId, position, fenced }: StoredHeaders): boolean {
    const { system, slot, confirmed, endOf } = this.#origin
    const first = this.#seen++ === 0
    if (position === null || msgId === null || position.system !== system) {
      if (first) this.foreignTail = true
      return false
    }
    const end = endOf(position.timeline)
    if (end !== null && position.commitLsn >= end) {
      this.lostHistory++
      return false
    }
    if (position.slot === slot && fenced) {
      if (this.floor === null || comparePlaces(position, this.floor) > 0) this.floor = position
      return true
    }
    this.#seenOurs++
    if (position.commitLsn >= confirmed) this.stored.set(msgId, position)
    else this.#seenDone++
    if (this.#seenDone >= MAX_WINDOW_MESSAGES) return true
    return position.slot === slot && this.#seenOurs >= 3 * MAX_WINDOW_MESSAGES && this.#closeUnfenced()
  }

  /**
   * After three windows of unfenced messages, a whole window back from the highest there can be no hole: when the
   * highest was sent, all that lay a window before it had their acks. That point becomes the floor.
   */
  #closeUnfenced(): boolean {
    const highest = [...this.stored.values()]
      .filter(position => position.slot === this.#origin.slot)
      .sort(comparePlaces)
    const floor = highest[highest.length - MAX_WINDOW_MESSAGES]
    if (floor === undefined) return false
    this.floor = floor
    for (const [msgId, position] of this.stored) {
      if (position.slot === floor.slot && comparePlaces(position, floor) <= 0) this.stored.delete(msgId)
    }
    return true
  }
}
