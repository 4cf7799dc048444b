/**
 * The checker: what was committed, what the stream got, and how far was confirmed when; and from these three alone
 * whether the promise was kept. Pure, and without code of the program.
 *
 * A stream that is deleted or purged begins a new epoch: what it held counts as delivered, and may come again. Where
 * strangers write all the time the daemon gives up the fence, and says so; what that costs is counted for itself: what is
 * sent again comes late, and twice when the network held it back for longer than the duplicate window.
 */
import type { Expected } from './witness.ts'

/** A message as the stream holds it. */
export interface Stored {
  readonly epoch: number
  readonly seq: number
  /** When the server stored it, milliseconds since 1970. */
  readonly at: number
  /** null: a stranger's. */
  readonly msgId: string | null
  /** Carries a fence of its own, or belongs to a batch whose first message does. */
  readonly fenced: boolean
  /** `Nats-Expected-Last-Msg-Id`; null: the message has none. */
  readonly follows: string | null
  /** `Fraiseql-Floor`; null: the message has none. */
  readonly floor: { readonly commitLsn: bigint; readonly ordinal: number } | null
  readonly content: string
}

/** confirmed_flush_lsn, as it was at `at` at the latest. */
export interface Sample {
  readonly at: number
  readonly confirmed: bigint
}

export type Kind =
  | 'loss'
  | 'duplicate'
  | 'misorder'
  | 'early confirmation'
  | 'difference'
  | 'invention'
  | 'false floor'
  | 'no fence'

export interface Violation {
  readonly kind: Kind
  readonly text: string
}

export interface Verdict {
  readonly events: number
  readonly stored: number
  readonly strangers: number
  /** Came later than its place because a stranger's message got between messages in flight. */
  readonly lateByStranger: number
  /** Sent without the fence, and stored again after the duplicate window, or late. */
  readonly doubledUnfenced: number
  readonly lateUnfenced: number
  /** Events that came once more after the stream was deleted or purged. */
  readonly againAfterPurge: number
  readonly samples: number
  readonly counts: Readonly<Record<Kind, number>>
  /** The first few of each kind. */
  readonly violations: readonly Violation[]
}

export interface Limits {
  /** Most messages that the daemon has in flight. */
  readonly window: number
  /** Of the stream, milliseconds. */
  readonly duplicateWindowMs: number
}

/** Of each kind, so many are told. */
const TOLD = 5
/** The daemon needs as many messages of strangers to give up the fence. */
const STRANGERS_BREAK_FENCE = 5

interface Entry {
  readonly expected: Expected
  readonly index: number
  /** When it was first stored, in any epoch; Infinity: never. */
  at: number
  /** When it was stored last. */
  lastAt: number
  /** Where it was stored last. */
  epoch: number
  seq: number
}

export function judge(
  committed: readonly Expected[],
  stored: readonly Stored[],
  samples: readonly Sample[],
  limits: Limits,
): Verdict {
  const book = new Book(committed, limits)
  for (const message of stored) book.enter(message)
  book.checkLosses()
  book.checkSamples(samples)
  return book.verdict(samples.length)
}

class Book {
  readonly #entries: readonly Entry[]
  readonly #byId = new Map<string, Entry>()
  readonly #window: number
  readonly #duplicateWindowMs: number
  readonly #counts: Record<Kind, number> = {
    loss: 0,
    duplicate: 0,
    misorder: 0,
    'early confirmation': 0,
    difference: 0,
    invention: 0,
    'false floor': 0,
    'no fence': 0,
  }
  readonly #violations: Violation[] = []
  #stored = 0
  #strangers = 0
  #late = 0
  /** The message that was entered last, of this epoch. */
  #before: Stored | null = null
  #doubledUnfenced = 0
  #lateUnfenced = 0
  #again = 0
  #epoch = -1
  /** Index of the farthest event of this epoch, and the sequences at which the farthest moved on. */
  #farthest = -1
  #steps: { seq: number; index: number }[] = []
  #strangerSeqs: number[] = []
  /** All entries before are stored. */
  #complete = 0

  constructor(committed: readonly Expected[], { window, duplicateWindowMs }: Limits) {
    this.#window = window
    this.#duplicateWindowMs = duplicateWindowMs
    this.#entries = committed.map((expected, index) => ({
      expected,
      index,
      at: Number.POSITIVE_INFINITY,
      lastAt: 0,
      epoch: -1,
      seq: 0,
    }))
    for (const entry of this.#entries) this.#byId.set(entry.expected.msgId, entry)
  }

  enter(message: Stored): void {
    if (message.epoch !== this.#epoch) this.#turn(message.epoch)
    this.#stored++
    const before = this.#before
    this.#before = message
    if (message.follows !== null && before?.seq === message.seq - 1 && before.msgId !== message.follows) {
      this.#tell(
        'no fence',
        `${place(message)} should follow ${message.follows}, and follows ${before.msgId}`,
      )
    }
    if (message.msgId === null) {
      this.#strangers++
      this.#strangerSeqs.push(message.seq)
      return
    }
    const entry = this.#byId.get(message.msgId)
    if (entry === undefined) {
      this.#tell('invention', `${place(message)} was never committed`)
      return
    }
    if (entry.epoch === message.epoch) {
      if (!message.fenced && message.at - entry.lastAt >= this.#duplicateWindowMs) this.#doubledUnfenced++
      else this.#tell('duplicate', `${place(message)} is there already at ${entry.seq}`)
      return
    }
    if (entry.at !== Number.POSITIVE_INFINITY) this.#again++
    if (entry.expected.content !== message.content) {
      this.#tell(
        'difference',
        `${place(message)}\n  committed ${entry.expected.content}\n  stored    ${message.content}`,
      )
    }
    if (!message.fenced && this.#strangers < STRANGERS_BREAK_FENCE)
      this.#tell('no fence', `${place(message)} after ${this.#strangers} messages of strangers`)
    this.#checkFloor(message)
    this.#checkOrder(message, entry)
    entry.at = Math.min(entry.at, message.at)
    entry.lastAt = message.at
    entry.epoch = message.epoch
    entry.seq = message.seq
    while (this.#complete < this.#entries.length && this.#entries[this.#complete]!.epoch >= 0)
      this.#complete++
  }

  #turn(epoch: number): void {
    this.#epoch = epoch
    this.#before = null
    this.#farthest = -1
    this.#steps = []
    this.#strangerSeqs = []
  }

  /** Everything before the floor must have been stored before this message. */
  #checkFloor(message: Stored): void {
    const { floor } = message
    if (floor === null) return
    const missing = this.#entries[this.#complete]
    if (missing === undefined) return
    const { commitLsn, ordinal } = missing.expected
    if (commitLsn > floor.commitLsn || (commitLsn === floor.commitLsn && ordinal >= floor.ordinal)) return
    this.#tell(
      'false floor',
      `${place(message)} says ${floor.commitLsn.toString(16)}.${floor.ordinal}, but ${missing.expected.msgId} was not stored`,
    )
  }

  #checkOrder(message: Stored, { index }: Entry): void {
    if (index > this.#farthest) {
      this.#farthest = index
      this.#steps.push({ seq: message.seq, index })
      if (this.#steps.length > 4 * this.#window) this.#steps = this.#steps.slice(-2 * this.#window)
      return
    }
    const overtaken = this.#steps.find(step => step.index > index)
    const first = overtaken?.seq ?? 0
    const excused = this.#strangerSeqs.some(
      seq => seq < first && seq >= first - this.#window && message.seq - seq <= 3 * this.#window,
    )
    if (excused) this.#late++
    else if (!message.fenced) this.#lateUnfenced++
    else
      this.#tell(
        'misorder',
        `${place(message)} came after ${this.#entries[this.#farthest]!.expected.msgId}, first overtaken at ${first}`,
      )
  }

  checkLosses(): void {
    for (const { expected, at } of this.#entries) {
      if (at === Number.POSITIVE_INFINITY)
        this.#tell('loss', `${expected.msgId} (${expected.content.slice(0, 300)})`)
    }
  }

  /** What is confirmed must have been stored by then. */
  checkSamples(samples: readonly Sample[]): void {
    const byEnd = [...this.#entries].sort((a, b) => Number(a.expected.endLsn - b.expected.endLsn))
    const ordered = [...samples].sort((a, b) => Number(a.confirmed - b.confirmed))
    let at = 0
    let latest: Entry | null = null
    for (const sample of ordered) {
      for (; at < byEnd.length && byEnd[at]!.expected.endLsn <= sample.confirmed; at++) {
        if (latest === null || byEnd[at]!.at > latest.at) latest = byEnd[at]!
      }
      if (latest === null || latest.at <= sample.at) continue
      const stored =
        latest.at === Number.POSITIVE_INFINITY ? 'never' : `at ${new Date(latest.at).toISOString()}`
      this.#tell(
        'early confirmation',
        `${sample.confirmed.toString(16).toUpperCase()} was confirmed at ${new Date(sample.at).toISOString()}, but ${latest.expected.msgId} was stored ${stored}`,
      )
    }
  }

  verdict(samples: number): Verdict {
    return {
      events: this.#entries.length,
      stored: this.#stored,
      strangers: this.#strangers,
      lateByStranger: this.#late,
      doubledUnfenced: this.#doubledUnfenced,
      lateUnfenced: this.#lateUnfenced,
      againAfterPurge: this.#again,
      samples,
      counts: this.#counts,
      violations: this.#violations,
    }
  }

  #tell(kind: Kind, text: string): void {
    if (++this.#counts[kind] <= TOLD) this.#violations.push({ kind, text: `${kind}: ${text}` })
  }
}

function place({ epoch, seq, at, msgId }: Stored): string {
  return `${msgId} at ${seq} of epoch ${epoch} (${new Date(at).toISOString()})`
}
