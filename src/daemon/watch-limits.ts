/**
 * Looks now and then whether larger or smaller messages are taken than when the run began. Nobody tells of it: a stream
 * is edited without a word, and of a max_payload that was reloaded nats-server tells only those who connect anew. A
 * fresh run goes by the new limits.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import { RetryableError } from '../errors.ts'
import { readGreeting } from '../nats-greeting.ts'
import { streamInfo } from '../publish/ensure-stream.ts'
import { messageLimit } from '../publish/stream-config.ts'
import type { Context } from './context.ts'
import type { Streams } from './streams.ts'

const INTERVAL_MS = 5000

interface Watched {
  readonly nats: NatsConnection
  readonly streams: Streams
}

/** Returns what stops it. `fail`: the run can't go on. */
export function watchLimits(
  { config, metrics }: Context,
  { nats, streams }: Watched,
  fail: (error: unknown) => void,
): () => void {
  const { counters } = metrics
  let looking = false
  let asked = counters.oversize
  const greeting = async (): Promise<number | null> =>
    (await readGreeting(nats.getServer(), config.nats.connect_timeout_ms)).max_payload
  // An account may have a limit of its own, which a login brings; so a greeting is held against one of before.
  const before = greeting().catch(() => null)

  const look = async (): Promise<void> => {
    for (const { name, maxMessageBytes } of streams.all) {
      const info = await streamInfo(nats, name)
      const limit = info === null ? maxMessageBytes : messageLimit(info.config)
      if (limit !== maxMessageBytes) fail(limitChanged(`max_msg_size of stream ${name}`))
    }
    // This takes a connection of its own, so it is done where messages were too large since the last time.
    if (counters.oversize === asked) return
    asked = counters.oversize
    const [greeted, now] = [await before, await greeting()]
    if (greeted !== null && now !== null && now !== greeted) fail(limitChanged('max_payload of NATS'))
  }
  const timer = setInterval(() => {
    if (looking) return
    looking = true
    // A server that can't be asked is told of by those who need it.
    look()
      .catch(() => {})
      .finally(() => {
        looking = false
      })
  }, INTERVAL_MS)
  return () => clearInterval(timer)
}

export function limitChanged(what: string): RetryableError {
  return new RetryableError(`${what} was changed`, {
    code: 'LIMIT_CHANGED',
    remedy: 'The daemon starts a fresh run, which goes by the new limit.',
  })
}
