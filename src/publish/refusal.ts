/** What a refused publish means: a reason to resume and try again, or the end of this run. */
import { RetryableError } from '../errors.ts'
import { JS } from '../nats-codes.ts'

export type Refusal =
  /** The stream's last message is another than the fence says. */
  | 'fence'
  /** The stream, the account or the server's storage is full; somebody must make room. */
  | 'full'
  /** Nobody answers for the subject: a leader is being elected, or the stream is gone. */
  | 'no-responders'
  /** Something else that passes. */
  | 'refused'

/** Nobody subscribes to the subject: NATS's own status. */
const NO_RESPONDERS = 503
const FENCE: ReadonlySet<number> = new Set([
  JS.wrongLastMessageId,
  JS.wrongLastSequence,
  JS.duplicateInProcess,
  JS.wrongLastSequenceConstant,
  JS.duplicateInBatch,
])
const FULL: ReadonlySet<number> = new Set([
  JS.accountFull,
  JS.insufficientResources,
  JS.memoryFull,
  JS.storageFull,
  JS.storeFailed,
  JS.noLimitsForReplicas,
])
/** The stream is not what it was when the run began. */
const CHANGED: ReadonlySet<number> = new Set([
  JS.messageTooLarge,
  JS.streamNotFound,
  JS.streamMismatch,
  JS.sealed,
  JS.batchesNotAllowed,
])

/** `code`: JetStream's err_code, or 503. Returns the reason to resume, or the error that ends the run. */
export function refusalOf(code: number, description: string, stream: string): Refusal | RetryableError {
  if (FENCE.has(code)) return 'fence'
  if (FULL.has(code)) return 'full'
  if (code === NO_RESPONDERS) return 'no-responders'
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
