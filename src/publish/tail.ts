/**
 * Reads the end of a stream, for resume: its last sequence, the headers of its newest message, and, as far back as
 * the reader wants, those of the messages before. Everything comes from the stream's leader or is checked against
 * it, because a replica that lags would make messages look as if they had never been stored.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import { ConfigurationError, FatalError } from '../errors.ts'
import { requestApi } from '../nats-api.ts'
import type { StoredMessage } from './stored-message.ts'
import type { StreamInfo } from './stream-config.ts'
import { type FetchPace, fetchMessage, fetchNext, fetchPace, fetchRange, fetchTimeout } from './tail-fetch.ts'
import { scanRange } from './tail-scan.ts'

export interface Tail {
  /** Sequence of the last message that was ever stored; it need not be there any more. */
  readonly lastSeq: number
  readonly firstSeq: number
  readonly messages: number
  /** The newest message that is there; null: the stream is empty. */
  readonly lastMessage: StoredMessage | null
  /** As the server writes it; another value means another stream of the same name. */
  readonly createdAt: string
  /** It lives on a server by itself, not in a cluster. */
  readonly alone: boolean
}

export interface ReadBack {
  /** Where to begin; the reading goes to lower sequences. */
  readonly fromSeq: number
  /** Is shown each message, newest first; true: enough. */
  readonly until: (message: StoredMessage) => boolean
  readonly signal?: AbortSignal
}

/** An answer later than this is as good as none: an election is under way, and the caller tries again. */
export const TAIL_TIMEOUT_MS = 2_000
/** Headers come alone by a consumer, in runs that grow; where there may be none, in short runs. */
const LEAST_FETCH_RANGE = 16
const FIRST_SCAN_RANGE = 256
const SCAN_MESSAGES = 4_096
/** Where messages may be larger, not even the newest one is fetched for its headers if a consumer can bring them. */
const LARGE_BYTES = 1024 * 1024
/** Of the mean size. */
const USUAL_TIMES = 8

/** Rejects with RetryableError; its code is STREAM_MISSING when there is no such stream. */
export async function readTail(
  nc: NatsConnection,
  stream: string,
  timeoutMs = TAIL_TIMEOUT_MS,
): Promise<Tail> {
  const info = await infoOf(nc, stream, timeoutMs)
  const { state, created, cluster } = info
  return {
    lastSeq: state.last_seq,
    firstSeq: state.first_seq,
    messages: state.messages,
    lastMessage: state.messages === 0 ? null : await newest(nc, stream, info, timeoutMs),
    createdAt: created,
    alone: !cluster?.name,
  }
}

/** Rejects with RetryableError; what was shown until then was there. */
export async function readBack(
  nc: NatsConnection,
  stream: string,
  { fromSeq, until, signal }: ReadBack,
  timeoutMs = TAIL_TIMEOUT_MS,
): Promise<void> {
  const info = await infoOf(nc, stream, timeoutMs)
  const { state } = info
  const reader = new RangeReader(nc, stream, info, timeoutMs)
  let high = Math.min(fromSeq, state.last_seq)
  while (high >= state.first_seq && high > 0) {
    signal?.throwIfAborted()
    const low = Math.max(state.first_seq, 1, high - reader.range + 1)
    const messages = await reader.read(low, high)
    if (messages === null) continue
    for (const message of messages.reverse()) if (until(message)) return
    high = low - 1
  }
}

/** Reads ranges of sequences, and learns how long the next one may be. */
class RangeReader {
  range: number
  #scanning: boolean
  readonly #nc: NatsConnection
  readonly #stream: string
  readonly #timeoutMs: number
  readonly #pace: FetchPace
  /** No longer than need be: all of it comes with its payloads before the reader hears that it was enough. */
  readonly #fetchRange: number

  constructor(nc: NatsConnection, stream: string, info: StreamInfo, timeoutMs: number) {
    this.#nc = nc
    this.#stream = stream
    this.#timeoutMs = timeoutMs
    this.#pace = fetchPace(usual(nc, info), largest(nc, info), timeoutMs)
    this.#fetchRange = Math.max(LEAST_FETCH_RANGE, this.#pace.parallel)
    this.#scanning = mayScan(info)
    this.range = this.#scanning ? FIRST_SCAN_RANGE : this.#fetchRange
  }

  /** In ascending order. null: the range holds too much at once, and the next one will be shorter. */
  async read(low: number, high: number): Promise<StoredMessage[] | null> {
    if (!this.#scanning) return await this.#fetch(low, high)
    const messages = await this.#scan(low, high)
    if (messages === 'refused') {
      this.#scanning = false
      this.range = this.#fetchRange
      return null
    }
    if (messages === 'too many') {
      this.range = Math.max(SCAN_MESSAGES, Math.floor(this.range / 4))
      return null
    }
    // Where most messages are gone, a run of sequences may be much longer than a run of messages.
    const sparse = messages.length < this.range / 4
    this.range = sparse ? this.range * 4 : Math.min(this.range * 2, SCAN_MESSAGES)
    return messages
  }

  async #fetch(low: number, high: number): Promise<StoredMessage[] | null> {
    if (high - low >= this.#fetchRange) {
      // One question tells whether anything is there at all; what was consumed leaves long gaps.
      const next = await fetchNext(this.#nc, this.#stream, low, this.#pace.timeoutMs)
      const empty = next === null || next.seq > high
      this.range = empty ? this.range * 4 : this.#fetchRange
      return empty ? [] : null
    }
    const messages = await fetchRange(this.#nc, this.#stream, low, high, this.#pace)
    this.range = messages.length === 0 ? this.#fetchRange * 4 : this.#fetchRange
    return messages
  }

  async #scan(low: number, high: number): Promise<StoredMessage[] | 'too many' | 'refused'> {
    try {
      return await scanRange(this.#nc, this.#stream, { low, high, most: SCAN_MESSAGES }, this.#timeoutMs)
    } catch (error) {
      // No permission, or a limit on consumers; each message alone can be had all the same.
      if (error instanceof FatalError || error instanceof ConfigurationError) return 'refused'
      throw error
    }
  }
}

async function newest(
  nc: NatsConnection,
  stream: string,
  info: StreamInfo,
  timeoutMs: number,
): Promise<StoredMessage | null> {
  const { last_seq: lastSeq } = info.state
  const bytes = largest(nc, info)
  const scanned = bytes > LARGE_BYTES && mayScan(info)
  if (!scanned) {
    const last = await fetchMessage(nc, stream, lastSeq, fetchTimeout(bytes, timeoutMs))
    if (last !== null) return last
  }
  let found: StoredMessage | null = null
  const until = (message: StoredMessage) => {
    found = message
    return true
  }
  await readBack(nc, stream, { fromSeq: scanned ? lastSeq : lastSeq - 1, until }, timeoutMs)
  return found
}

/** A consumer would count as interest in the messages, or compete for them. */
function mayScan({ config }: StreamInfo): boolean {
  return config.retention === 'limits'
}

/** Most messages have no more bytes than this. */
function usual(nc: NatsConnection, info: StreamInfo): number {
  const { bytes, messages } = info.state
  return Math.min(largest(nc, info), (USUAL_TIMES * bytes) / Math.max(1, messages))
}

/** No message of the stream has more bytes than this. */
function largest(nc: NatsConnection, { state }: StreamInfo): number {
  return Math.min(state.bytes, nc.info?.max_payload ?? Number.POSITIVE_INFINITY)
}

function infoOf(nc: NatsConnection, stream: string, timeoutMs: number): Promise<StreamInfo> {
  const context = `reading the tail of stream ${stream}`
  return requestApi<StreamInfo>(nc, `STREAM.INFO.${stream}`, null, { context, timeoutMs })
}
