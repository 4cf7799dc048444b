/**
 * Away for longer than the duplicate window, so that JetStream itself would take everything again: what the stream
 * holds does not come twice. Where the stream can't tell any more what it held last, the daemon says so, and goes on
 * from the slot's position.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JetStreamManager } from '@nats-io/jetstream'
import { type Daemon, until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { clientIsBack, storedCount } from '../kit/stored-count.ts'

const servers = shareServers()

const ROWS = 5_000
const WINDOW = 64
const LOST_TAIL = 'its last messages are gone'

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

const idsOf = async (scene: Scene): Promise<number[]> =>
  (await scene.events()).map(event => (event.data as { id: number }).id)

const count = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const told = (daemon: Daemon) => daemon.logs.filter(({ msg }) => msg?.includes(LOST_TAIL))

/** Not deepEqual of thousands of numbers. */
function assertIds(found: readonly number[], expected: readonly number[]): void {
  const wrong = expected.findIndex((id, i) => id !== found[i])
  assert.deepEqual([found.length, wrong, found[wrong]], [expected.length, -1, undefined])
}

/**
 * Killed in the middle of a transaction, so that nothing of it is confirmed; then `meanwhile`, and as long as it takes
 * for the window to pass. Returns how many were stored at the kill.
 */
async function killedInTheMiddle(
  name: string,
  meanwhile: (manager: JetStreamManager, stored: number) => Promise<unknown>,
): Promise<{ scene: Scene; daemon: Daemon; stored: number }> {
  const scene = await servers.scene({
    name,
    schema: 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)',
    settings: { publish: { max_in_flight_messages: WINDOW }, stream: { duplicate_window_seconds: 1 } },
  })
  const first = await scene.start()
  await scene.sql(`INSERT INTO tb_row (note) SELECT repeat('x', 200) FROM generate_series(1, ${ROWS})`)
  await until(
    async () => (await storedCount(scene)) >= 1_000,
    () => `nothing arrives:\n${first.lastLines()}`,
  )
  await first.kill('SIGKILL')
  const manager = await scene.jsm()
  // What was on its way to the broker is stored a moment after the kill.
  let stored = -1
  await until(
    async () => {
      const before = stored
      stored = await storedCount(scene)
      if (stored === before) return true
      await pause(100)
      return false
    },
    () => 'the stream does not come to rest',
  )
  assert.ok(stored < ROWS, 'killed too late')
  await meanwhile(manager, stored)
  await pause(1_300)
  return { scene, daemon: await scene.start(), stored }
}

async function finish(scene: Scene, daemon: Daemon): Promise<void> {
  assert.equal(await daemon.metric('fraiseql_observer_duplicates_total'), 0)
  await daemon.stop()
  await scene.end()
}

test('kill -9, and away: all of the transaction comes again, and none of it is stored twice', async () => {
  const { scene, daemon, stored } = await killedInTheMiddle('away_killed', async () => {})
  assertIds(await idsOf(scene), count(1, ROWS))
  assert.equal(await daemon.metric('fraiseql_observer_resume_skipped_total'), stored)
  assert.deepEqual(told(daemon), [])
  await finish(scene, daemon)
})

test('nats-server away: what was in flight is not stored twice', async () => {
  const scene = await servers.scene({
    name: 'away_nats',
    schema: 'CREATE TABLE tb_row (id serial PRIMARY KEY, note text)',
    settings: { stream: { duplicate_window_seconds: 1 } },
  })
  const daemon = await scene.start()
  await scene.sql(`INSERT INTO tb_row (note) SELECT repeat('x', 200) FROM generate_series(1, ${ROWS})`)
  await until(
    async () => (await storedCount(scene)) >= 500,
    () => 'nothing arrives',
  )
  await servers.nats.kill()
  await pause(1_300)
  await servers.nats.start()
  await until(
    async () => (await storedCount(scene)) >= ROWS,
    () => `does not go on:\n${daemon.lastLines()}`,
  )
  await clientIsBack(scene)
  assertIds(await idsOf(scene), count(1, ROWS))
  assert.deepEqual(told(daemon), [])
  await finish(scene, daemon)
})

test('the stream was purged meanwhile: said, and all of the transaction is stored', async () => {
  const { scene, daemon } = await killedInTheMiddle('away_purged', ({ streams }) =>
    streams.purge('away_purged'),
  )
  assertIds(await idsOf(scene), count(1, ROWS))
  const [line, ...more] = told(daemon)
  assert.equal(more.length, 0)
  assert.equal(line?.level, 'warn')
  assert.equal(line.stream, 'away_purged')
  assert.match(String(line.from), /^[0-9A-F]+\/[0-9A-F]+$/)
  await finish(scene, daemon)
})

test('all messages expired meanwhile: said, and all of the transaction is stored', async () => {
  const { scene, daemon } = await killedInTheMiddle('away_expired', async ({ streams }) => {
    await streams.update('away_expired', { max_age: 1e9 })
    await until(
      async () => (await streams.info('away_expired')).state.messages === 0,
      () => 'the messages stay',
    )
    await streams.update('away_expired', { max_age: 3600e9 })
  })
  assertIds(await idsOf(scene), count(1, ROWS))
  assert.equal(told(daemon).length, 1)
  await finish(scene, daemon)
})

test('trimmed to its last messages meanwhile: said, and at most a window comes again', async () => {
  const { scene, daemon, stored } = await killedInTheMiddle('away_trimmed', async ({ streams }) => {
    await streams.update('away_trimmed', { max_msgs: 5 })
    await streams.update('away_trimmed', { max_msgs: -1 })
  })
  const ids = await idsOf(scene)
  const kept = ids.slice(0, 5)
  assertIds(kept, count(stored - 4, stored))
  const sent = ids.slice(5)
  assertIds(
    sent,
    count(sent[0]!, ROWS).filter(id => !kept.includes(id)),
  )
  // The newest message vouches for all that had its ack when it was sent; that may have been everything.
  assert.ok(sent[0]! > stored - WINDOW, `from ${sent[0]} of ${stored}`)
  assert.equal(told(daemon).length, sent[0]! > stored ? 0 : 1)
  await finish(scene, daemon)
})

test('the last messages were deleted meanwhile: said, and only they come again', async () => {
  const { scene, daemon, stored } = await killedInTheMiddle('away_deleted', async ({ streams }, last) => {
    for (const sequence of [last - 2, last - 1, last]) await streams.deleteMessage('away_deleted', sequence)
  })
  assertIds(await idsOf(scene), count(1, ROWS))
  assert.equal(await daemon.metric('fraiseql_observer_resume_skipped_total'), stored - 3)
  assert.equal(told(daemon).length, 1)
  await finish(scene, daemon)
})
