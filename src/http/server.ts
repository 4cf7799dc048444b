/**
 * The HTTP side of the daemon: metrics, health and status for machines, the same as a page for people. It
 * answers from what is in memory and waits for no server, so that it also answers while everything else is
 * down.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigurationError } from '../errors.ts'
import type { Service } from '../lifecycle/service.ts'
import { RateMeter } from './rate-meter.ts'
import { type HttpInput, json, respond } from './respond.ts'

export interface HttpOptions extends HttpInput {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Called once, when requests can come. */
  onListening?(address: AddressInfo): void
  /** An answer could not be made: a bug, for the log. The client gets a 500 without details. */
  onError?(error: unknown): void
}

/** A client gets this long to send its request, and to take the answer. */
const REQUEST_MS = 5_000
const KEEP_ALIVE_MS = 5_000
/** For answers under way when the daemon stops. */
const CLOSE_GRACE_MS = 1_000
const MAX_CONNECTIONS = 200

export function createHttpServer(options: HttpOptions): Service {
  return { name: 'http', run: signal => serve(options, signal) }
}

async function serve(options: HttpOptions, signal: AbortSignal): Promise<void> {
  const rates = new RateMeter()
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: 1_000 },
    (request, response) => void handle(request, response, options, rates),
  )
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.maxConnections = MAX_CONNECTIONS
  // Also ends a client that does not read its answer.
  server.setTimeout(2 * REQUEST_MS)
  await listen(server, options)
  const sampling = setInterval(() => sample(options, rates), 1_000)
  try {
    options.onListening?.(server.address() as AddressInfo)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } finally {
    clearInterval(sampling)
    await close(server)
  }
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpOptions,
  rates: RateMeter,
): Promise<void> {
  const { code, headers, body } = await respond(request.method, request.url, options, rates).catch(error => {
    options.onError?.(error)
    return json(500, { error: 'internal error' })
  })
  response.writeHead(code, { ...headers, 'content-length': Buffer.byteLength(body) })
  response.end(request.method === 'HEAD' ? undefined : body)
  // Nothing here takes a body: whatever comes is let go.
  request.resume()
}

/** A status that can't be made is told to each client that asks; here it only makes no sample. */
function sample({ status, onError }: HttpOptions, rates: RateMeter): void {
  try {
    rates.sample(status().totals.events, performance.now())
  } catch (error) {
    onError?.(error)
  }
}

function listen(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(listenError(error, host, port))
    server.once('error', fail)
    server.listen({ host, port }, () => {
      server.removeListener('error', fail)
      resolve()
    })
  })
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another process',
  EACCES: 'may not be opened by this user',
  EADDRNOTAVAIL: 'is at an address that this machine does not have',
  ENOTFOUND: 'is at a host name that nobody knows',
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): unknown {
  const reason = REASONS[error.code ?? '']
  if (reason === undefined) return error
  return new ConfigurationError(`HTTP port ${port} on ${host} ${reason}`, {
    code: 'http_listen',
    remedy:
      'Set [http] host and port (or FRAISEQL_HTTP_HOST, FRAISEQL_HTTP_PORT) to an address that is free here.',
    cause: error,
  })
}

/** Idle connections end at once, answers under way get their grace. */
function close(server: Server): Promise<void> {
  return new Promise(resolve => {
    const force = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
    server.close(() => {
      clearTimeout(force)
      resolve()
    })
    server.closeIdleConnections()
  })
}
