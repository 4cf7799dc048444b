/**
 * A JetStream stream as its publishers see it: sequences, the fence, deduplication by Msg-Id, limits, removal. It holds
 * no client and no clock. test/integration/sim-model.test.ts asks real servers the same questions.
 *
 * One replica checks the fence before the Msg-Id; three check the Msg-Id first, because the leader looks it up before
 * it proposes the message to the others.
 */

/** What a publisher sends: the headers that JetStream acts upon. */
export interface Incoming {
  readonly msgId: string | null
  /** Nats-Expected-Last-Sequence. */
  readonly expected: number | null
  /** Bytes, for limits. */
  readonly size: number
  /** Nats-Batch-Id, -Sequence, -Commit: part of an atomic batch. */
  readonly batch: Batch | null
}

export interface Batch {
  readonly id: string
  /** From 1. */
  readonly sequence: number
  readonly commit: boolean
}

export interface Stored<T extends Incoming> {
  readonly sequence: number
  readonly message: T
}

export type Answer =
  | { readonly code: 0; readonly sequence: number; readonly duplicate: boolean }
  | { readonly code: number; readonly sequence: 0; readonly duplicate: false }

export interface StreamSetting {
  readonly replicated: boolean
  readonly duplicateWindowMs: number
  /** 0: no limit. */
  readonly maxMessages: number
  readonly maxBytes: number
  readonly discard: 'old' | 'new'
}

export const WRONG_SEQUENCE = 10071
export const FULL = 10077
export const INCOMPLETE_BATCH = 10176
export const DUPLICATE_IN_BATCH = 10201
/** A batch that gets no further message for so long is given up. */
const BATCH_TIMEOUT_MS = 10_000

interface Remembered {
  readonly sequence: number
  readonly until: number
}

/** A batch that is not committed yet. */
interface Staged<T> {
  readonly messages: T[]
  until: number
}

interface Listener<T extends Incoming> {
  readonly stored: (stored: Stored<T>) => void
  readonly removed: (stored: Stored<T>) => void
}

export class ModelStream<T extends Incoming> {
  lastSequence = 0
  count = 0
  bytes = 0
  maxMessages: number
  maxBytes: number
  readonly #setting: StreamSetting
  /** Index: sequence - 1. Undefined: removed. */
  readonly #stored: (Stored<T> | undefined)[] = []
  readonly #known = new Map<string, Remembered>()
  readonly #staged = new Map<string, Staged<T>>()
  #first = 1
  readonly #listener: Listener<T> | null

  constructor(setting: StreamSetting, listener: Listener<T> | null = null) {
    this.#setting = setting
    this.maxMessages = setting.maxMessages
    this.maxBytes = setting.maxBytes
    this.#listener = listener
  }

  /** null: no answer, because it is part of a batch that is not committed by it. */
  publish(message: T, now: number): Answer | null {
    return message.batch === null ? this.#publishAlone(message, now) : this.#stage(message, message.batch, now)
  }

  /** As a restart of the server or another leader does. */
  dropBatches(): void {
    this.#staged.clear()
  }

  #publishAlone(message: T, now: number): Answer {
    const { replicated, discard } = this.#setting
    const known = this.#lookUp(message.msgId, now)
    const wrong = message.expected !== null && message.expected !== this.lastSequence
    if (replicated && known !== undefined) return { code: 0, sequence: known.sequence, duplicate: true }
    if (wrong) return refusal(WRONG_SEQUENCE)
    if (known !== undefined) return { code: 0, sequence: known.sequence, duplicate: true }
    if (discard === 'new' && !this.#fits([message])) return refusal(FULL)
    return { code: 0, sequence: this.#store(message, now), duplicate: false }
  }

  #stage(message: T, { id, sequence, commit }: Batch, now: number): Answer | null {
    const staged = sequence === 1 ? { messages: [], until: 0 } : this.#staged.get(id)
    this.#staged.delete(id)
    if (staged === undefined || staged.messages.length !== sequence - 1 || (sequence > 1 && now >= staged.until)) {
      return commit ? refusal(INCOMPLETE_BATCH) : null
    }
    staged.messages.push(message)
    staged.until = now + BATCH_TIMEOUT_MS
    if (commit) return this.#commit(staged.messages, now)
    this.#staged.set(id, staged)
    return null
  }

  #commit(messages: readonly T[], now: number): Answer {
    const { expected } = messages[0]!
    if (expected !== null && expected !== this.lastSequence) return refusal(WRONG_SEQUENCE)
    if (messages.some(({ msgId }) => this.#lookUp(msgId, now) !== undefined)) return refusal(DUPLICATE_IN_BATCH)
    if (this.#setting.discard === 'new' && !this.#fits(messages)) return refusal(FULL)
    let sequence = 0
    for (const message of messages) sequence = this.#store(message, now)
    return { code: 0, sequence, duplicate: false }
  }

  #store(message: T, now: number): number {
    const sequence = ++this.lastSequence
    const stored = { sequence, message }
    this.#stored.push(stored)
    this.count++
    this.bytes += message.size
    const until = now + this.#setting.duplicateWindowMs
    if (message.msgId !== null) this.#known.set(message.msgId, { sequence, until })
    this.#listener?.stored(stored)
    while (this.#over()) this.removeOldest()
    return sequence
  }

  get(sequence: number): Stored<T> | undefined {
    return this.#stored[sequence - 1]
  }

  /** The newest message at or before `sequence`. */
  newest(sequence = this.lastSequence): Stored<T> | undefined {
    for (let at = sequence; at >= this.#first; at--) {
      const stored = this.#stored[at - 1]
      if (stored !== undefined) return stored
    }
    return undefined
  }

  remove(sequence: number): void {
    const stored = this.#stored[sequence - 1]
    if (stored === undefined) return
    this.#stored[sequence - 1] = undefined
    this.count--
    this.bytes -= stored.message.size
    while (this.#first <= this.lastSequence && this.#stored[this.#first - 1] === undefined) this.#first++
    this.#listener?.removed(stored)
  }

  /** As limits and age do. */
  removeOldest(): void {
    this.remove(this.#first)
  }

  purge(): void {
    while (this.#first <= this.lastSequence) this.removeOldest()
  }

  #lookUp(msgId: string | null, now: number): Remembered | undefined {
    if (msgId === null) return undefined
    const known = this.#known.get(msgId)
    return known !== undefined && now < known.until ? known : undefined
  }

  #fits(messages: readonly T[]): boolean {
    const { maxMessages, maxBytes } = this
    if (maxMessages > 0 && this.count + messages.length > maxMessages) return false
    return maxBytes === 0 || this.bytes + messages.reduce((sum, { size }) => sum + size, 0) <= maxBytes
  }

  #over(): boolean {
    const { maxMessages, maxBytes } = this
    return (maxMessages > 0 && this.count > maxMessages) || (maxBytes > 0 && this.bytes > maxBytes)
  }
}

export function refusal(code: number): Answer {
  return { code, sequence: 0, duplicate: false }
}
