/**
 * Stored messages one by one, by sequence, from the stream's leader (the direct API may answer from a replica that
 * lags). The payload comes along, so this is for few messages, or for streams that must have no consumer; and where
 * messages may be large, few are asked for at once: the server cuts off a client that takes its answers too slowly.
 * https://docs.nats.io/reference/reference-protocols/nats_api_reference
 */
import type { NatsConnection } from '@nats-io/transport-node'
import { askApi, isRefused } from '../nats-api.ts'
import { JS, jetStreamError } from '../nats-codes.ts'
import { parseHeaders, type StoredMessage, storedMessage } from './stored-message.ts'

interface StoredAnswer {
  readonly message: {
    readonly seq: number
    /** Base64. */
    readonly hdrs?: string
  }
}

/** How many messages are asked for at once, and how long each answer may take. */
export interface FetchPace {
  readonly parallel: number
  readonly timeoutMs: number
}

/** Payloads that are on their way at once, unless one alone is more; far below what the server holds back (64 MB). */
const PARALLEL_BYTES = 4 * 1024 * 1024
const MOST_PARALLEL = 256
/** Payloads come as base64. */
const ANSWER_BYTES = 4 / 3
/** A link that is slower than 16 Mbit/s is as good as none. */
const LEAST_BYTES_PER_MS = 2_000

/** Bytes of a message, as a rule and at most. */
export function fetchPace(usual: number, largest: number, timeoutMs: number): FetchPace {
  const parallel = Math.max(1, Math.min(MOST_PARALLEL, Math.floor(PARALLEL_BYTES / Math.max(1, usual))))
  return { parallel, timeoutMs: fetchTimeout(Math.max(parallel * usual, largest), timeoutMs) }
}

/** `bytes`: of the payloads that are on their way at once. */
export function fetchTimeout(bytes: number, timeoutMs: number): number {
  return timeoutMs + (bytes * ANSWER_BYTES) / LEAST_BYTES_PER_MS
}

/** null: it is not there (any more). */
export function fetchMessage(
  nc: NatsConnection,
  stream: string,
  seq: number,
  timeoutMs: number,
): Promise<StoredMessage | null> {
  return get(nc, stream, { seq }, timeoutMs)
}

/** The first message with this sequence or a higher one; null: none. */
export function fetchNext(
  nc: NatsConnection,
  stream: string,
  seq: number,
  timeoutMs: number,
): Promise<StoredMessage | null> {
  return get(nc, stream, { seq, next_by_subj: '>' }, timeoutMs)
}

/** Those that are there, in ascending order. */
export async function fetchRange(
  nc: NatsConnection,
  stream: string,
  low: number,
  high: number,
  { parallel, timeoutMs }: FetchPace,
): Promise<StoredMessage[]> {
  const messages: (StoredMessage | null)[] = []
  let next = low
  const fetchOn = async (): Promise<void> => {
    while (next <= high) {
      const seq = next++
      messages[seq - low] = await fetchMessage(nc, stream, seq, timeoutMs)
    }
  }
  try {
    await Promise.all(Array.from({ length: parallel }, fetchOn))
  } finally {
    // After a failure nobody waits for the rest.
    next = high + 1
  }
  return messages.filter(message => message !== null)
}

async function get(
  nc: NatsConnection,
  stream: string,
  request: object,
  timeoutMs: number,
): Promise<StoredMessage | null> {
  const context = `reading a message of stream ${stream}`
  const answer = await askApi<StoredAnswer>(nc, `STREAM.MSG.GET.${stream}`, request, { context, timeoutMs })
  if (!isRefused(answer)) {
    const { seq, hdrs = '' } = answer.message
    return storedMessage(seq, parseHeaders(Buffer.from(hdrs, 'base64')))
  }
  if (answer.error.err_code === JS.noMessageFound) return null
  throw jetStreamError(answer.error, context)
}
