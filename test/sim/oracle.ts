/**
 * What is promised (docs/design: nothing lost, nothing twice, in commit order), said once more without a line of the
 * daemon's code. It watches what streams store and what is confirmed, and throws the first broken promise.
 *
 * Twice. A message may be stored again only if no resume could know of the first copy: it was removed before the tail
 * was read; or it came late, after that, and beyond the duplicate window, where no fence holds (a shared stream, or a
 * stranger's message or a removal in mid-flight, so that the resume counted otherwise).
 * Order. A message that comes later than one that follows it in the WAL is excused when that one was sent unfenced
 * (a stream shared with other writers), or when somebody else wrote into the stream while it was in flight: the fence
 * is a number, and a stranger's message makes the next fence fit.
 * Whole. Where transactions go as batches, one that fits is sent as one batch.
 * Loss. Stored once is stored: what people or limits remove afterwards is theirs.
 */
import type { Lsn } from '../../src/lsn.ts'
import type { Item, SimMessage } from './wal.ts'

export type Broken =
  | 'lost'
  | 'confirmed early'
  | 'twice'
  | 'order'
  | 'never done'
  | 'shared without need'
  | 'sent while down'
  | 'resent too soon'
  | 'split'
  | 'mixed up'
  | 'overfull'
  | 'exception'

export class Violation extends Error {
  readonly broken: Broken

  constructor(broken: Broken, message: string) {
    super(message)
    this.broken = broken
  }
}

/** One message in one stream. Moments count what happens in the world, not time. */
export interface Copy {
  readonly message: SimMessage
  readonly slot: number
  /** Which life of the stream: it may be deleted and made anew. */
  readonly life: number
  readonly sequence: number
  /** As far as promised: false only where a daemon had reason to give up the fence. */
  readonly fenced: boolean
  readonly storedAt: number
  removedAt: number
  /** When the resume before it was sent began and finished to read the tail. */
  readonly readFrom: number
  readonly readTo: number
  /** When a message of ours was last removed from the stream before this. */
  readonly removalAt: number
  /** When somebody else last wrote into the stream before this. */
  readonly strangerAt: number
}

export interface Counts {
  stored: number
  late: number
  again: number
}

export class Oracle {
  /** Misorders that a stranger's message excuses are broken promises, too. */
  readonly strict: boolean
  readonly counts: Counts = { stored: 0, late: 0, again: 0 }
  /** By stream: the copies of its present life, as stored. */
  readonly #copies: Copy[][]
  /** Up to where each slot's confirmed items were looked at, as an LSN. */
  readonly #checked: Lsn[] = [0n as Lsn, 0n as Lsn]

  constructor(streams: number, strict: boolean) {
    this.strict = strict
    this.#copies = Array.from({ length: streams }, () => [])
  }

  /** `sentInLife`: the stream's life when the message was sent. */
  stored(copy: Copy, sentInLife: number): void {
    const { message } = copy
    this.counts.stored++
    if (!message.lost && sentInLife === copy.life) {
      for (const other of message.copies) if (other.life === copy.life) this.#checkTwice(copy, other)
      if (message.copies.length === 0) this.#checkOrder(copy)
    }
    message.copies.push(copy)
    this.#copies[message.stream]!.push(copy)
  }

  streamDeleted(stream: number, moment: number): void {
    for (const copy of this.#copies[stream]!) copy.removedAt = Math.min(copy.removedAt, moment)
    this.#copies[stream] = []
  }

  /** `items`: the valid WAL. `owns`: whether the slot publishes the message. */
  confirmed(slot: number, lsn: Lsn, items: readonly Item[], owns: (message: SimMessage) => boolean): void {
    const from = this.#checked[slot]!
    if (lsn <= from) return
    this.#checked[slot] = lsn
    for (let at = items.length - 1; at >= 0; at--) {
      const item = items[at]!
      if (item.commitLsn >= lsn) continue
      if (item.commitLsn < from) break
      for (const change of item.changes) {
        for (const message of change) if (owns(message)) this.#checkConfirmed(message, slot)
      }
    }
  }

  /** A failover took the end of the WAL away; other items will stand there. */
  failedOver(end: Lsn): void {
    this.#checked.forEach((lsn, slot) => {
      if (lsn > end) this.#checked[slot] = end
    })
  }

  /** Everything was delivered, confirmed and drained. */
  finished(messages: readonly SimMessage[]): void {
    for (const message of messages) {
      if (!message.lost && message.copies.length === 0) {
        throw new Violation('lost', `${message.name} was never stored`)
      }
    }
  }

  #checkConfirmed(message: SimMessage, slot: number): void {
    if (message.copies.length > 0) return
    throw new Violation(
      'confirmed early',
      `slot ${slot} is confirmed past ${message.name}, which is not stored`,
    )
  }

  #checkTwice(copy: Copy, other: Copy): void {
    const { message } = copy
    const known = other.storedAt <= copy.readFrom
    const unlike = isDisturbed(copy) || isDisturbed(other) || copy.removalAt > other.readFrom
    const excused = known ? other.removedAt < copy.readTo : !copy.fenced || unlike
    if (excused) {
      this.counts.again++
      return
    }
    const seen = known ? 'before the tail was read' : 'behind the fence'
    throw new Violation(
      'twice',
      `${message.name} is stored at ${copy.sequence}, and was at ${other.sequence} ${seen}`,
    )
  }

  #checkOrder(copy: Copy): void {
    const copies = this.#copies[copy.message.stream]!
    const { number } = copy.message
    for (let at = copies.length - 1; at >= 0; at--) {
      const other = copies[at]!
      if (other.slot !== copy.slot || other.message.lost || number > other.message.number) continue
      if (other.removedAt < copy.readTo) continue
      if (!other.fenced || (isDisturbed(other) && !this.strict)) {
        this.counts.late++
        continue
      }
      const places = `${copy.message.name} is stored at ${copy.sequence}, behind ${other.message.name}`
      throw new Violation('order', `${places} at ${other.sequence}`)
    }
  }
}

/** A stranger wrote into the stream while it was in flight, so its fence says nothing about what lies before it. */
function isDisturbed(copy: Copy): boolean {
  return copy.strangerAt > copy.readFrom
}
