/**
 * What `nsc` makes, for tests of JWT log-in: an operator, accounts and users, as tokens signed by their NKeys, and the
 * server configuration that trusts them. https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt
 */
import { createHash } from 'node:crypto'
import { nkeys } from '@nats-io/transport-node'

type KeyPair = ReturnType<typeof nkeys.createUser>

export interface JwtUser {
  readonly jwt: string
  readonly seed: string
  /** The text of a credentials file. */
  readonly creds: string
}

export interface JwtOperator {
  /** For the server's configuration: trusts the operator, knows both accounts. */
  readonly config: string
  /** A user of the account with JetStream. */
  user(expiresInSeconds?: number): JwtUser
  /** A user of the account without. */
  userWithoutJetStream(): JwtUser
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 }
const ACCOUNT_LIMITS = { ...UNLIMITED, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
const JETSTREAM = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }

export function createJwtOperator(): JwtOperator {
  const operator = nkeys.createOperator()
  const system = nkeys.createAccount()
  const account = nkeys.createAccount()
  const bare = nkeys.createAccount()
  const operatorJwt = sign(operator, operator, 'test', { type: 'operator', version: 2 })
  const accountJwt = (key: KeyPair, name: string, limits: object) =>
    sign(operator, key, name, { type: 'account', version: 2, limits: { ...ACCOUNT_LIMITS, ...limits } })
  const preload = [
    `${system.getPublicKey()}: ${accountJwt(system, 'SYS', {})}`,
    `${account.getPublicKey()}: ${accountJwt(account, 'APP', JETSTREAM)}`,
    `${bare.getPublicKey()}: ${accountJwt(bare, 'BARE', {})}`,
  ]
  return {
    config: [
      `operator: ${operatorJwt}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: {\n${preload.join('\n')}\n}`,
    ].join('\n'),
    user: expiresInSeconds => createUser(account, expiresInSeconds),
    userWithoutJetStream: () => createUser(bare),
  }
}

function createUser(account: KeyPair, expiresInSeconds?: number): JwtUser {
  const key = nkeys.createUser()
  const seed = Buffer.from(key.getSeed()).toString()
  const expires =
    expiresInSeconds === undefined ? {} : { exp: Math.floor(Date.now() / 1000) + expiresInSeconds }
  const jwt = sign(account, key, 'daemon', { type: 'user', version: 2, ...UNLIMITED }, expires)
  const creds = [
    '-----BEGIN NATS USER JWT-----',
    jwt,
    '------END NATS USER JWT------',
    '',
    '-----BEGIN USER NKEY SEED-----',
    seed,
    '------END USER NKEY SEED------',
    '',
  ].join('\n')
  return { jwt, seed, creds }
}

function sign(issuer: KeyPair, subject: KeyPair, name: string, nats: object, more: object = {}): string {
  const issued = {
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name,
    sub: subject.getPublicKey(),
  }
  const claims = { ...issued, ...more, nats }
  const jti = createHash('sha256').update(JSON.stringify(claims)).digest('hex')
  const text = [
    { typ: 'JWT', alg: 'ed25519-nkey' },
    { jti, ...claims },
  ]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`
}
