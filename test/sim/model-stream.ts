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

interface Remembered {
  readonly sequence: number
  readonly until: number
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
  #first = 1
  readonly #onRemoved: (stored: Stored<T>) => void

  constructor(setting: StreamSetting, onRemoved: (stored: Stored<T>) => void = () => undefined) {
    this.#setting = setting
    this.maxMessages = setting.maxMessages
    this.maxBytes = setting.maxBytes
    this.#onRemoved = onRemoved
  }

  publish(message: T, now: number): Answer {
    const { replicated, discard, duplicateWindowMs } = this.#setting
    const known = this.#lookUp(message.msgId, now)
    const wrong = message.expected !== null && message.expected !== this.lastSequence
    if (replicated && known !== undefined) return { code: 0, sequence: known.sequence, duplicate: true }
    if (wrong) return refusal(WRONG_SEQUENCE)
    if (known !== undefined) return { code: 0, sequence: known.sequence, duplicate: true }
    if (discard === 'new' && !this.#fits(message)) return refusal(FULL)
    const sequence = ++this.lastSequence
    this.#stored.push({ sequence, message })
    this.count++
    this.bytes += message.size
    if (message.msgId !== null) this.#known.set(message.msgId, { sequence, until: now + duplicateWindowMs })
    while (this.#over()) this.removeOldest()
    return { code: 0, sequence, duplicate: false }
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
    this.#onRemoved(stored)
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

  #fits(message: T): boolean {
    const { maxMessages, maxBytes } = this
    if (maxMessages > 0 && this.count >= maxMessages) return false
    return maxBytes === 0 || this.bytes + message.size <= maxBytes
  }

  #over(): boolean {
    const { maxMessages, maxBytes } = this
    return (maxMessages > 0 && this.count > maxMessages) || (maxBytes > 0 && this.bytes > maxBytes)
  }
}

export function refusal(code: number): Answer {
  return { code, sequence: 0, duplicate: false }
}
