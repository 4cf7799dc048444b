/**
 * Server addresses as people write them: `nats://user:password@host:4222,tls://other`, with or without scheme, port
 * and credentials. The client gets host and port only, because its own parser takes the digits of a password for a
 * port, and ignores `tls://`. Pure. No error holds any part of a URL that may be a password.
 */
import { ConfigurationError } from './errors.ts'

export interface UrlCredentials {
  /** null: there is only a token. */
  readonly user: string | null
  /** The password, or the token. */
  readonly secret: string
}

export interface NatsServers {
  /** `host:port` or `[address]:port`, without duplicates; at least one. */
  readonly addresses: readonly string[]
  /** Any of them says `tls://`. */
  readonly tls: boolean
  readonly credentials: UrlCredentials | null
}

interface NatsUrl {
  readonly address: string
  readonly tls: boolean
  readonly credentials: UrlCredentials | null
}

const SHAPE = 'Write nats://host:4222 or tls://host:4222, and several of them separated by commas.'
const ENCODE =
  'Percent-encode special characters in user and password (@ is %40, : %3A, / %2F, comma %2C, % %25).'

/** Throws ConfigurationError. */
export function parseNatsServers(servers: readonly string[]): NatsServers {
  const urls = servers
    .flatMap(server => server.split(','))
    .map(url => url.trim())
    .filter(url => url !== '')
    .map(parseUrl)
  if (urls.length === 0) throw malformed('no NATS server is configured', SHAPE)
  const given = urls.flatMap(({ credentials }) => (credentials === null ? [] : [credentials]))
  const [credentials = null] = given
  if (given.some(({ user, secret }) => user !== credentials?.user || secret !== credentials.secret)) {
    throw malformed(
      'the URLs of the NATS servers have different credentials',
      'Servers of one cluster take the same credentials: write them once, under [nats.auth] or in one URL.',
    )
  }
  return {
    addresses: [...new Set(urls.map(({ address }) => address))],
    tls: urls.some(({ tls }) => tls),
    credentials,
  }
}

function parseUrl(url: string): NatsUrl {
  const match = /^(?:([a-z]+):\/\/)?(?:(.*)@)?(\[[0-9A-Fa-f:.]+\]|[^:@[\]/?#\s]+)(?::(\d{1,5}))?\/?$/is.exec(
    url,
  )
  if (match === null) throw malformed('the URL of a NATS server cannot be read', `${SHAPE} ${ENCODE}`)
  const [, scheme = 'nats', userinfo, host = '', port = '4222'] = match
  const kind = scheme.toLowerCase()
  if (kind !== 'nats' && kind !== 'tls') throw malformed(`NATS servers can't be reached by ${kind}://`, SHAPE)
  if (Number(port) < 1 || Number(port) > 65535) {
    throw malformed('the URL of a NATS server has a port that is not 1 to 65535', `${SHAPE} ${ENCODE}`)
  }
  const credentials = userinfo === undefined ? null : credentialsOf(userinfo)
  return { address: `${host}:${Number(port)}`, tls: kind === 'tls', credentials }
}

/** `user:password`, or a token alone. */
function credentialsOf(userinfo: string): UrlCredentials | null {
  if (userinfo === '') return null
  const colon = userinfo.indexOf(':')
  if (colon < 0) return { user: null, secret: decode(userinfo) }
  return { user: decode(userinfo.slice(0, colon)), secret: decode(userinfo.slice(colon + 1)) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw malformed('the URL of a NATS server holds a % that begins no percent-encoded character', ENCODE)
  }
}

function malformed(message: string, remedy: string): ConfigurationError {
  return new ConfigurationError(message, { code: 'NATS_URL', remedy })
}
