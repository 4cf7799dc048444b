/**
 * What a refused publish means: a reason to resume and try again, or the end of this run. JetStream's error codes:
 * https://github.com/nats-io/nats-server/blob/main/server/errors.json
 */
import { RetryableError } from '../errors.ts'

export type Refusal =
  /** The stream's last message is another than the fence says. */
  | 'fence'
  /** The stream or the server's storage is full; somebody must make room. */
  | 'full'
  /** Nobody answers for the subject: a leader is being elected, or the stream is gone. */
  | 'no-responders'
  /** Something else that passes. */
  | 'refused'

/** Another message of the same Msg-Id is under way, or was refused (see Publisher.acked). */
export const DUPLICATE_IN_PROCESS = 10158
const FENCE = new Set([10070, 10071, DUPLICATE_IN_PROCESS, 10164, 10201])
const FULL = new Set([10023, 10028, 10047, 10077, 10110, 10120])
/** The stream is not what it was when the run began: 10054 message size, 10059 gone, 10060 another stream owns the subject, 10109 sealed. */
const CHANGED = new Set([10054, 10059, 10060, 10109])

/** `code`: JetStream's err_code, or 503. Returns the reason to resume, or the error that ends the run. */
export function refusalOf(code: number, description: string, stream: string): Refusal | RetryableError {
  if (FENCE.has(code)) return 'fence'
  if (FULL.has(code)) return 'full'
  if (code === 503) return 'no-responders'
  if (!CHANGED.has(code)) return 'refused'
  return changed(`stream ${stream} refused a message: ${description} (${code})`)
}

/** The stream can be read, and a message to it has no answer, time and again: it is not what it was. */
export function unanswered(stream: string, subject: string): RetryableError {
  return changed(`stream ${stream} is there, but does not answer messages to ${subject}`)
}

function changed(message: string): RetryableError {
  return new RetryableError(message, {
    code: 'STREAM_CHANGED',
    remedy: 'The stream was changed while the daemon ran; it checks the stream again and goes on if it can.',
  })
}

/** Whether a tail that could not be read is worth another try in this run. */
export function canReadAgain(error: unknown): boolean {
  return error instanceof RetryableError && error.code !== 'STREAM_MISSING'
}
