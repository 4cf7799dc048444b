/**
 * Logging in to real servers in every way the configuration knows, and what a person reads when it fails. No error
 * may hold a secret.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type NatsConnection, nkeys } from '@nats-io/transport-node'
import type { Config, NatsAuth, NatsTls } from '../../src/config/config.ts'
import {
  ConfigurationError,
  exitCodeOf,
  FatalError,
  messageOf,
  RetryableError,
  remedyOf,
} from '../../src/errors.ts'
import { connectNats, type NatsStatus } from '../../src/nats.ts'
import { requestApi, requireJetStream } from '../../src/nats-api.ts'
import { createAuthority } from '../kit/certificates.ts'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { createJwtOperator } from '../kit/nats-jwt.ts'
import { freePort } from '../kit/server-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'fraiseql-test-auth-'))
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
after(() => rmSync(folder, { recursive: true, force: true }))

interface Login {
  readonly servers: readonly string[]
  readonly auth?: NatsAuth
  readonly tls?: Partial<NatsTls> | null
  readonly timeoutMs?: number
}

function configOf({
  servers,
  auth = { type: 'none' },
  tls = null,
  timeoutMs = 3_000,
}: Login): Config['nats'] {
  const files = {
    ca_file: null,
    cert_file: null,
    key_file: null,
    server_name: null,
    insecure_skip_verify: false,
  }
  return { servers, auth, tls: tls === null ? null : { ...files, ...tls }, connect_timeout_ms: timeoutMs }
}

/** Connected, and JetStream answers. */
async function works(
  login: Login,
  check: (nc: NatsConnection) => void | Promise<void> = () => {},
): Promise<void> {
  const nc = await connectNats(configOf(login), { name: 'test' })
  try {
    await requireJetStream(nc)
    await check(nc)
  } finally {
    await nc.close()
  }
}

async function failureOf(login: Login, secrets: readonly string[] = []): Promise<unknown> {
  const error = await connectNats(configOf(login), { name: 'test' }).then(
    nc => nc.close().then(() => assert.fail('connected')),
    (error: unknown) => error,
  )
  for (const secret of secrets) {
    assert.ok(
      !`${messageOf(error)} ${remedyOf(error)}`.includes(secret),
      `gives the secret away: ${messageOf(error)}`,
    )
  }
  return error
}

async function isRefused(login: Login, secrets: readonly string[], pattern: RegExp): Promise<void> {
  const error = await failureOf(login, secrets)
  assert.ok(error instanceof FatalError, String(error))
  assert.equal(error.code, 'NATS_CREDENTIALS')
  assert.match(error.message, pattern)
  assert.match(error.remedy, /\[nats\.auth\]/)
  assert.equal(exitCodeOf(error), 78)
}

async function isMisconfigured(login: Login, code: string, pattern: RegExp): Promise<void> {
  const error = await failureOf(login)
  assert.ok(error instanceof ConfigurationError, String(error))
  assert.match(error.message, pattern)
  assert.equal(error.code, code)
  assert.notEqual(error.remedy, '')
}

async function withServer(config: string, run: (server: NatsServer) => Promise<void>): Promise<void> {
  const server = await startNats({ config })
  try {
    await run(server)
  } finally {
    await server.stop()
  }
}

test('a list of servers of which the first one is dead', async () => {
  await withServer('', async server => {
    const dead = `127.0.0.1:${await freePort()}`
    const servers = [`nats://${dead},${server.url}`]
    await works({ servers }, nc => {
      assert.equal(nc.getServer(), server.url.slice('nats://'.length))
      assert.deepEqual(new Set(nc.getServers().map(({ listen }) => listen)), new Set([dead, nc.getServer()]))
    })
  })
})

test('no server can be reached: each is named, with its reason and without credentials', async () => {
  const dead = [await freePort(), await freePort()]
  const servers = dead.map(port => `nats://anna:s3cr3t@127.0.0.1:${port}`)
  const error = await failureOf({ servers }, ['s3cr3t'])
  assert.ok(error instanceof RetryableError, String(error))
  assert.equal(error.code, 'ECONNREFUSED')
  for (const port of dead) assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}: nothing accepts`))
  assert.match(error.remedy, /NATS_URL/)
  const unknown = await failureOf({ servers: ['nats://no-such-host.invalid:4222'] })
  assert.match(
    messageOf(unknown),
    /no-such-host\.invalid:4222: the (host name is unknown|DNS does not answer)/,
  )
})

test('something else answers there, or nothing at all', async () => {
  const greeter = createServer(socket => socket.on('error', () => {}).end('SSH-2.0-OpenSSH_9.2\r\n'))
  const mute = createServer(socket => socket.on('error', () => {}))
  const portOf = (server: typeof mute) =>
    new Promise<number>(resolve => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
    })
  try {
    const ssh = `127.0.0.1:${await portOf(greeter)}`
    await isMisconfigured({ servers: [ssh] }, 'NOT_NATS', /is not a NATS server/)
    const error = await failureOf({ servers: [`127.0.0.1:${await portOf(mute)}`], timeoutMs: 200 })
    assert.ok(error instanceof RetryableError)
    assert.equal(error.code, 'NATS_SILENT')
  } finally {
    greeter.close()
    mute.close()
  }
})

test('an attempt ends when its signal aborts', async () => {
  const mute = createServer(socket => socket.on('error', () => {}))
  await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve))
  const abort = new AbortController()
  mute.once('connection', () => abort.abort(new Error('enough')))
  const { port } = mute.address() as { port: number }
  const config = configOf({ servers: [`127.0.0.1:${port}`], timeoutMs: 600_000 })
  await assert.rejects(connectNats(config, { name: 'test', signal: abort.signal }), /^Error: enough$/)
  mute.close()
})

test('user and password, from the configuration and from the URL', async () => {
  const password = '1234:p@ss/w%rd,'
  await withServer(
    `authorization { user: "anna", password: ${JSON.stringify(password)} }`,
    async ({ url, port }) => {
      await works({ servers: [url], auth: { type: 'user', user: 'anna', password } })
      const inUrl = `nats://anna:${encodeURIComponent(password)}@127.0.0.1:${port}`
      await works({ servers: [inUrl] })
      await works({ servers: [`${url},${inUrl}`] })
      const wrong: NatsAuth = { type: 'user', user: 'anna', password: 'wrong-s3cr3t' }
      await isRefused(
        { servers: [url], auth: wrong },
        ['s3cr3t'],
        /refuses user "anna" \(.*Authorization Violation/i,
      )
      await isRefused(
        { servers: [`nats://anna:s3cr3t@127.0.0.1:${port}`] },
        ['s3cr3t'],
        /user "anna" of the URL/,
      )
      await isRefused({ servers: [url] }, [], /refuses no credentials/)
    },
  )
})

test('token', async () => {
  await withServer('authorization { token: "t0k3n" }', async ({ url, port }) => {
    await works({ servers: [url], auth: { type: 'token', token: 't0k3n' } })
    await works({ servers: [`nats://t0k3n@127.0.0.1:${port}`] })
    await isRefused(
      { servers: [url], auth: { type: 'token', token: 'wrong-s3cr3t' } },
      ['s3cr3t'],
      /the token of \[nats\.auth\]/,
    )
  })
})

test('NKey: a seed, or a file with one', async () => {
  const key = nkeys.createUser()
  const other = nkeys.createUser()
  const seedOf = (pair: typeof key) => Buffer.from(pair.getSeed()).toString()
  await withServer(`authorization { users = [{ nkey: ${key.getPublicKey()} }] }`, async ({ url }) => {
    const nkey = (seed: string): Login => ({ servers: [url], auth: { type: 'nkey', seed } })
    await works(nkey(seedOf(key)))
    await works(nkey(file('user.nk', `# the daemon's\n${seedOf(key)}\n`)))
    await isRefused(nkey(seedOf(other)), [seedOf(other)], /the NKey of \[nats\.auth\]/)
    await isMisconfigured(nkey(key.getPublicKey()), 'NATS_AUTH', /is a public key/)
    await isMisconfigured(nkey(file('empty.nk', '')), 'NATS_AUTH', /holds no seed/)
    await isMisconfigured(nkey(join(folder, 'none.nk')), 'NATS_AUTH_FILE', /ENOENT.*none\.nk/)
    const account = Buffer.from(nkeys.createAccount().getSeed()).toString()
    await isMisconfigured(nkey(account), 'NATS_AUTH', /not a user's/)
    const damaged = seedOf(key).replace(/.$/, last => (last === 'A' ? 'B' : 'A'))
    const error = await failureOf(nkey(damaged), [damaged])
    assert.match(messageOf(error), /wrong checksum/)
  })
})

test('JWT and seed, or a credentials file; renewed files are taken up', async () => {
  const operator = createJwtOperator()
  const user = operator.user()
  await withServer(operator.config, async server => {
    const servers = [server.url]
    const jwt = (text: string, seed: string): Login => ({ servers, auth: { type: 'jwt', jwt: text, seed } })
    const creds = (path: string): Login => ({ servers, auth: { type: 'creds', file: path } })
    await works(jwt(user.jwt, user.seed))
    await works(jwt(file('user.jwt', user.jwt), file('user-jwt.nk', user.seed)))
    await works(creds(file('user.creds', user.creds)))
    const stranger = createJwtOperator().user()
    await isRefused(
      creds(file('stranger.creds', stranger.creds)),
      [stranger.seed],
      /credentials file .*stranger\.creds/,
    )
    await isRefused(jwt(user.jwt, stranger.seed), [stranger.seed], /the JWT of \[nats\.auth\]/)
    await isRefused(creds(file('expired.creds', operator.user(-60).creds)), [], /expired\.creds/)
    await isMisconfigured(creds(file('no-seed.creds', user.jwt)), 'NATS_AUTH', /no-seed\.creds holds no seed/)
    await isMisconfigured(creds(file('no-jwt.creds', user.seed)), 'NATS_AUTH', /no-jwt\.creds holds no JWT/)
    await isMisconfigured(creds(join(folder, 'none.creds')), 'NATS_AUTH_FILE', /ENOENT.*none\.creds/)

    const renewed = file('renewed.creds', operator.user(3).creds)
    const seen = collect()
    const nc = await connectNats(configOf(creds(renewed)), { name: 'test', onStatus: seen.onStatus })
    writeFileSync(renewed, operator.user().creds)
    await seen.next('reconnected')
    await requireJetStream(nc)
    await nc.close()
  })
})

test('an account without JetStream, and a server without, are fatal at the start', async () => {
  const operator = createJwtOperator()
  await withServer(operator.config, async ({ url }) => {
    const bare = operator.userWithoutJetStream()
    const nc = await connectNats(configOf({ servers: [url], auth: { type: 'jwt', ...bare } }), {
      name: 'test',
    })
    await assert.rejects(requireJetStream(nc), { name: 'FatalError', code: 'JETSTREAM_NOT_ENABLED' })
    await nc.close()
  })
  const server = await startNats({ jetstream: false })
  const nc = await connectNats(configOf({ servers: [server.url] }), { name: 'test' })
  await assert.rejects(requireJetStream(nc), { name: 'FatalError', code: 'JETSTREAM_NOT_ENABLED' })
  await nc.close()
  await server.stop()
})

test('a missing permission is named', async () => {
  const permissions = '{ publish: ["$JS.API.INFO"], subscribe: ["_INBOX.>"] }'
  const config = `authorization { users = [{ user: anna, password: x, permissions: ${permissions} }] }`
  await withServer(config, async ({ url }) => {
    await works({ servers: [url], auth: { type: 'user', user: 'anna', password: 'x' } }, async nc => {
      await assert.rejects(requestApi(nc, 'STREAM.NAMES', null, { context: 'listing' }), {
        name: 'FatalError',
        code: 'NATS_PERMISSION',
        message: 'listing: this NATS user may not publish to $JS.API.STREAM.NAMES',
      })
    })
  })
})

test('TLS: authority, names, addresses', async () => {
  const authority = createAuthority(folder, 'authority')
  const { certFile, keyFile } = authority.issue('server', ['localhost', 'nats.example.com'])
  const stranger = createAuthority(folder, 'stranger')
  await withServer(`tls { cert_file: "${certFile}", key_file: "${keyFile}" }`, async server => {
    const byName = [`tls://localhost:${server.port}`]
    const byAddress = [`tls://127.0.0.1:${server.port}`]
    const ca = { ca_file: authority.certFile }
    await works({ servers: byName, tls: ca }, () => encrypted(server))
    await works({ servers: [`nats://localhost:${server.port}`], tls: ca }, () => encrypted(server))
    await works({ servers: byAddress, tls: { ...ca, server_name: 'nats.example.com' } })
    await works({ servers: byAddress, tls: { insecure_skip_verify: true } }, () => encrypted(server))
    const untrusted = /authority is (not trusted|unknown)|is not trusted/
    await isMisconfigured(
      { servers: byName, tls: { ca_file: stranger.certFile } },
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      untrusted,
    )
    await isMisconfigured({ servers: byName }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', untrusted)
    await isMisconfigured(
      { servers: byName, tls: { ...ca, server_name: 'other.example.com' } },
      'ERR_TLS_CERT_ALTNAME_INVALID',
      /for another host/,
    )
  })
  const addressed = authority.issue('addressed', ['127.0.0.1'])
  await withServer(
    `tls { cert_file: "${addressed.certFile}", key_file: "${addressed.keyFile}" }`,
    async ({ port }) => {
      await works({ servers: [`tls://127.0.0.1:${port}`], tls: { ca_file: authority.certFile } })
      await isMisconfigured(
        { servers: [`tls://localhost:${port}`], tls: { ca_file: authority.certFile } },
        'ERR_TLS_CERT_ALTNAME_INVALID',
        /for another host/,
      )
    },
  )
  const past = { from: new Date('2020-01-01T00:00:00Z'), to: new Date('2021-01-01T00:00:00Z') }
  const expired = authority.issue('expired', ['localhost'], past)
  await withServer(
    `tls { cert_file: "${expired.certFile}", key_file: "${expired.keyFile}" }`,
    async ({ port }) => {
      await isMisconfigured(
        { servers: [`tls://localhost:${port}`], tls: { ca_file: authority.certFile } },
        'CERT_HAS_EXPIRED',
        /has expired/,
      )
    },
  )
})

test('TLS: client certificates', async () => {
  const authority = createAuthority(folder, 'both')
  const own = authority.issue('both-server', ['localhost'])
  const client = authority.issue('client', ['client.example.com'])
  const stranger = createAuthority(folder, 'strange').issue('strange-client')
  const config = `tls { cert_file: "${own.certFile}", key_file: "${own.keyFile}", ca_file: "${authority.certFile}", verify: true }`
  await withServer(config, async server => {
    const login = (tls: Partial<NatsTls>): Login => ({
      servers: [`tls://localhost:${server.port}`],
      tls: { ca_file: authority.certFile, ...tls },
      timeoutMs: 1_000,
    })
    await works(login({ cert_file: client.certFile, key_file: client.keyFile }), () => encrypted(server))
    await isMisconfigured(login({}), 'NATS_TLS_CERTIFICATE', /asks for a client certificate/)
    await isMisconfigured(
      login({ cert_file: stranger.certFile, key_file: stranger.keyFile }),
      'NATS_CONNECT',
      /refuses the client certificate/,
    )
    await isMisconfigured(
      login({ cert_file: client.certFile }),
      'NATS_TLS_FILE',
      /cert_file without key_file/,
    )
    await isMisconfigured(
      login({ cert_file: client.certFile, key_file: stranger.keyFile }),
      'NATS_TLS_FILE',
      /key_file: .* can't be used/,
    )
    await isMisconfigured(login({ ca_file: join(folder, 'none.pem') }), 'NATS_TLS_FILE', /ca_file: .*ENOENT/)
    await isMisconfigured(
      login({ ca_file: file('junk.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n') }),
      'NATS_TLS_FILE',
      /ca_file: .* can't be used/,
    )
  })
})

test('TLS asked of a server that has none; none asked of a server that insists', async () => {
  await withServer('', async ({ port }) => {
    await isMisconfigured({ servers: [`tls://127.0.0.1:${port}`] }, 'NATS_TLS_MISSING', /has no TLS/)
    await isMisconfigured({ servers: [`127.0.0.1:${port}`], tls: {} }, 'NATS_TLS_MISSING', /has no TLS/)
  })
  const authority = createAuthority(folder, 'insisting')
  const { certFile, keyFile } = authority.issue('insisting-server', ['localhost'])
  await withServer(`tls { cert_file: "${certFile}", key_file: "${keyFile}" }`, async ({ port }) => {
    await isMisconfigured(
      { servers: [`nats://localhost:${port}`] },
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      /not trusted/,
    )
  })
})

test('while running, a lost server and refused credentials are waited out', async () => {
  const authorization = (password: string) => `authorization { user: "anna", password: "${password}" }`
  await withServer(authorization('right'), async server => {
    const seen = collect()
    const config = configOf({
      servers: [server.url],
      auth: { type: 'user', user: 'anna', password: 'right' },
    })
    const nc = await connectNats(config, { name: 'test', onStatus: seen.onStatus })
    await server.kill()
    await seen.next('disconnected')
    server.reconfigure(authorization('changed'))
    await server.start()
    for (let refusals = 0; refusals < 3; refusals++) await seen.next('error')
    assert.equal(nc.isClosed(), false)
    await server.kill()
    server.reconfigure(authorization('right'))
    await server.start()
    await seen.next('reconnected')
    await requireJetStream(nc)
    await nc.close()
    await seen.next('closed')
  })
})

/** The server says that its one client came over TLS. */
async function encrypted(server: NatsServer): Promise<void> {
  const answer = await fetch(`${server.monitorUrl}/connz`)
  const { connections } = (await answer.json()) as { connections: { tls_version?: string }[] }
  assert.deepEqual(
    connections.map(({ tls_version }) => tls_version !== undefined),
    [true],
  )
}

/** Statuses in the order they come; `next` resolves with the next one of a kind. */
function collect() {
  const waiting: NatsStatus[] = []
  let wake = () => {}
  return {
    onStatus(status: NatsStatus) {
      waiting.push(status)
      wake()
    },
    async next(kind: NatsStatus['kind']): Promise<NatsStatus> {
      for (;;) {
        const status = waiting.shift()
        if (status?.kind === kind) return status
        if (status === undefined) await new Promise<void>(resolve => (wake = resolve))
      }
    },
  }
}
