/**
 * What each failure of PostgreSQL, of the way to it, or of TLS makes the program do, and what a person should do: one
 * table from SQLSTATE and Node.js error codes to error class and remedy. Message texts are translated and change
 * between releases, so nothing looks at them; where one code has several meanings, the caller that can ask the server
 * does so first. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
import { ConfigurationError, EXIT, FatalError, RetryableError } from './errors.ts'

/** Where and as whom; whatever is known. */
export interface PostgresContext {
  readonly server?: string
  readonly user?: string | null
  readonly database?: string | null
  /** The connection asked for replication, where some codes mean something else. */
  readonly replication?: boolean
  /** It was not made yet. */
  readonly connecting?: boolean
}

type Behaviour = 'configuration' | 'fatal' | 'slot-lost' | 'retry'
type Entry = readonly [Behaviour, what: string, remedy: string]

/** Failures that have no code of PostgreSQL's or Node's own. */
export const OWN_CODE = {
  timeout: 'CONNECT_TIMEOUT',
  tlsRefused: 'TLS_REFUSED',
  noPassword: 'PASSWORD_MISSING',
  notPostgres: 'NOT_POSTGRESQL',
} as const

const START_LATER = 'The daemon tries again by itself; nothing is lost meanwhile.'
const START_SERVER = 'Check that PostgreSQL runs there and that DATABASE_URL has the right host and port.'
const RAISE_CONNECTIONS = 'Raise max_connections or max_wal_senders, or end sessions that are not needed.'
const TRUST =
  'Name the certificate authority with sslrootcert=FILE in DATABASE_URL; sslmode=require trusts unseen.'
const CLIENT_CERT =
  'Check sslcert, sslkey and sslrootcert in DATABASE_URL, and the TLS versions of both sides.'
const REPAIR_TEXT =
  "Correct it in its table. A change that holds it can be passed over: SELECT pg_replication_slot_advance('SLOT', " +
  "'LSN'); leaves out all changes up to LSN."

const TABLE: Readonly<Record<string, Entry>> = {
  // Logging in.
  '28P01': [
    'configuration',
    'PostgreSQL refuses the password',
    'Correct it in DATABASE_URL; percent-encode special characters (@ is %40, : is %3A, / is %2F).',
  ],
  '28000': [
    'configuration',
    'PostgreSQL refuses this role',
    'Create the role with LOGIN, or let it in (user, database, address, sslmode) in pg_hba.conf and reload.',
  ],
  [OWN_CODE.noPassword]: [
    'configuration',
    'PostgreSQL asks for a password and there is none',
    'Put it into DATABASE_URL (postgresql://user:password@host/database) or PGPASSWORD.',
  ],
  '3D000': [
    'configuration',
    'the database does not exist',
    'Correct the name in DATABASE_URL, or create it: CREATE DATABASE.',
  ],
  '42501': ['configuration', 'the role lacks a permission', 'Grant it what the message names.'],
  // The way there.
  ECONNREFUSED: ['retry', 'nothing accepts connections there', START_SERVER],
  ENOTFOUND: ['retry', 'the host name is unknown', 'Correct the host in DATABASE_URL, or look into the DNS.'],
  EAI_AGAIN: ['retry', 'the DNS does not answer', 'Look into the DNS of this machine.'],
  ETIMEDOUT: [
    'retry',
    'the host does not answer',
    'Check host, port and firewalls between here and PostgreSQL.',
  ],
  [OWN_CODE.timeout]: [
    'retry',
    'no connection in time',
    'Check host, port and firewalls, or raise [database] connect_timeout_ms.',
  ],
  EHOSTUNREACH: ['retry', 'no route to the host', 'Check the network between here and PostgreSQL.'],
  ENETUNREACH: ['retry', 'no route to the network', 'Check the network between here and PostgreSQL.'],
  ENOENT: [
    'retry',
    'there is no such socket',
    'Start PostgreSQL, or correct the socket directory (unix_socket_directories) and port in DATABASE_URL.',
  ],
  EACCES: ['configuration', 'no permission to open the socket', 'Let this user into the socket directory.'],
  ECONNRESET: ['retry', 'the connection was cut', START_LATER],
  EPIPE: ['retry', 'the connection was cut', START_LATER],
  [OWN_CODE.notPostgres]: ['configuration', 'what answers there is not PostgreSQL', START_SERVER],
  '08P01': [
    'fatal',
    'the other side does not follow the protocol',
    'Connect to PostgreSQL itself, not through a pooler or proxy.',
  ],
  // TLS.
  [OWN_CODE.tlsRefused]: [
    'configuration',
    'PostgreSQL offers no TLS, and sslmode asks for it',
    'Set ssl = on at the server, or use sslmode=prefer or disable in DATABASE_URL.',
  ],
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
    'Use a host name that the certificate has, or sslmode=verify-ca, which does not compare it.',
  ],
  EPROTO: ['configuration', 'the TLS handshake failed', CLIENT_CERT],
  // The server is busy, stopping, or not what we want yet.
  '53300': ['retry', 'PostgreSQL has no connection left', RAISE_CONNECTIONS],
  '53400': [
    'configuration',
    'PostgreSQL has no replication slot left',
    'Raise max_replication_slots and restart PostgreSQL, or drop a slot with pg_drop_replication_slot().',
  ],
  '55006': ['retry', 'the replication slot is in use by another session', START_LATER],
  '55P03': ['retry', 'another session holds a lock', START_LATER],
  '57014': [
    'retry',
    'PostgreSQL cancelled the statement',
    'Look for a statement_timeout of this role: ALTER ROLE ... RESET statement_timeout.',
  ],
  '57P01': ['retry', 'PostgreSQL is shutting down, or ended this session', START_LATER],
  '57P02': ['retry', 'PostgreSQL crashed and is restarting', START_LATER],
  '57P03': ['retry', 'PostgreSQL is starting up', START_LATER],
  '57P04': ['fatal', 'the database was dropped', 'Correct DATABASE_URL.'],
  '57P05': ['retry', 'PostgreSQL ended an idle session', START_LATER],
  '25006': [
    'retry',
    'this server is a standby or read-only',
    'Let DATABASE_URL name the primary (or all hosts), and the role not set default_transaction_read_only.',
  ],
  // Slot, publication, WAL.
  '42704': [
    'fatal',
    'the slot or the publication does not exist',
    'Start the daemon anew: it creates what is missing, or says why it cannot.',
  ],
  '55000': [
    'fatal',
    'the slot cannot be used, or wal_level is not logical',
    'Look at SHOW wal_level (it must be logical) and SELECT * FROM pg_replication_slots;',
  ],
  '58P01': [
    'slot-lost',
    'PostgreSQL has removed WAL that the slot needs',
    'Drop the slot and start anew: what was committed since its last position is not in the stream.',
  ],
  '0A000': [
    'fatal',
    'this server cannot do what was asked',
    'Check the version of PostgreSQL (14 to 18) and whether it is a standby.',
  ],
  '22021': ['fatal', 'PostgreSQL holds text that is not of its own encoding', REPAIR_TEXT],
  '22P05': ['fatal', 'PostgreSQL holds a character that UTF-8 does not have', REPAIR_TEXT],
  XX001: ['fatal', 'PostgreSQL reports damaged data', 'Look into the log of PostgreSQL.'],
  XX002: ['fatal', 'PostgreSQL reports a damaged index', 'Look into the log of PostgreSQL.'],
}

/** The same code on a connection that asked for replication. */
const REPLICATION_TABLE: Readonly<Record<string, Entry>> = {
  '42501': [
    'configuration',
    'the role may not replicate',
    'Run as superuser: ALTER ROLE {user} REPLICATION; (on Amazon RDS: GRANT rds_replication TO {user};).',
  ],
  '53300': ['retry', 'PostgreSQL has no connection or WAL sender left', RAISE_CONNECTIONS],
  '08P01': [
    'configuration',
    'a connection pooler or proxy refuses replication',
    'Let DATABASE_URL lead to PostgreSQL itself: replication cannot pass a pooler such as PgBouncer.',
  ],
  '42601': [
    'configuration',
    'a connection pooler or proxy dropped the wish for replication',
    'Let DATABASE_URL lead to PostgreSQL itself: replication cannot pass a pooler such as PgBouncer.',
  ],
}

/** The same code before there is a session. */
const CONNECT_TABLE: Readonly<Record<string, Entry>> = {
  '55000': [
    'retry',
    'the database accepts no connections',
    'The daemon tries again by itself. If this is not meant: ALTER DATABASE ... ALLOW_CONNECTIONS true;',
  ],
}

/** Classes of SQLSTATE whose other members pass: connection, rollback, resources, operator, system. */
const PASSING_CLASSES = new Set(['08', '40', '53', '57', '58', 'XX'])

type PostgresFailure = ConfigurationError | FatalError | RetryableError

/** Any thrown thing of the driver, the socket or TLS -> one of our errors. Ours pass through unchanged. */
export function classifyPostgresError(error: unknown, context: PostgresContext = {}): PostgresFailure {
  if (error instanceof ConfigurationError || error instanceof FatalError || error instanceof RetryableError) {
    return error
  }
  const code = codeOf(error)
  const [behaviour, what, remedy] = entryOf(code, context)
  const message = `${where(context)}${what}${said(error, code)}`
  const details = { code: code ?? 'CONNECTION_LOST', remedy: fill(remedy, context), cause: error }
  switch (behaviour) {
    case 'configuration':
      return new ConfigurationError(message, details)
    case 'retry':
      return new RetryableError(message, details)
    case 'fatal':
      return new FatalError(message, details)
    case 'slot-lost':
      return new FatalError(message, { ...details, exitCode: EXIT.slotLost })
  }
}

/** SQLSTATE or Node.js code of anything thrown. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' && error.code !== '' ? error.code : undefined
}

function entryOf(code: string | undefined, { replication, connecting }: PostgresContext): Entry {
  if (code === undefined) return ['retry', 'the connection to PostgreSQL ended', START_LATER]
  const special = [
    connecting ? CONNECT_TABLE[code] : undefined,
    replication ? REPLICATION_TABLE[code] : undefined,
  ]
  const entry = special.find(one => one !== undefined) ?? TABLE[code]
  if (entry !== undefined) return entry
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_OSSL')) {
    return ['configuration', 'the TLS handshake failed', CLIENT_CERT]
  }
  // Node.js names system errors E...; a SQLSTATE has five characters and never begins so.
  if (code.startsWith('E')) return ['retry', 'the connection failed', START_SERVER]
  return PASSING_CLASSES.has(code.slice(0, 2))
    ? ['retry', 'PostgreSQL failed', START_LATER]
    : ['fatal', 'PostgreSQL refused a command', 'Look into the log of PostgreSQL; the code says more.']
}

function where({ server, user, database }: PostgresContext): string {
  if (server === undefined) return ''
  const as = user == null ? '' : `, role "${user}"`
  const of = database == null ? '' : `, database "${database}"`
  return `PostgreSQL at ${server}${as}${of}: `
}

/** The server's own words, for people; passwords are never in them. */
function said(error: unknown, code: string | undefined): string {
  const text = error instanceof Error ? error.message : ''
  if (text === '') return code === undefined ? '' : ` (${code})`
  return code === undefined || text.includes(code) ? ` (${text})` : ` (${code}: ${text})`
}

function fill(remedy: string, { user }: PostgresContext): string {
  return remedy.replaceAll('{user}', user == null ? 'ROLE' : `"${user.replaceAll('"', '""')}"`)
}
