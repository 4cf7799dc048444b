/**
 * A run of stored messages by sequence, headers only: a short-lived consumer that is asked once. Of a replicated
 * stream the consumer may live on a replica that lags, so that an early end is checked with the leader.
 * https://docs.nats.io/nats-concepts/jetstream/consumers
 */
import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { RetryableError } from '../errors.ts'
import { API_PREFIX, requestApi, requestFailure } from '../nats-api.ts'
import { type StoredMessage, storedMessage } from './stored-message.ts'
import { fetchNext } from './tail-fetch.ts'

export interface Scan {
  readonly low: number
  readonly high: number
  /** More messages than this are not read. */
  readonly most: number
}

/** The server removes the consumer by itself after this time, when nobody could. */
const INACTIVE_NANOSECONDS = 10e9

/** In ascending order. Rejects with FatalError where the server allows no consumer, else with RetryableError. */
export async function scanRange(
  nc: NatsConnection,
  stream: string,
  scan: Scan,
  timeoutMs: number,
): Promise<StoredMessage[] | 'too many'> {
  const context = `reading back stream ${stream}`
  const config = {
    deliver_policy: 'by_start_sequence',
    opt_start_seq: scan.low,
    ack_policy: 'none',
    headers_only: true,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: INACTIVE_NANOSECONDS,
  }
  const { name } = await requestApi<{ name: string }>(
    nc,
    `CONSUMER.CREATE.${stream}`,
    { stream_name: stream, config },
    { context, timeoutMs },
  )
  try {
    const messages = await pull(nc, `${stream}.${name}`, scan, { context, timeoutMs }).catch(error => {
      throw error instanceof RetryableError ? error : requestFailure(error, context, timeoutMs)
    })
    if (messages.length > scan.most) return 'too many'
    await checkEnd(nc, stream, messages.at(-1)?.seq ?? scan.low - 1, scan.high, timeoutMs)
    return messages
  } finally {
    nc.request(`${API_PREFIX}.CONSUMER.DELETE.${stream}.${name}`, '', { timeout: timeoutMs }).catch(() => {})
  }
}

/** At most one message more than wanted, so that "too many" shows. */
function pull(
  nc: NatsConnection,
  consumer: string,
  { low, high, most }: Scan,
  { context, timeoutMs }: { readonly context: string; readonly timeoutMs: number },
): Promise<StoredMessage[]> {
  const batch = Math.min(high - low + 1, most + 1)
  const messages: StoredMessage[] = []
  return new Promise((resolve, reject) => {
    const inbox = createInbox()
    let timer: NodeJS.Timeout | undefined
    const end = (settle: () => void) => {
      clearTimeout(timer)
      if (!subscription.isClosed()) subscription.unsubscribe()
      settle()
    }
    const wait = () => {
      clearTimeout(timer)
      timer = setTimeout(() => end(() => reject(silence(context, timeoutMs))), timeoutMs)
    }
    const subscription = nc.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) return end(() => reject(error))
        const place = placeOf(message)
        // A status: nothing (more) is there, or the request is over.
        if (place === null || place.seq > high) return end(() => resolve(messages))
        messages.push(storedMessage(place.seq, header => message.headers?.get(header)))
        if (place.seq === high || place.pending === 0 || messages.length === batch) {
          return end(() => resolve(messages))
        }
        if (messages.length % 256 === 0) wait()
      },
    })
    wait()
    const request = JSON.stringify({ batch, no_wait: true })
    nc.publish(`${API_PREFIX}.CONSUMER.MSG.NEXT.${consumer}`, request, { reply: inbox })
  })
}

/**
 * Sequence and how many are left, from the reply subject: $JS.ACK.stream.consumer.delivered.seq.consumerSeq.time.pending,
 * or with domain and account hash before the stream. null: a status message.
 */
function placeOf({ reply, headers, data }: Msg): { seq: number; pending: number } | null {
  if (reply === undefined || (headers !== undefined && headers.code > 0 && data.length === 0)) return null
  const tokens = reply.split('.')
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return null
  const shift = tokens.length > 9 ? 2 : 0
  return { seq: Number(tokens[5 + shift]), pending: Number(tokens[8 + shift]) }
}

async function checkEnd(
  nc: NatsConnection,
  stream: string,
  last: number,
  high: number,
  timeoutMs: number,
): Promise<void> {
  if (last >= high) return
  const next = await fetchNext(nc, stream, last + 1, timeoutMs)
  if (next === null || next.seq > high) return
  throw new RetryableError(`reading back stream ${stream}: a replica lags behind its leader`, {
    code: 'REPLICA_LAGS',
    remedy: 'The daemon tries again; look at "nats stream cluster" if it stays so.',
  })
}

function silence(context: string, timeoutMs: number): RetryableError {
  return new RetryableError(`${context}: no answer from JetStream within ${timeoutMs} ms`, {
    code: 'JETSTREAM_TIMEOUT',
    remedy: 'The daemon tries again by itself.',
  })
}
