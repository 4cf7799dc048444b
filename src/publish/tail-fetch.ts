/**
 * Stored messages one by one, by sequence, from the stream's leader (the direct API may answer from a replica that
 * lags). The payload comes along, so this is for few messages, or for streams that must have no consumer.
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
  timeoutMs: number,
): Promise<StoredMessage[]> {
  const sequences = Array.from({ length: high - low + 1 }, (_, i) => low + i)
  const messages = await Promise.all(sequences.map(seq => fetchMessage(nc, stream, seq, timeoutMs)))
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
