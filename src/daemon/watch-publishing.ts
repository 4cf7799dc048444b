/** Watches whether publishing stands still: one line in the log when it does, one when it goes on, and the board. */
import { RetryableError } from '../errors.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { HeldUp, Reason } from '../publish/setbacks.ts'
import type { Context } from './context.ts'

const CHECK_MS = 100
/** What holds the oldest message up for longer is told; what passes sooner is counted only. */
const QUIET_MS = 1000

/** Until the returned function is called. */
export function watchPublishing(context: Context, publisher: Publisher): () => void {
  const { board, log } = context
  let since: number | null = null
  const check = (): void => {
    const { heldUp, state } = publisher
    // The next run has a publisher of its own; and while there is no connection, that is what is wrong.
    if (board.publisher !== publisher || state === 'down' || state === 'failed') return
    const now = performance.now()
    if (heldUp === null) {
      if (since === null) return
      board.standstill = null
      log.info({ after_ms: Math.round(now - since) }, 'publishing goes on')
      since = null
    } else if (since !== null) board.standstill = inWords(heldUp)
    else if (now - heldUp.since > QUIET_MS) {
      since = heldUp.since
      tell(context, heldUp)
    }
  }
  const timer = setInterval(check, CHECK_MS)
  return () => clearInterval(timer)
}

function tell({ board, log }: Context, heldUp: HeldUp): void {
  const { reason, detail, stream } = heldUp
  const remedy = REMEDIES[reason] ?? 'the daemon keeps trying'
  board.standstill = inWords(heldUp)
  board.failed(
    new RetryableError(`publishing stands still: ${board.standstill}`, {
      code: 'PUBLISH_STANDSTILL',
      remedy,
    }),
  )
  log.warn({ ...(stream === null ? {} : { stream }), reason, detail }, `publishing stands still; ${remedy}`)
}

function inWords({ reason, detail, stream }: HeldUp): string {
  const where = stream === null ? '' : ` in stream ${stream}`
  return `${reason}${where}${detail === '' ? '' : ` (${detail})`}`
}

const REMEDIES: Readonly<Partial<Record<Reason, string>>> = {
  full:
    'the stream, its account or its server is full: raise max_bytes, max_msgs or max_msgs_per_subject of the stream, or ' +
    'the limits of the account, or make room',
  'no-responders': 'no stream answers for the subject: a leader is being elected, or the stream is gone',
  timeout: 'JetStream does not answer: look at the servers of the stream',
  fence: 'somebody else writes to the stream, or its server could not store a message: its log says so',
  refused: 'JetStream refuses; the daemon keeps trying',
}
