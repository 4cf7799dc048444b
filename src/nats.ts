/**
 * The only place that builds a NATS client. Connecting at the start fails fast and says why; once connected, the
 * client reconnects for ever with bounded, jittered backoff, and tells what happens through `onStatus`. Publishes
 * made while disconnected are lost by the client, so the window stops at `disconnected` and resumes at `reconnected`.
 */
import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node'
import type { Config } from './config/config.ts'
import { RetryableError } from './errors.ts'
import { describeAuth, natsAuthenticator } from './nats-auth.ts'
import {
  type ConnectContext,
  type ConnectFailure,
  connectFailure,
  greetingProblem,
} from './nats-connect-error.ts'
import { type Greeting, readGreeting } from './nats-greeting.ts'
import { natsTlsOptions } from './nats-tls.ts'
import { parseNatsServers } from './nats-url.ts'

export type NatsStatus =
  | { readonly kind: 'disconnected' | 'reconnected' | 'lame-duck'; readonly server: string }
  /** The server or the network said no: permissions, credentials, a protocol error. The client goes on. */
  | { readonly kind: 'error'; readonly error: Error }
  | { readonly kind: 'closed' }

export interface NatsOptions {
  /** Shown in the server's monitoring. */
  readonly name: string
  /** Ends the attempt (rejects with its reason); not the connection that came of it. */
  readonly signal?: AbortSignal
  readonly onStatus?: (status: NatsStatus) => void
}

/** Two unanswered pings make a connection stale: 10 to 15 s after the network went silent. */
const PING_INTERVAL_MS = 5_000
const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 5_000

/** Of several servers any one will do; they are tried in random order, each for `connect_timeout_ms`. */
export async function connectNats(config: Config['nats'], options: NatsOptions): Promise<NatsConnection> {
  const { signal, onStatus = () => {} } = options
  const servers = parseNatsServers(config.servers)
  const tls = await natsTlsOptions(config.tls, servers)
  const authenticator = natsAuthenticator(config.auth, servers.credentials)
  const backoff = new Backoff()
  const client: ConnectionOptions = {
    name: options.name,
    timeout: config.connect_timeout_ms,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    reconnectDelayHandler: () => backoff.next(),
    ...(authenticator === null ? {} : { authenticator }),
    ...(tls === undefined ? {} : { tls }),
  }
  const context = {
    auth: describeAuth(config.auth, servers.credentials),
    tls: tls !== undefined,
    certificate: tls?.certFile !== undefined,
    timeoutMs: config.connect_timeout_ms,
  }
  const failures: ConnectFailure[] = []
  for (const server of shuffled(servers.addresses)) {
    try {
      const nc = await connectOne({ ...client, servers: [server] }, { ...context, server }, signal)
      // The client was given one server, so that its error is about that one; now it may use all.
      const known = nc.getServers().map(({ listen }) => listen)
      if (servers.addresses.length > 1) nc.setServers([...new Set([...known, ...servers.addresses])])
      backoff.reset()
      void watch(nc, backoff, onStatus)
      return nc
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof RetryableError)) throw error
      failures.push(error)
    }
  }
  throw failures.length === 1 ? failures[0] : noneOf(failures)
}

async function connectOne(
  client: ConnectionOptions,
  context: ConnectContext,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  let greeting: Greeting | null = null
  try {
    signal?.throwIfAborted()
    greeting = await readGreeting(context.server, context.timeoutMs, signal)
    const problem = greetingProblem(greeting, context)
    if (problem !== null) throw problem
    return await untilAborted(connect(client), signal)
  } catch (error) {
    signal?.throwIfAborted()
    throw connectFailure(error, context, greeting)
  }
}

/** The client can't be interrupted; what it brings too late is closed. */
function untilAborted(
  connecting: Promise<NatsConnection>,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  if (signal === undefined) return connecting
  return new Promise((resolve, reject) => {
    const abort = () => {
      connecting.then(nc => nc.close()).catch(() => {})
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    connecting.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function noneOf(failures: readonly RetryableError[]): RetryableError {
  return new RetryableError(
    `no NATS server can be used: ${failures.map(({ message }) => message).join('; ')}`,
    {
      code: failures[0]?.code ?? 'NATS_CONNECT',
      remedy: failures[0]?.remedy ?? '',
      cause: new AggregateError(failures),
    },
  )
}

async function watch(
  nc: NatsConnection,
  backoff: Backoff,
  tell: (status: NatsStatus) => void,
): Promise<void> {
  for await (const status of nc.status()) {
    switch (status.type) {
      case 'disconnect':
        tell({ kind: 'disconnected', server: status.server })
        break
      case 'reconnect':
        backoff.reset()
        tell({ kind: 'reconnected', server: status.server })
        break
      case 'ldm':
        tell({ kind: 'lame-duck', server: status.server })
        break
      case 'error':
        tell({ kind: 'error', error: status.error })
        break
      case 'close':
        tell({ kind: 'closed' })
        break
      default:
        break
    }
  }
}

/** Grows with the time that the outage has lasted, because the client asks more often than it dials. */
class Backoff {
  #since: number | null = null

  next(): number {
    const now = Date.now()
    this.#since ??= now
    return reconnectDelay(now - this.#since, Math.random())
  }

  reset(): void {
    this.#since = null
  }
}

/** Milliseconds between two attempts on one server, `outageMs` into the outage. 0 <= random < 1. */
export function reconnectDelay(outageMs: number, random: number): number {
  const delay = Math.min(Math.max(outageMs / 2, FIRST_DELAY_MS), LONGEST_DELAY_MS)
  return Math.round(delay * (0.75 + random / 2))
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map(item => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}
