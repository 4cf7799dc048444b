/** Logging in to real servers in every way the configuration knows; no error may hold a secret. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nkeys } from '@nats-io/transport-node'
import type { NatsAuth } from '../../src/config/config.ts'
import { messageOf } from '../../src/errors.ts'
import { connectNats } from '../../src/nats.ts'
import { requestApi, requireJetStream } from '../../src/nats-api.ts'
import { startNats } from '../kit/nats.ts'
import { createJwtOperator } from '../kit/nats-jwt.ts'
import {
  collect,
  configOf,
  failureOf,
  isMisconfigured,
  isRefused,
  type Login,
  withServer,
  works,
} from '../kit/nats-login.ts'

const folder = mkdtempSync(join(tmpdir(), 'fraiseql-test-auth-'))
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
after(() => rmSync(folder, { recursive: true, force: true }))

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
      await isRefused({ servers: [url] }, [], /refuses a client without credentials/)
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
    // In the middle: of the last character two bits mean nothing.
    const damaged = seedOf(key).replace(/(?<=^.{20})./, letter => (letter === 'A' ? 'B' : 'A'))
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
