/**
 * `postgresql://user:password@host:port,host2/database?key=value`, read as libpq reads it (several hosts, socket
 * directories, sslmode), which neither the WHATWG URL nor the driver's own parser does. Pure: files named in the URL
 * are not opened here. No error holds any part of the URL, because a misplaced `@` or `/` makes the password look
 * like a host or a port. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
import { ConfigurationError } from './errors.ts'

export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'
export type TargetSession = 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby'

export interface DatabaseHost {
  /** Name, address, or the directory of a Unix socket (begins with `/`). */
  readonly host: string
  readonly port: number
}

export interface DatabaseTarget {
  /** Tried in this order; at least one. */
  readonly hosts: readonly DatabaseHost[]
  /** null: the driver's default (PGUSER, then the name of the system's user). */
  readonly user: string | null
  readonly password: string | null
  readonly database: string | null
  readonly sslMode: SslMode
  /** File, or `system` for the certificate authorities that Node.js trusts. */
  readonly sslRootCert: string | null
  readonly sslCert: string | null
  readonly sslKey: string | null
  readonly sslPassword: string | null
  readonly sslNegotiation: 'postgres' | 'direct'
  readonly targetSession: TargetSession
  readonly applicationName: string | null
  readonly options: string | null
  /** null: not said in the URL; 0: wait for ever. */
  readonly connectTimeoutMs: number | null
}

const SSL_MODES: readonly SslMode[] = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']
const TARGETS: readonly TargetSession[] = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
]
/** A mistyped one would silently weaken the connection, so that any other key beginning with `ssl` is refused. */
const SSL_KEYS = [
  'ssl',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslpassword',
  'sslnegotiation',
  'sslsni',
]

const ENCODE =
  'Percent-encode special characters in user and password (@ is %40, : %3A, / %2F, ? %3F, % %25).'

/** Throws ConfigurationError. Keys that belong to other programs (`schema`, `connection_limit`) are left alone. */
export function parseDatabaseUrl(url: string): DatabaseTarget {
  const match = /^postgres(?:ql)?:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(url.trim())
  if (match === null) {
    throw malformed(
      'the database URL does not begin with postgresql://',
      'Write postgresql://user@host/database.',
    )
  }
  const [, authority = '', path = '', query = ''] = match
  // It is most likely the end of a password with a / or ? in it, of which no part may be taken for a host.
  if (path.includes('@') || query.includes('@')) {
    throw malformed('the database URL has an @ behind the host; one that belongs there is %40', ENCODE)
  }
  const at = authority.lastIndexOf('@')
  const [user, password] = credentials(at < 0 ? '' : authority.slice(0, at))
  const parameters = queryParameters(query)
  const get = (key: string) => parameters.get(key) ?? null
  const hosts = hostList(authority.slice(at + 1), get('host'), get('port'))
  const sslRootCert = get('sslrootcert')
  const mode = sslMode(get('sslmode'), get('ssl'), sslRootCert)
  return {
    hosts,
    user: get('user') ?? user,
    password: get('password') ?? password,
    database: get('dbname') ?? (path === '' ? null : decode(path)),
    sslMode: mode,
    sslRootCert,
    sslCert: get('sslcert'),
    sslKey: get('sslkey'),
    sslPassword: get('sslpassword'),
    sslNegotiation: sslNegotiation(get('sslnegotiation'), mode),
    targetSession: targetSession(get('target_session_attrs'), hosts.length),
    applicationName: get('application_name'),
    options: get('options'),
    connectTimeoutMs: connectTimeout(get('connect_timeout')),
  }
}

/** For messages: where a connection goes, never how it logs in. */
export function describeHost({ host, port }: DatabaseHost): string {
  if (host.startsWith('/')) return `${host}/.s.PGSQL.${port}`
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The same of all hosts, with the database where the URL names one. */
export function describeTarget({ hosts, database }: DatabaseTarget): string {
  return hosts.map(describeHost).join(',') + (database === null ? '' : `/${database}`)
}

function malformed(message: string, remedy: string): ConfigurationError {
  return new ConfigurationError(message, { code: 'DATABASE_URL', remedy })
}

function credentials(text: string): [string | null, string | null] {
  if (text === '') return [null, null]
  const colon = text.indexOf(':')
  if (colon < 0) return [decode(text), null]
  return [colon === 0 ? null : decode(text.slice(0, colon)), decode(text.slice(colon + 1))]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw malformed('the database URL holds a % that begins no percent-encoded character', ENCODE)
  }
}

function queryParameters(query: string): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const key = decode(equals < 0 ? pair : pair.slice(0, equals))
    if (key.startsWith('ssl') && !SSL_KEYS.includes(key)) {
      throw malformed(
        `the database URL has an unknown parameter ${key}`,
        `Use one of ${SSL_KEYS.join(', ')}.`,
      )
    }
    parameters.set(key, equals < 0 ? '' : decode(pair.slice(equals + 1)))
  }
  return parameters
}

/** The hosts of the authority, unless the query names some: `?host=` wins, as in libpq. */
function hostList(authority: string, hosts: string | null, ports: string | null): DatabaseHost[] {
  if (hosts === null) return authority.split(',').map(part => hostOf(part, ports))
  const names = hosts.split(',')
  const numbers = (ports ?? '').split(',')
  if (numbers.length !== 1 && numbers.length !== names.length) {
    throw malformed(
      'the database URL names other numbers of hosts and ports',
      'Give one port, or one for each host.',
    )
  }
  return names.map((host, i) => ({
    host: host === '' ? 'localhost' : host,
    port: portOf((numbers.length === 1 ? numbers[0] : numbers[i]) ?? ''),
  }))
}

function hostOf(part: string, ports: string | null): DatabaseHost {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/s.exec(part)
  if (match === null) throw malformed('the database URL has a host that cannot be read', ENCODE)
  const host = decode(match[1] ?? match[2] ?? '')
  return { host: host === '' ? 'localhost' : host, port: portOf(match[3] ?? ports ?? '') }
}

function portOf(text: string): number {
  if (text === '') return 5432
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65535) throw malformed('the database URL has a port that is not 1 to 65535', ENCODE)
  return port
}

/** Without a word, `prefer`, as libpq: TLS where the server has it. */
function sslMode(mode: string | null, ssl: string | null, rootCert: string | null): SslMode {
  if (mode === null && ssl !== null) return ssl === 'false' || ssl === '0' ? 'disable' : 'require'
  const chosen = oneOf('sslmode', mode ?? (rootCert === 'system' ? 'verify-full' : 'prefer'), SSL_MODES)
  if (rootCert === 'system' && chosen !== 'verify-full') {
    throw malformed(`sslrootcert=system with sslmode=${chosen} proves nothing`, 'Use sslmode=verify-full.')
  }
  if (chosen === 'verify-ca' && rootCert === null) {
    throw malformed('sslmode=verify-ca needs a certificate authority', 'Name its file with sslrootcert.')
  }
  // libpq: with a root certificate at hand, `require` verifies it.
  return chosen === 'require' && rootCert !== null ? 'verify-ca' : chosen
}

/** `direct` starts with TLS, so there is nothing to fall back to. */
function sslNegotiation(text: string | null, mode: SslMode): 'postgres' | 'direct' {
  const negotiation = oneOf('sslnegotiation', text ?? 'postgres', ['postgres', 'direct'])
  if (negotiation === 'direct' && (mode === 'disable' || mode === 'allow' || mode === 'prefer')) {
    throw malformed(`sslnegotiation=direct contradicts sslmode=${mode}`, 'Use sslmode=require or stronger.')
  }
  return negotiation
}

/** Of several hosts only the primary has use for us, unless the URL says otherwise (libpq would take any). */
function targetSession(text: string | null, hosts: number): TargetSession {
  return oneOf('target_session_attrs', text ?? (hosts > 1 ? 'primary' : 'any'), TARGETS)
}

function connectTimeout(text: string | null): number | null {
  if (text === null) return null
  if (!/^\d{1,6}$/.test(text))
    throw malformed('connect_timeout is not a number of seconds', 'Write 10, or 0 for none.')
  return Number(text) * 1000
}

function oneOf<T extends string>(key: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find(one => one === value)
  if (found === undefined)
    throw malformed(`the database URL has an unknown ${key}`, `Use one of ${allowed.join(', ')}.`)
  return found
}
