/**
 * Requests to the JetStream API, each with its own short time-out and every failure classed. Plain JSON over
 * `nc.request`: one round trip, and the same on every release of the server.
 * https://docs.nats.io/reference/reference-protocols/nats_api_reference
 */
import { errors, type NatsConnection } from '@nats-io/transport-node'
import { FatalError, messageOf, RetryableError } from './errors.ts'
import { JETSTREAM_NOT_ENABLED, type JetStreamRefusal, jetStreamError } from './nats-codes.ts'

/** Longer than an election takes as a rule; shorter than anybody's patience. */
export const API_TIMEOUT_MS = 5_000
export const API_PREFIX = '$JS.API'

/** An answer that JetStream refused: thrown by nobody, for callers who decide by code. */
export interface Refused {
  readonly error: JetStreamRefusal
}

export interface ApiOptions {
  /** Begins the message of an error: what is tried, on which stream. */
  readonly context: string
  readonly timeoutMs?: number
}

/** The answer, or JetStream's refusal as it came. Rejects when there was neither. */
export async function askApi<T extends object>(
  nc: NatsConnection,
  path: string,
  body: object | null,
  { context, timeoutMs = API_TIMEOUT_MS }: ApiOptions,
): Promise<T | Refused> {
  const subject = `${API_PREFIX}.${path}`
  const payload = body === null ? '' : JSON.stringify(body)
  let data: Uint8Array
  try {
    data = (await nc.request(subject, payload, { timeout: timeoutMs })).data
  } catch (error) {
    throw requestFailure(error, context, timeoutMs)
  }
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8')) as T | Refused
  } catch (cause) {
    // A bare status instead of an answer comes while the cluster sorts itself out.
    throw new RetryableError(`${context}: the answer is not one of JetStream's`, {
      code: 'JETSTREAM_ANSWER',
      remedy:
        'The daemon tries again. If it stays so, look for another service that answers on $JS.API subjects.',
      cause,
    })
  }
}

/** The answer. Rejects with one of our errors, refusals included. */
export async function requestApi<T extends object>(
  nc: NatsConnection,
  path: string,
  body: object | null,
  options: ApiOptions,
): Promise<T> {
  const answer = await askApi<T>(nc, path, body, options)
  if (isRefused(answer)) throw jetStreamError(answer.error, options.context)
  return answer
}

export function isRefused(answer: object): answer is Refused {
  return 'error' in answer && typeof answer.error === 'object' && answer.error !== null
}

/** What NATS itself made of a request: time-out, nobody there, not allowed, connection gone. */
export function requestFailure(
  error: unknown,
  context: string,
  timeoutMs: number,
): FatalError | RetryableError {
  const cause = error instanceof errors.RequestError && error.cause !== undefined ? error.cause : error
  if (cause instanceof errors.PermissionViolationError) {
    const verb = cause.operation === 'publish' ? 'publish' : 'subscribe'
    const subject = lastingSubject(cause.subject)
    return new FatalError(`${context}: this NATS user may not ${verb} to ${subject}`, {
      code: 'NATS_PERMISSION',
      remedy: `Allow it: permissions { ${verb}: "${subject}" } for this user.`,
      cause: error,
    })
  }
  if (cause instanceof errors.NoRespondersError) {
    return new RetryableError(`${context}: no JetStream answers here`, {
      code: JETSTREAM_NOT_ENABLED,
      remedy: 'Start nats-server with -js, enable JetStream for the account, or wait for the cluster.',
      cause: error,
    })
  }
  if (cause instanceof errors.TimeoutError) {
    return new RetryableError(`${context}: no answer from JetStream within ${timeoutMs} ms`, {
      code: 'JETSTREAM_TIMEOUT',
      remedy:
        'The daemon tries again. If it stays so, look at "nats server report jetstream": a cluster needs a leader.',
      cause: error,
    })
  }
  return new RetryableError(`${context}: ${messageOf(cause)}`, {
    code: 'NATS_CONNECTION',
    remedy: 'The daemon connects again by itself; nothing is lost meanwhile.',
    cause: error,
  })
}

/** Names that are made up for one time, of consumers and inboxes, can't be allowed as they are. */
function lastingSubject(subject: string): string {
  return subject
    .replace(/^(\$JS\.API\.CONSUMER\.(?:MSG\.)?[A-Z]+\.[^.]+)\..+$/, '$1.>')
    .replace(/^_INBOX\..+$/, '_INBOX.>')
}

/**
 * Whether an error that the client tells of is told by a request too, which may do without. A consumer is asked for
 * messages by a mere publish, which waits for nothing.
 */
export function failsRequest(error: Error): boolean {
  return (
    error instanceof errors.PermissionViolationError &&
    error.subject.startsWith(`${API_PREFIX}.`) &&
    !error.subject.startsWith(`${API_PREFIX}.CONSUMER.MSG.NEXT.`)
  )
}

/** What the daemon needs to know of the account before it starts; fatal when JetStream is not there. */
export async function requireJetStream(nc: NatsConnection, timeoutMs = API_TIMEOUT_MS): Promise<void> {
  const context = `NATS at ${nc.getServer()}`
  try {
    await requestApi(nc, 'INFO', null, { context, timeoutMs })
  } catch (error) {
    // A server that has JetStream and does not answer may be electing a leader; one that says it has none won't.
    if (
      !(error instanceof RetryableError) ||
      error.code !== JETSTREAM_NOT_ENABLED ||
      nc.info?.jetstream === true
    ) {
      throw error
    }
    const { message, code, remedy } = error
    throw new FatalError(message, { code, remedy, cause: error })
  }
}
