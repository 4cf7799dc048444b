/**
 * A daemon that was given up for dead and still has publishes on their way: they arrive after another one has taken
 * over and published the same changes, when JetStream has forgotten the Msg-Ids. Only the fence can refuse them.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { TcpProxy } from '../fault/proxy.ts'
import { type Daemon, until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

/** By sequence or by Msg-Id. */
const WRONG_LAST = /"err_code":1007[01]/
const MOST_CHAINED = 128
const LATE = 200

const started: TcpProxy[] = []
after(() => {
  for (const proxy of started) proxy.close()
})

const insert = (scene: Scene, rows: number) =>
  scene.sql(`INSERT INTO tb_row SELECT FROM generate_series(1, ${rows})`)

const schema = 'CREATE TABLE tb_row (id serial PRIMARY KEY)'

async function inFlight(daemon: Daemon, messages: number): Promise<void> {
  await until(
    async () => (await daemon.status()).in_flight.messages === messages,
    () => `not in flight:\n${daemon.lastLines()}`,
  )
}

const terminate = (scene: Scene) =>
  scene.sql('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [
    scene.slot,
  ])

/** Replies to any publish that refuse it for the fence. Everybody's inbox can be read here. */
function countRefusals(): { readonly count: () => number; readonly stop: () => void } {
  let refused = 0
  const replies = servers.nc.subscribe('_INBOX.>', {
    callback: (_error, message) => {
      if (WRONG_LAST.test(message.string())) refused++
    },
  })
  return { count: () => refused, stop: () => replies.unsubscribe() }
}

test('publishes of a frozen daemon that arrive after the takeover are refused, all of them', async () => {
  const scene = await servers.scene({
    name: 'zombie',
    schema,
    settings: { stream: { duplicate_window_seconds: 1 } },
  })
  const proxy = await TcpProxy.open(servers.nats.port)
  started.push(proxy)
  const direct = scene.settings
  // No time-out of an ack may end the first one's hope before it is frozen.
  scene.settings = {
    ...direct,
    nats: { servers: [`nats://127.0.0.1:${proxy.port}`] },
    publish: { ack_timeout_ms: 60_000 },
  }
  const first = await scene.start()
  await insert(scene, 10)
  await scene.caughtUp()
  proxy.stalled.add('up')
  await insert(scene, LATE)
  await inFlight(first, LATE)
  first.signal('SIGSTOP')
  await terminate(scene)
  scene.settings = direct
  const second = await scene.start()
  await insert(scene, 50)
  await scene.caughtUp()
  assert.equal((await scene.read()).length, 10 + LATE + 50)
  // Well beyond the duplicate window: nats-server forgets Msg-Ids by a timer of about that length.
  await new Promise(resolve => setTimeout(resolve, 4_000))
  const refusals = countRefusals()
  await servers.nc.flush()
  proxy.stalled.clear()
  // Of a chain only the last message is answered.
  await until(
    () => refusals.count() >= LATE / MOST_CHAINED,
    () => `${refusals.count()} publishes were refused`,
  )
  refusals.stop()
  assert.equal((await scene.read()).length, 10 + LATE + 50)
  first.signal('SIGCONT')
  await first.says('standing by')
  await insert(scene, 5)
  const ids = (await scene.events()).map(event => (event.data as { id: number }).id)
  assert.deepEqual(
    ids,
    Array.from({ length: 10 + LATE + 55 }, (_, i) => i + 1),
  )
  await Promise.all([first.kill(), second.stop()])
  await scene.end()
})

test('a daemon in standby streams within seconds when the active one is killed', async () => {
  const scene = await servers.scene({ name: 'takeover', schema })
  const first = await scene.start()
  const second = scene.launch()
  await second.says('standing by')
  const writing = (async () => {
    for (let i = 0; i < 30; i++) await insert(scene, 20)
  })()
  await new Promise(resolve => setTimeout(resolve, 100))
  const killedAt = performance.now()
  await first.kill('SIGKILL')
  await second.says('streaming')
  const took = performance.now() - killedAt
  assert.ok(took < 10_000, `${took} ms`)
  await writing
  const ids = (await scene.events()).map(event => (event.data as { id: number }).id)
  assert.deepEqual(
    ids,
    Array.from({ length: 600 }, (_, i) => i + 1),
  )
  await second.stop()
  await scene.end()
})
