/**
 * A JetStream stream as its publishers see it: sequences, the fence, deduplication by Msg-Id, limits, removal. It holds
 * no client and no clock. test/integration/sim-model.test.ts asks real servers the same questions.
 *
 * Servers differ in when they look at the Msg-Id (seen with requests one after the other):
 *     late                 after the fence: 2.12 and later with one replica
 *     early                before the fence: 2.10 with one replica, 2.12 and later with three
 *     claims-duplicate     before the fence, and a message that is refused is remembered as if it were stored, with
 *                          sequence 0: 2.10 with three replicas
 *     claims-in-process    the same, but it is refused when it comes again (10158): 2.11 with three replicas
 */
export type IdCheck = 'late' | 'early' | 'claims-duplicate' | 'claims-in-process'

/** What a publisher sends: the headers that JetStream acts upon. */
export interface Incoming {
  readonly msgId: string | null
  /** Nats-Expected-Last-Sequence. */
  readonly expected: number | null
  /** Nats-Expected-Last-Msg-Id. */
  readonly follows: string | null
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
  readonly idCheck: IdCheck
  readonly duplicateWindowMs: number
  /** 0: no limit. */
  readonly maxMessages: number
  readonly maxBytes: number
  readonly discard: 'old' | 'new'
}

export const WRONG_ID = 10070
export const WRONG_SEQUENCE = 10071
export const FULL = 10077
export const IN_PROCESS = 10158
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
  /** The Msg-Id that came with the last message, though it was removed; null when it came without. */
  lastId: string | null = null
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
    return message.batch === null
      ? this.#publishAlone(message, now)
      : this.#stage(message, message.batch, now)
  }

  /** As a restart of the server or another leader does. */
  dropBatches(): void {
    this.#staged.clear()
  }

  #publishAlone(message: T, now: number): Answer {
    const { idCheck, discard } = this.#setting
    const known = this.#lookUp(message.msgId, now)
    const wrong = message.expected !== null && message.expected !== this.lastSequence
    const strange = message.follows !== null && message.follows !== this.lastId
    if (idCheck !== 'late' && known !== undefined) return this.#answerKnown(known)
    if (wrong) return this.#refuse(message, WRONG_SEQUENCE, now)
    if (known !== undefined) return this.#answerKnown(known)
    if (strange) return this.#refuse(message, WRONG_ID, now)
    if (discard === 'new' && !this.#fits(1, message.size)) return this.#refuse(message, FULL, now)
    return { code: 0, sequence: this.#store(message, now), duplicate: false }
  }

  #stage(message: T, { id, sequence, commit }: Batch, now: number): Answer | null {
    const staged = sequence === 1 ? { messages: [], until: 0 } : this.#staged.get(id)
    this.#staged.delete(id)
    if (
      staged === undefined ||
      staged.messages.length !== sequence - 1 ||
      (sequence > 1 && now >= staged.until)
    ) {
      return commit ? refusal(INCOMPLETE_BATCH) : null
    }
    staged.messages.push(message)
    staged.until = now + BATCH_TIMEOUT_MS
    if (commit) return this.#commit(staged.messages, now)
    this.#staged.set(id, staged)
    return null
  }

  #commit(messages: readonly T[], now: number): Answer {
    const ids = new Set<string>()
    let bytes = 0
    for (const [index, message] of messages.entries()) {
      bytes += message.size
      const { msgId, expected } = message
      if (msgId !== null && (ids.has(msgId) || this.#lookUp(msgId, now) !== undefined)) {
        return refusal(DUPLICATE_IN_BATCH)
      }
      if (msgId !== null) ids.add(msgId)
      if (expected !== null && expected !== this.lastSequence) return refusal(WRONG_SEQUENCE)
      if (this.#setting.discard === 'new' && !this.#fits(index + 1, bytes)) return refusal(FULL)
    }
    let sequence = 0
    for (const message of messages) sequence = this.#store(message, now)
    return { code: 0, sequence, duplicate: false }
  }

  #store(message: T, now: number): number {
    const sequence = ++this.lastSequence
    const stored = { sequence, message }
    this.#stored.push(stored)
    this.lastId = message.msgId
    this.count++
    this.bytes += message.size
    if (message.msgId !== null) this.#remember(message.msgId, sequence, now)
    this.#listener?.stored(stored)
    while (this.#over()) this.removeOldest()
    return sequence
  }

  /** Of the oldest message; of an empty stream, the one that the next message will get. */
  get firstSequence(): number {
    return this.#first
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

  #answerKnown({ sequence }: Remembered): Answer {
    if (sequence === 0 && this.#setting.idCheck === 'claims-in-process') return refusal(IN_PROCESS)
    return { code: 0, sequence, duplicate: true }
  }

  #remember(msgId: string, sequence: number, now: number): void {
    this.#known.set(msgId, { sequence, until: now + this.#setting.duplicateWindowMs })
  }

  #lookUp(msgId: string | null, now: number): Remembered | undefined {
    if (msgId === null) return undefined
    const known = this.#known.get(msgId)
    return known !== undefined && now < known.until ? known : undefined
  }

  #refuse({ msgId }: T, code: number, now: number): Answer {
    if (msgId !== null && this.#setting.idCheck.startsWith('claims')) this.#remember(msgId, 0, now)
    return refusal(code)
  }

  /** So many more messages, with so many bytes together. */
  #fits(messages: number, bytes: number): boolean {
    const { maxMessages, maxBytes } = this
    if (maxMessages > 0 && this.count + messages > maxMessages) return false
    return maxBytes === 0 || this.bytes + bytes <= maxBytes
  }

  #over(): boolean {
    const { maxMessages, maxBytes } = this
    return (maxMessages > 0 && this.count > maxMessages) || (maxBytes > 0 && this.bytes > maxBytes)
  }
}

export function refusal(code: number): Answer {
  return { code, sequence: 0, duplicate: false }
}
