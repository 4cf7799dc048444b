/**
 * The way to PostgreSQL: a TCP or Unix socket, with TLS as libpq's sslmode means it. The driver can negotiate TLS
 * too, but takes `require` for `verify-full`, knows no `prefer`, and tells a refusal only by message text. What comes
 * out is a connected socket that the driver takes as its own.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
import { readFile } from 'node:fs/promises'
import { connect, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { ConfigurationError } from './errors.ts'
import { OWN_CODE } from './postgres-codes.ts'
import { readsInto } from './postgres-reads.ts'
import type { DatabaseHost, DatabaseTarget } from './postgres-url.ts'

/** `if-offered` goes on in plain text when the server has no TLS. */
export type TlsUse = 'no' | 'if-offered' | 'yes'

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
/** Node gives each address of a name 250 ms before it tries the next, too little for a slow link. */
const ADDRESS_TIMEOUT_MS = 2500

/** What the driver's negotiation can't tell: a failure of ours with a code of its own. */
export class SocketError extends Error {
  readonly code: string

  constructor(message: string, code: string) {
    super(message)
    this.name = 'SocketError'
    this.code = code
  }
}

/** Reads the files the URL names. Throws ConfigurationError. */
export async function tlsOptions(target: DatabaseTarget): Promise<ConnectionOptions> {
  const { sslMode, sslRootCert, sslCert, sslKey, sslPassword } = target
  if (sslMode === 'disable') return {}
  const options: ConnectionOptions = {}
  if (sslRootCert !== null && sslRootCert !== 'system') options.ca = await pem('sslrootcert', sslRootCert)
  if (sslCert !== null) options.cert = await pem('sslcert', sslCert)
  if (sslKey !== null) options.key = await pem('sslkey', sslKey)
  if (sslPassword !== null) options.passphrase = sslPassword
  if (sslMode === 'verify-ca') options.checkServerIdentity = () => undefined
  options.rejectUnauthorized = sslMode === 'verify-ca' || sslMode === 'verify-full'
  return options
}

/** Rejects with the socket's or TLS's error, or with `signal.reason`. */
export async function openSocket(
  { host, port }: DatabaseHost,
  use: TlsUse,
  options: ConnectionOptions,
  negotiation: 'postgres' | 'direct',
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted()
  const local = host.startsWith('/')
  const onread = readsInto(() => socket)
  const socket: Socket = local
    ? connect({ path: `${host}/.s.PGSQL.${port}`, onread })
    : connect({ host, port, autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS, onread })
  // An error may also come while nobody waits for an event; the one who waits next sees the closed socket.
  socket.on('error', () => {})
  const abort = () => socket.destroy(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await event(socket, 'connect')
    socket.setNoDelay(true)
    // A Unix socket carries no TLS, whatever the mode says; as in libpq.
    if (local || use === 'no') return socket
    if (negotiation === 'postgres' && !(await offersTls(socket, use))) return socket
    const name = isIP(host) === 0 ? host : ''
    const alpn = negotiation === 'direct' ? { ALPNProtocols: ['postgresql'] } : {}
    const secure = connectTls({ ...options, ...alpn, socket, host, servername: name })
    secure.on('error', () => {})
    await event(secure, 'secureConnect')
    return secure
  } catch (error) {
    socket.destroy()
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function pem(key: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new ConfigurationError(`${key} in the database URL: ${file} cannot be read`, {
      code: 'DATABASE_URL',
      remedy: `Correct ${key}, or let this user read the file.`,
      cause,
    })
  }
}

/** One byte answers: S or N. More than one byte would be somebody's plain text ahead of the handshake. */
async function offersTls(socket: Socket, use: TlsUse): Promise<boolean> {
  socket.write(SSL_REQUEST)
  const answer = await event(socket, 'data')
  const byte = Buffer.isBuffer(answer) && answer.length === 1 ? answer[0] : 0
  if (byte === 0x53) return true
  if (byte !== 0x4e) throw new SocketError('unexpected answer to the request for TLS', OWN_CODE.notPostgres)
  if (use === 'yes')
    throw new SocketError('the server answered N to the request for TLS', OWN_CODE.tlsRefused)
  return false
}

/** The first `name` event's value; rejects when the socket fails or closes before. Leaves no listener. */
function event(socket: Socket, name: 'connect' | 'data' | 'secureConnect'): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      socket.off(name, succeed)
      socket.off('error', fail)
      socket.off('close', close)
      done()
    }
    const succeed = (value?: unknown) => settle(() => resolve(value))
    const fail = (error: Error) => settle(() => reject(error))
    const close = () => settle(() => reject(new SocketError('closed before it was ready', 'ECONNRESET')))
    socket.once(name, succeed)
    socket.once('error', fail)
    socket.once('close', close)
  })
}
