/**
 * The only place that builds a PostgreSQL client. `connectSql` gives an ordinary session, `connectReplication` one
 * that can stream (and still takes SQL), with the settings pinned that change the text of values. Of several hosts
 * they are tried in order until one is reached and is of the wanted kind. Every failure is one of our errors, and
 * none of them holds the password.
 */
import type { Socket } from 'node:net'
import { Client, type ClientConfig } from 'pg'
import type { Config } from './config/config.ts'
import { RetryableError } from './errors.ts'
import { classifyPostgresError, codeOf, OWN_CODE, type PostgresContext } from './postgres-codes.ts'
import { openSocket, SocketError, type TlsUse, tlsOptions } from './postgres-socket.ts'
import type { DatabaseHost, DatabaseTarget, SslMode, TargetSession } from './postgres-url.ts'
import { describeHost, parseDatabaseUrl } from './postgres-url.ts'

export interface ConnectOptions {
  /** Shown in pg_stat_activity, unless the URL has an `application_name`. */
  readonly applicationName: string
  /** Ends the attempt (rejects with its reason), and cuts the session that came of it: what it waits for rejects. */
  readonly signal?: AbortSignal
}

/**
 * What `to_jsonb` and the output functions depend on. A role's or database's own settings must not change what is
 * published, and settings of the session win over all of them. `lc_monetary` (type money) is left as it is.
 */
export const PINNED_SETTINGS: Readonly<Record<string, string>> = {
  datestyle: 'ISO',
  intervalstyle: 'iso_8601',
  extra_float_digits: '3',
  timezone: 'UTC',
  bytea_output: 'hex',
  // From PostgreSQL 18 on a notice is all that is said of a publication that is gone.
  client_min_messages: 'notice',
}

const KEEPALIVE_DELAY_MS = 10_000
/** Of a query on an ordinary session: a connection that fell silent must not hold up the run for ever. */
const QUERY_TIMEOUT_MS = 30_000
/** A query that may wait for other sessions as long as they like: `client.query({ text, ...NO_TIME_LIMIT })`. */
export const NO_TIME_LIMIT = { query_timeout: 2 ** 31 - 1 }
/** For queries on a replication session before it streams. */
export const TIME_LIMIT = { query_timeout: QUERY_TIMEOUT_MS }
/**
 * The server gives up a little before the driver does, and soon after its client is gone: else what waits for a lock
 * would stay in the queue, and be carried out when nobody wants it any more.
 */
export const STATEMENT_TIMEOUT_MS = QUERY_TIMEOUT_MS - 5_000
const CONNECTION_CHECK_MS = 5_000
/** How long the server gets to answer the goodbye. */
const END_TIMEOUT_MS = 1_000
/** SQLSTATE of "no pg_hba.conf entry for this host, user, database, with or without encryption". */
const NOT_AUTHORIZED = '28000'

/**
 * An ordinary session. The client is the caller's, to `end()`. When its connection breaks, pending and later queries
 * reject; nothing is thrown elsewhere.
 */
export async function connectSql(database: Config['database'], options: ConnectOptions): Promise<Client> {
  const client = await connectAny(database, options, false)
  try {
    await client.query(`SET statement_timeout = ${STATEMENT_TIMEOUT_MS}`)
    // Not every system can tell PostgreSQL that a connection was closed.
    await client.query(`SET client_connection_check_interval = ${CONNECTION_CHECK_MS}`).catch(() => {})
    return client
  } catch (error) {
    client.end().catch(() => {})
    throw classifyPostgresError(error, contextOf(parseDatabaseUrl(database.url)))
  }
}

/** A session for replication (`replication=database`) with pinned settings. See `TIME_LIMIT` for queries. */
export async function connectReplication(
  database: Config['database'],
  options: ConnectOptions,
): Promise<Client> {
  const client = await connectAny(database, options, true)
  const settings = Object.entries(PINNED_SETTINGS).map(([name, value]) => `SET ${name} = '${value}'`)
  try {
    // Behind a pooler that drops the wish for replication, this one is a syntax error.
    await client.query({ text: 'IDENTIFY_SYSTEM', ...TIME_LIMIT })
    await client.query({ text: settings.join('; '), ...TIME_LIMIT })
    return client
  } catch (error) {
    client.end().catch(() => {})
    throw classifyPostgresError(error, { ...contextOf(parseDatabaseUrl(database.url)), replication: true })
  }
}

/** Says goodbye, and drops the connection when nobody answers: it may be dead without knowing. */
export async function endSession(client: Client): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const unanswered = new Promise<void>(resolve => {
    timer = setTimeout(resolve, END_TIMEOUT_MS)
  })
  await Promise.race([client.end().catch(() => {}), unanswered])
  clearTimeout(timer)
  client.connection.stream.destroy()
}

async function connectAny(
  database: Config['database'],
  { applicationName, signal }: ConnectOptions,
  replication: boolean,
): Promise<Client> {
  const target = parseDatabaseUrl(database.url)
  const timeoutMs = target.connectTimeoutMs ?? database.connect_timeout_ms
  const attempt = { target, tls: await tlsOptions(target), applicationName, replication, timeoutMs, signal }
  const failures: RetryableError[] = []
  for (const wanted of passes(target.targetSession)) {
    for (const host of target.hosts) {
      try {
        return cutAt(signal, await connectHost(host, wanted, attempt))
      } catch (error) {
        signal?.throwIfAborted()
        const context = { ...contextOf(target), server: describeHost(host), replication, connecting: true }
        const failure = classifyPostgresError(error, context)
        // A host that can't be reached may have a working neighbour; a wrong password is wrong everywhere.
        if (!(failure instanceof RetryableError)) throw failure
        failures.push(failure)
      }
    }
  }
  throw failures.length === 1 ? failures[0] : noneOf(failures)
}

function cutAt(signal: AbortSignal | undefined, client: Client): Client {
  const cut = (): void => void client.connection.stream.destroy()
  client.once('end', () => signal?.removeEventListener('abort', cut))
  signal?.addEventListener('abort', cut, { once: true })
  if (signal?.aborted) cut()
  return client
}

interface Attempt {
  readonly target: DatabaseTarget
  readonly tls: Awaited<ReturnType<typeof tlsOptions>>
  readonly applicationName: string
  readonly replication: boolean
  /** 0: no limit. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

function contextOf({ hosts, user, database }: DatabaseTarget): PostgresContext {
  return { server: hosts.map(describeHost).join(','), user, database: database ?? user }
}

function noneOf(failures: readonly RetryableError[]): RetryableError {
  return new RetryableError(`no host can be used: ${failures.map(({ message }) => message).join('; ')}`, {
    code: failures[0]?.code ?? 'CONNECTION_LOST',
    remedy: failures[0]?.remedy ?? '',
    cause: new AggregateError(failures),
  })
}

function passes(wanted: TargetSession): readonly TargetSession[] {
  return wanted === 'prefer-standby' ? ['standby', 'any'] : [wanted]
}

async function connectHost(host: DatabaseHost, wanted: TargetSession, attempt: Attempt): Promise<Client> {
  const client = await connectModes(host, attempt)
  if (wanted === 'any') return client
  try {
    const { rows } = await client.query<{ standby: boolean; readonly: string }>(
      "SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') AS readonly",
    )
    const { standby, readonly } = rows[0]!
    if (suits(wanted, standby, readonly === 'on')) return client
    throw new RetryableError(`${describeHost(host)} is ${standby ? 'a standby' : 'a primary'}`, {
      code: 'WRONG_SERVER',
      remedy: `DATABASE_URL asks for target_session_attrs=${wanted}: let it name such a server.`,
    })
  } catch (error) {
    client.end().catch(() => {})
    throw error
  }
}

/** https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TARGET-SESSION-ATTRS */
export function suits(wanted: TargetSession, standby: boolean, readOnly: boolean): boolean {
  switch (wanted) {
    case 'any':
    case 'prefer-standby':
      return true
    case 'primary':
      return !standby
    case 'standby':
      return standby
    case 'read-write':
      return !standby && !readOnly
    case 'read-only':
      return standby || readOnly
  }
}

/** `prefer` and `allow` have a second way, taken when the first is refused for what it is. */
async function connectModes(host: DatabaseHost, attempt: Attempt): Promise<Client> {
  const [first, second] = tlsUses(attempt.target.sslMode)
  try {
    return await connectOnce(host, first, attempt)
  } catch (error) {
    if (second === null || host.host.startsWith('/') || !refusedForTls(error)) throw error
    // When both fail, the first tells more: it is the way that was wanted.
    return await connectOnce(host, second, attempt).catch(later => {
      throw codeOf(later) === OWN_CODE.tlsRefused || codeOf(later) === NOT_AUTHORIZED ? error : later
    })
  }
}

export function tlsUses(mode: SslMode): readonly [TlsUse, TlsUse | null] {
  switch (mode) {
    case 'disable':
      return ['no', null]
    case 'allow':
      return ['no', 'yes']
    case 'prefer':
      return ['if-offered', 'no']
    default:
      return ['yes', null]
  }
}

function refusedForTls(error: unknown): boolean {
  const code = codeOf(error) ?? ''
  return code === NOT_AUTHORIZED || code === 'EPROTO' || code.startsWith('ERR_SSL')
}

async function connectOnce(host: DatabaseHost, use: TlsUse, attempt: Attempt): Promise<Client> {
  const { target, tls, timeoutMs } = attempt
  const timeout = new AbortController()
  const timer = setTimeout(
    () => timeout.abort(new SocketError(`waited ${timeoutMs} ms`, OWN_CODE.timeout)),
    timeoutMs === 0 ? 2 ** 31 - 1 : timeoutMs,
  )
  const signal = attempt.signal ? AbortSignal.any([attempt.signal, timeout.signal]) : timeout.signal
  try {
    const socket = await openSocket(host, use, tls, target.sslNegotiation, signal)
    return await logIn(socket, attempt, signal)
  } finally {
    clearTimeout(timer)
  }
}

async function logIn(socket: Socket, attempt: Attempt, signal: AbortSignal): Promise<Client> {
  const abort = () => socket.destroy(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  const client = new Client(clientConfig(socket, attempt))
  // A client without a listener would end the process when its connection breaks while idle.
  client.on('error', () => {})
  let asked = false
  client.connection.once('authenticationSASL', () => {
    asked = true
  })
  try {
    await client.connect()
    return client
  } catch (error) {
    socket.destroy()
    if (signal.aborted) throw signal.reason
    // The driver has no code for this failure of its own.
    if (asked && codeOf(error) === undefined && attempt.target.password === null) {
      throw new SocketError('no password in the URL or the environment', OWN_CODE.noPassword)
    }
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** All is given here that the URL can say, so that the driver parses no URL and negotiates no TLS. */
function clientConfig(socket: Socket, { target, applicationName, replication }: Attempt): ClientConfig {
  const { user, password, database, options } = target
  const config = {
    stream: () => adopted(socket),
    ssl: false,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    application_name: target.applicationName ?? applicationName,
    ...(user === null ? {} : { user }),
    ...(password === null ? {} : { password }),
    ...(database === null ? {} : { database }),
    ...(options === null ? {} : { options }),
    ...(replication ? { replication: 'database' } : { query_timeout: QUERY_TIMEOUT_MS }),
  }
  return config
}

/** The driver connects the stream that it is given; this one is connected already, and says so when asked. */
function adopted(socket: Socket): Socket {
  socket.connect = () => {
    process.nextTick(() => socket.emit('connect'))
    return socket
  }
  return socket
}
