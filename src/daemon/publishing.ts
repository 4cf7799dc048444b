/** The publisher of a run, with what it finds in the log and its figures in the metrics. */
import { randomUUID } from 'node:crypto'
import { EXIT, FatalError, RetryableError } from '../errors.ts'
import type { Delivery } from '../pipeline.ts'
import type { Resumed } from '../publish/lane.ts'
import type { Link } from '../publish/link.ts'
import { Publisher } from '../publish/publisher.ts'
import type { PublisherOptions } from '../publish/publisher-options.ts'
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
      onState: state => {
        if (state === 'open') parts.onOpen()
      },
      onFailure: fail,
      onResumed: (lane, walk, { becameShared, gone }) => {
        if (gone !== null) tellGone(context, lane.stream, gone)
        if (becameShared) context.log.warn({ stream: lane.stream }, SHARED)
        if (walk.lostHistory > 0) {
          context.log.warn({ stream: lane.stream, messages: walk.lostHistory, timeline }, LOST_HISTORY)
        }
        if (walk.newestTimeline > timeline)
          publisher.fail(oldPrimary(lane.stream, walk.newestTimeline, timeline))
      },
      onStored: (entry, duplicate, now) => {
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

function tellGone({ log, board }: Context, stream: string, gone: NonNullable<Resumed['gone']>): void {
  log.warn({ stream, ...gone }, `the stream went back or was made anew: ${GONE}`)
  board.failed(
    new RetryableError(`stream ${stream} went back or was made anew (${gone.from} to ${gone.to}): ${GONE}`, {
      code: 'STREAM_WENT_BACK',
      remedy:
        'Find out what was done to it (an older copy restored, deleted and created, a crash of its server), and ' +
        'whether its consumers had seen these messages.',
    }),
  )
}

const GONE =
  'what was stored at these sequences is gone; it was confirmed to PostgreSQL and is not sent again'

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
