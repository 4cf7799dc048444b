/** Reaching real servers: dead ones in the list, clusters, strangers, and a server that goes away while running. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { messageOf, RetryableError } from '../../src/errors.ts'
import { connectNats } from '../../src/nats.ts'
import { requireJetStream } from '../../src/nats-api.ts'
import { startNatsCluster } from '../kit/nats.ts'
import { collect, configOf, failureOf, isMisconfigured, withServer, works } from '../kit/nats-login.ts'
import { freePort } from '../kit/server-process.ts'

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

test('of a cluster, another server takes over, whether it was named or not', async () => {
  const cluster = await startNatsCluster()
  const urls = cluster.servers.map(({ url }) => url)
  try {
    for (const servers of [urls, urls.slice(0, 1)]) {
      const seen = collect()
      const nc = await connectNats(configOf({ servers }), { name: 'test', onStatus: seen.onStatus })
      const current = cluster.servers.find(({ url }) => url.endsWith(nc.getServer()))
      await current?.kill()
      await seen.next('disconnected')
      const status = await seen.next('reconnected')
      assert.ok(status.kind === 'reconnected' && !current?.url.endsWith(status.server))
      await nc.close()
      await current?.start()
    }
  } finally {
    await cluster.stop()
  }
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
