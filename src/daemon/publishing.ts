/** The publisher of a run, with its changes of state in the log and its figures in the metrics. */
import { randomUUID } from 'node:crypto'
import { EXIT, FatalError, RetryableError } from '../errors.ts'
import type { Delivery } from '../pipeline.ts'
import type { Link } from '../publish/link.ts'
import { Publisher, type PublisherOptions, type Reason, type State } from '../publish/publisher.ts'
import type { Origin } from '../publish/tail-walk.ts'
import type { Context } from './context.ts'

type Parts = Pick<PublisherOptions, 'streams' | 'confirm' | 'onRoom'> & {
  /** The server's current one. */
  readonly timeline: number
  readonly origin: Origin
  readonly link: Link
  readonly fail: (error: unknown) => void
  /** The tails are read, and messages flow. */
  readonly onOpen: () => void
}

/** A resume that takes longer than this is told, and so is its end; shorter ones are counted only. */
const QUIET_RESUME_MS = 1000
const CLOCK_CHECK_MS = 1000
/** Smaller differences come from the resolution of Date.now(). */
const CLOCK_STEP_MS = 20

export function createPublisher(
  context: Context,
  { origin, link, fail, timeline, ...parts }: Parts,
): Publisher {
  const { publish } = context.config
  const { counters, latencies } = context.metrics
  const clock = new WallClock()
  const standStill = new StandStill(context)
  const publisher: Publisher = new Publisher(
    {
      ...parts,
      maxMessages: publish.max_in_flight_messages,
      maxBytes: publish.max_in_flight_bytes,
      ackTimeoutMs: publish.ack_timeout_ms,
      counters,
      random: Math.random,
      runId: randomUUID(),
      onResume: reason => context.board.resumed(reason),
      onState: (state, reason) => {
        if (state === 'open') parts.onOpen()
        standStill.state(state, reason, () => publisher.detail)
      },
      onFailure: fail,
      onResumed: (lane, walk, becameShared) => {
        if (becameShared) context.log.warn({ stream: lane.stream }, SHARED)
        if (walk.lostHistory > 0) {
          context.log.warn({ stream: lane.stream, messages: walk.lostHistory, timeline }, LOST_HISTORY)
        }
        if (walk.newestTimeline > timeline)
          publisher.fail(oldPrimary(lane.stream, walk.newestTimeline, timeline))
      },
      onStored: (entry, duplicate, now) => {
        standStill.stored()
        const { window } = publisher
        const delivery = window.target(entry) as Delivery
        latencies.publishAck.observe((now - window.sentAt(entry)) / 1000)
        if (duplicate) return
        delivery.published.count++
        if (delivery.index === 0) counters.eventsProcessed++
        if (delivery.deadLetter) {
          counters.deadLetters++
          if (delivery.index === 0) counters.eventsFailed++
        }
        counters.publishedBytes += window.payloadBytes(entry)
        latencies.processing.observe((now - window.offeredAt(entry)) / 1000)
        latencies.commitToAck.observe((clock.timeOf(now) - window.commitMs(entry)) / 1000)
      },
    },
    origin,
    link,
  )
  return publisher
}

/** Time of day with the resolution of the monotonic clock; follows steps of the system's clock within a second. */
class WallClock {
  #offsetMs = performance.timeOrigin
  #checkedAt = 0

  /** Milliseconds since 1970. `now`: performance.now(). */
  timeOf(now: number): number {
    if (now - this.#checkedAt > CLOCK_CHECK_MS) {
      this.#checkedAt = now
      const offsetMs = Date.now() - performance.now()
      if (Math.abs(offsetMs - this.#offsetMs) > CLOCK_STEP_MS) this.#offsetMs = offsetMs
    }
    return this.#offsetMs + now
  }
}

/** One line when publishing stands still for a while, and one when a message is stored again. */
class StandStill {
  readonly #context: Context
  #timer: NodeJS.Timeout | null = null
  #since = 0
  #told = false

  constructor(context: Context) {
    this.#context = context
  }

  state(state: State, reason: Reason | null, detail: () => string): void {
    if (state === 'open' || state === 'failed' || state === 'down') {
      if (this.#timer !== null) clearTimeout(this.#timer)
      this.#timer = null
    } else if (this.#timer === null && !this.#told && reason !== 'start') {
      this.#since = performance.now()
      this.#timer = setTimeout(() => this.#tell(reason ?? 'refused', detail()), QUIET_RESUME_MS)
      this.#timer.unref()
    }
  }

  stored(): void {
    if (!this.#told) return
    this.#told = false
    this.#context.board.standstill = null
    this.#context.log.info({ after_ms: Math.round(performance.now() - this.#since) }, 'publishing goes on')
  }

  #tell(reason: Reason, detail: string): void {
    const { log, board } = this.#context
    this.#told = true
    board.standstill = detail === '' ? reason : `${reason} (${detail})`
    const remedy = REMEDIES[reason] ?? 'the daemon keeps trying'
    board.failed(
      new RetryableError(`publishing stands still: ${board.standstill}`, {
        code: 'PUBLISH_STANDSTILL',
        remedy,
      }),
    )
    log.warn({ reason, detail }, `publishing stands still; ${remedy}`)
  }
}

const REMEDIES: Readonly<Partial<Record<Reason, string>>> = {
  full: 'the stream or its server is full: raise max_bytes or max_msgs of the stream, or make room in it',
  'no-responders': 'no stream answers for the subject: a leader is being elected, or the stream is gone',
  timeout: 'JetStream does not answer: look at the servers of the stream',
  fence: 'somebody else writes to the stream, or its server could not store a message: its log says so',
  refused: 'JetStream refuses; the daemon keeps trying',
}

const SHARED =
  'others publish to this stream all the time: going on without the fence, so that the order of what is sent again is ' +
  'not kept there; give the daemon a stream of its own to keep it'

const LOST_HISTORY =
  'the stream holds messages of changes that this server does not have: they were committed on a primary that was ' +
  'replaced before it had passed them on; consumers may have seen them'

function oldPrimary(stream: string, theirs: number, ours: number): FatalError {
  return new FatalError(
    `stream ${stream} holds events of timeline ${theirs}, and this server is on timeline ${ours}: it is an old primary`,
    {
      code: 'OLD_PRIMARY',
      exitCode: EXIT.slotLost,
      remedy: 'Let DATABASE_URL name the server that was promoted (or all hosts), and keep the old one shut.',
    },
  )
}
