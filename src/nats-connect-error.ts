/**
 * What a failed connection to a NATS server means. The client's errors tell credentials from the rest by class;
 * network and TLS are told by Node's codes; and what has neither is decided by the server's greeting, which says
 * whether it has TLS and whether it asks for a certificate. Nothing looks at message texts.
 */
import { errors } from '@nats-io/transport-node'
import { ConfigurationError, EXIT, FatalError, messageOf, RetryableError } from './errors.ts'
import type { Greeting } from './nats-greeting.ts'

export interface ConnectContext {
  /** `host:port`. */
  readonly server: string
  /** How the daemon logs in, for people. */
  readonly auth: string
  /** TLS is asked for by the configuration. */
  readonly tls: boolean
  /** A client certificate is configured. */
  readonly certificate: boolean
  readonly timeoutMs: number
}

export type ConnectFailure = ConfigurationError | FatalError | RetryableError

type Entry = readonly ['configuration' | 'retry', what: string, remedy: string]

const START =
  'Check that nats-server runs there and that NATS_URL ([nats] servers) has the right host and port.'
const NETWORK = 'Check host, port and firewalls between here and NATS.'
const TRUST = 'Name the certificate authority with [nats.tls] ca_file.'
const CLIENT_CERTIFICATE =
  "Set cert_file and key_file under [nats.tls] to a certificate that the server's authority has signed."

const CREDENTIALS_CODE = 'NATS_CREDENTIALS'
const CREDENTIALS =
  'Correct [nats.auth] (type token, user, nkey, jwt or creds) or the credentials in NATS_URL; the log of nats-server says more.'

const CODES: Readonly<Record<string, Entry>> = {
  ECONNREFUSED: ['retry', 'nothing accepts connections there', START],
  ENOTFOUND: ['retry', 'the host name is unknown', 'Correct the host in NATS_URL, or look into the DNS.'],
  EAI_AGAIN: ['retry', 'the DNS does not answer', 'Look into the DNS of this machine.'],
  ETIMEDOUT: ['retry', 'the host does not answer', NETWORK],
  EHOSTUNREACH: ['retry', 'no route to the host', NETWORK],
  ENETUNREACH: ['retry', 'no route to the network', NETWORK],
  ECONNRESET: ['retry', 'the connection was cut', START],
  EPIPE: ['retry', 'the connection was cut', START],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['configuration', "the server's certificate is self-signed", TRUST],
  SELF_SIGNED_CERT_IN_CHAIN: ['configuration', "the server's certificate authority is not trusted", TRUST],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['configuration', "the server's certificate is not trusted", TRUST],
  UNABLE_TO_GET_ISSUER_CERT: ['configuration', "the server's certificate authority is unknown", TRUST],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'configuration',
    "the server's certificate authority is unknown",
    TRUST,
  ],
  CERT_SIGNATURE_FAILURE: ['configuration', "the server's certificate has a wrong signature", TRUST],
  CERT_HAS_EXPIRED: ['configuration', "the server's certificate has expired", 'Renew it.'],
  CERT_NOT_YET_VALID: ['configuration', "the server's certificate is not valid yet", 'Check both clocks.'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'configuration',
    "the server's certificate is for another host",
    'Use a host name that the certificate has, or set [nats.tls] server_name to one.',
  ],
}

/** Any failure to connect -> one of our errors. `greeting`: the server's, where there was one. */
export function connectFailure(
  error: unknown,
  context: ConnectContext,
  greeting: Greeting | null,
): ConnectFailure {
  if (error instanceof ConfigurationError || error instanceof FatalError || error instanceof RetryableError)
    return error
  if (refusesCredentials(error)) return refused(error, context)
  const code = codeIn(error)
  const entry = CODES[code ?? ''] ?? entryWithoutCode(error, code, context, greeting)
  const [behaviour, what, remedy] = entry
  const message = `NATS at ${context.server}: ${what}${code === undefined ? '' : ` (${code})`}`
  const details = { code: code ?? 'NATS_CONNECT', remedy, cause: error }
  return behaviour === 'retry'
    ? new RetryableError(message, details)
    : new ConfigurationError(message, details)
}

/** What the greeting alone says against connecting; null: nothing. */
export function greetingProblem(greeting: Greeting, context: ConnectContext): ConnectFailure | null {
  const { server, tls, certificate } = context
  if (tls && !greeting.tls_required && !greeting.tls_available) {
    return new ConfigurationError(
      `NATS at ${server}: the server has no TLS, and the configuration asks for it`,
      {
        code: 'NATS_TLS_MISSING',
        remedy: 'Configure a tls { } block in nats-server, or use nats:// and no [nats.tls].',
      },
    )
  }
  if (greeting.tls_required && greeting.tls_verify && !certificate) {
    return new ConfigurationError(`NATS at ${server}: the server asks for a client certificate`, {
      code: 'NATS_TLS_CERTIFICATE',
      remedy: CLIENT_CERTIFICATE,
    })
  }
  return null
}

/** While running: null where the login is not what is refused. The client tries again by itself. */
export function loginFailure(cause: unknown): RetryableError | null {
  if (!refusesCredentials(cause)) return null
  const remedy = `${CREDENTIALS} The daemon keeps trying.`
  return new RetryableError('NATS refuses the credentials', { code: CREDENTIALS_CODE, remedy, cause })
}

/** At the start: a restart can't mend it. */
function refused(cause: unknown, { server, auth }: ConnectContext): FatalError {
  return new FatalError(`NATS at ${server} refuses ${auth} (${messageOf(cause)})`, {
    code: CREDENTIALS_CODE,
    remedy: CREDENTIALS,
    exitCode: EXIT.configuration,
    cause,
  })
}

function refusesCredentials(error: unknown): boolean {
  return error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError
}

function entryWithoutCode(
  error: unknown,
  code: string | undefined,
  { certificate, timeoutMs }: ConnectContext,
  greeting: Greeting | null,
): Entry {
  // A server that refuses the certificate closes the connection; the client only notices that nothing comes.
  if (certificate && greeting?.tls_verify === true) {
    return ['configuration', 'the server refuses the client certificate', CLIENT_CERTIFICATE]
  }
  if (code?.startsWith('ERR_SSL') || code?.startsWith('ERR_OSSL') || code === 'EPROTO') {
    return [
      'configuration',
      'the TLS handshake failed',
      'Check [nats.tls] and the TLS versions of both sides.',
    ]
  }
  if (error instanceof errors.TimeoutError) {
    return ['retry', `no connection within ${timeoutMs} ms`, `${NETWORK} Or raise [nats] connect_timeout_ms.`]
  }
  return ['retry', `the connection failed: ${messageOf(error)}`, START]
}

/** Node's code, which the client wraps once or twice. */
function codeIn(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string' && at.code !== '') return at.code
    const [first] = at instanceof AggregateError ? at.errors : []
    if (first !== undefined) return codeIn(first)
  }
  return undefined
}
