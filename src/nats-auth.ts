/**
 * How the daemon shows a NATS server who it is. Everything is tried once before connecting, so that a bad seed or a
 * missing file is an error of the configuration and not a refusal of the server's. Files are read again for every
 * connection, so that renewed credentials are taken up without a restart.
 * https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro
 */
import { readFileSync } from 'node:fs'
import {
  type Auth,
  type Authenticator,
  jwtAuthenticator,
  nkeyAuthenticator,
  nkeys,
} from '@nats-io/transport-node'
import type { NatsAuth } from './config/config.ts'
import { ConfigurationError } from './errors.ts'
import type { UrlCredentials } from './nats-url.ts'

const SEED = /\bS[A-Z][A-Z2-7]{56}\b/
const JWT = /\beyJ[\w-]+\.[\w-]+\.[\w-]+/
const PUBLIC_KEY = /^[UANCOX][A-Z2-7]{55}$/

/** [nats.auth] wins over credentials in the URL. null: none. Throws ConfigurationError. */
export function natsAuthenticator(auth: NatsAuth, url: UrlCredentials | null): Authenticator | null {
  switch (auth.type) {
    case 'none':
      if (url === null) return null
      return fixed(url.user === null ? { auth_token: url.secret } : { user: url.user, pass: url.secret })
    case 'token':
      return fixed({ auth_token: auth.token })
    case 'user':
      return fixed({ user: auth.user, pass: auth.password })
    case 'nkey':
      return renewed(() => nkeyAuthenticator(seedOf(auth.seed)))
    case 'jwt':
      return renewed(() => jwtAuthenticator(jwtOf(auth.jwt), seedOf(auth.seed)))
    case 'creds':
      return renewed(() => {
        const text = read(auth.file, 'creds')
        return jwtAuthenticator(jwtIn(text, auth.file), userSeed(text, auth.file))
      })
  }
}

/** How it is said in errors; never the secret. */
export function describeAuth(auth: NatsAuth, url: UrlCredentials | null): string {
  switch (auth.type) {
    case 'none':
      if (url === null) return 'a client without credentials'
      return url.user === null ? 'the token of the URL' : `user "${url.user}" of the URL`
    case 'token':
      return 'the token of [nats.auth]'
    case 'user':
      return `user "${auth.user}"`
    case 'nkey':
      return 'the NKey of [nats.auth]'
    case 'jwt':
      return 'the JWT of [nats.auth]'
    case 'creds':
      return `the credentials file ${auth.file}`
  }
}

function fixed(auth: Auth): Authenticator {
  return () => auth
}

/** An authenticator that throws would close the client for good; when a file can't be read, the last one counts. */
function renewed(build: () => Authenticator): Authenticator {
  let last = build()
  last('nonce')
  return nonce => {
    try {
      const next = build()
      const auth = next(nonce)
      last = next
      return auth
    } catch {
      return last(nonce)
    }
  }
}

function seedOf(value: string): Uint8Array {
  const text = value.trim()
  if (PUBLIC_KEY.test(text)) {
    throw bad(
      'nkey',
      'is a public key',
      'Give the seed, which begins with SU, or the path of the file with it.',
    )
  }
  return SEED.test(text) ? userSeed(text, null) : userSeed(read(text, 'nkey'), text)
}

function userSeed(text: string, file: string | null): Uint8Array {
  const where = file === null ? 'nkey' : `file ${file}`
  const seed = SEED.exec(text)?.[0]
  if (seed === undefined) {
    throw bad(
      where,
      'holds no seed',
      'A seed has 58 characters and begins with SU; "nk -gen user" makes one.',
    )
  }
  if (!seed.startsWith('SU')) {
    throw bad(where, "holds a seed that is not a user's", 'Give the seed of a user; it begins with SU.')
  }
  const bytes = Buffer.from(seed)
  try {
    nkeys.fromSeed(bytes)
  } catch {
    throw bad(where, 'holds a seed with a wrong checksum', 'Copy it again, all 58 characters.')
  }
  return bytes
}

function jwtOf(value: string): string {
  return JWT.test(value) ? jwtIn(value, null) : jwtIn(read(value.trim(), 'jwt'), value.trim())
}

function jwtIn(text: string, file: string | null): string {
  const jwt = JWT.exec(text)?.[0]
  if (jwt !== undefined) return jwt
  const where = file === null ? 'jwt' : `file ${file}`
  throw bad(where, 'holds no JWT', 'Make a credentials file anew: "nsc generate creds".')
}

function read(file: string, key: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw new ConfigurationError(`[nats.auth] ${key}: the file can't be read (${code})${named(file)}`, {
      code: 'NATS_AUTH_FILE',
      remedy: `Correct [nats.auth] ${key}, or let this user read the file.`,
    })
  }
}

/** What is given in place of a path may be a mistyped secret; only what looks like a path is shown. */
function named(file: string): string {
  return /[/\\.]/.test(file) && file.length < 200 ? `: ${file}` : ''
}

function bad(where: string, what: string, remedy: string): ConfigurationError {
  return new ConfigurationError(`[nats.auth] ${where} ${what}`, { code: 'NATS_AUTH', remedy })
}
