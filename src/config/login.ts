/**
 * `[nats.auth]` and `[nats.tls]` from loose keys to the one kind of login and the TLS files. Files are only looked up
 * here, relative to the configuration file that names them; the NATS client reads them for each connection.
 */
import { isAbsolute, resolve } from 'node:path'
import type { NatsAuth, NatsTls, Settings } from './config.ts'

type WrittenAuth = Settings['nats']['auth']
type AuthKey = Exclude<keyof WrittenAuth, 'type'>

/** What the loader knows and this file does not look for itself. */
export interface LoginContext {
  /** A problem with a key of `[nats.auth]` or `[nats.tls]`. */
  readonly report: (path: readonly string[], message: string) => void
  /** Directory that paths in this key are relative to. */
  readonly directoryOf: (path: readonly string[]) => string
  /** Text of a file; null where it can't be read. */
  readonly read: (file: string) => string | null
}

/** Which keys each kind needs; without `type`, the first kind whose first key is there. */
const NEEDS = {
  creds: ['creds'],
  jwt: ['jwt', 'nkey'],
  nkey: ['nkey'],
  user: ['user', 'password'],
  token: ['token'],
  none: [],
} as const satisfies Record<NatsAuth['type'], readonly AuthKey[]>

/** What a credentials file holds, in place of its path. */
const CREDENTIALS = /[\r\n]|-----BEGIN|\beyJ/

const SEED = /\bS[A-Z][A-Z2-7]{56}\b/
const PUBLIC_KEY = /^[UANCOX][A-Z2-7]{55}$/

export function natsAuth(auth: WrittenAuth, context: LoginContext): NatsAuth {
  const kinds = Object.keys(NEEDS) as NatsAuth['type'][]
  const type = auth.type ?? kinds.find(kind => isBegun(kind, auth)) ?? 'none'
  const needed: readonly AuthKey[] = NEEDS[type]
  for (const key of needed) {
    if (auth[key] === undefined)
      context.report(['nats', 'auth', key], `is missing: [nats.auth] type = "${type}" needs it`)
  }
  for (const key of ['token', 'user', 'password', 'nkey', 'jwt', 'creds'] as const) {
    if (auth[key] === undefined || needed.includes(key)) continue
    context.report(
      ['nats', 'auth', key],
      `does not belong to [nats.auth] type = "${type}", which needs ${needed.join(' and ') || 'no key'}`,
    )
  }
  const { token = '', user = '', password = '' } = auth
  switch (type) {
    case 'none':
      return { type }
    case 'token':
      return { type, token }
    case 'user':
      return { type, user, password }
    case 'nkey':
      return { type, seed: seedOrFile(auth.nkey, context) }
    case 'jwt':
      return { type, jwt: jwtOrFile(auth.jwt, context), seed: seedOrFile(auth.nkey, context) }
    case 'creds':
      return { type, file: credsFile(auth.creds, context) }
  }
}

export function natsTls({ enabled, ...tls }: Settings['nats']['tls'], context: LoginContext): NatsTls | null {
  if (enabled !== true) return null
  const file = (key: 'ca_file' | 'cert_file' | 'key_file') => {
    const path = tls[key]
    return path === null ? null : existing(['nats', 'tls', key], path, context)
  }
  if (tls.cert_file !== null && tls.key_file === null) {
    context.report(['nats', 'tls', 'cert_file'], 'needs key_file: a certificate is of no use without its key')
  }
  if (tls.key_file !== null && tls.cert_file === null) {
    context.report(['nats', 'tls', 'key_file'], 'needs cert_file: a key is of no use without its certificate')
  }
  return { ...tls, ca_file: file('ca_file'), cert_file: file('cert_file'), key_file: file('key_file') }
}

function isBegun(kind: NatsAuth['type'], auth: WrittenAuth): boolean {
  const [first]: readonly AuthKey[] = NEEDS[kind]
  return first !== undefined && auth[first] !== undefined
}

function credsFile(written: string | undefined, context: LoginContext): string {
  if (written === undefined) return ''
  const path = ['nats', 'auth', 'creds']
  if (!CREDENTIALS.test(written) && !SEED.test(written)) return existing(path, written, context)
  context.report(path, 'must be the path of the credentials file, not what it holds')
  return ''
}

function seedOrFile(written: string | undefined, context: LoginContext): string {
  const text = written?.trim() ?? ''
  if (text === '') return ''
  const report = (message: string) => context.report(['nats', 'auth', 'nkey'], message)
  if (PUBLIC_KEY.test(text)) {
    report('is a public key; give the seed, which begins with SU, or the path of the file that holds it')
    return ''
  }
  if (SEED.test(text)) {
    if (!text.startsWith('SU')) report("is not a user's seed, which begins with SU")
    return text
  }
  const { path, content } = fileOf(['nats', 'auth', 'nkey'], text, context)
  if (content === null)
    report('is neither a seed (58 characters, beginning with SU) nor a file that can be read')
  else if (PUBLIC_KEY.test(content.trim())) report('is a file with a public key; it must hold the seed')
  else if (!SEED.test(content)) report('is a file without a seed')
  return path
}

function jwtOrFile(written: string | undefined, context: LoginContext): string {
  const text = written?.trim() ?? ''
  if (text === '' || text.startsWith('eyJ')) return text
  const { path, content } = fileOf(['nats', 'auth', 'jwt'], text, context)
  if (content === null)
    context.report(['nats', 'auth', 'jwt'], 'is neither a JWT nor a file that can be read')
  return path
}

function existing(path: readonly string[], written: string, context: LoginContext): string {
  const { path: file, content } = fileOf(path, written, context)
  if (content === null) context.report(path, `names a file that can not be read: ${file}`)
  return file
}

function fileOf(path: readonly string[], written: string, context: LoginContext) {
  const file = isAbsolute(written) ? written : resolve(context.directoryOf(path), written)
  return { path: file, content: context.read(file) }
}
