/**
 * A slot that looks new and is not: nothing that happens to PostgreSQL in its ordinary life makes the daemon take its
 * own slot for one that was made anew.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { payload } from '../kit/stream-reader.ts'

const servers = shareServers()

/** Moves the slot beyond the last event, with nothing to decode for it. */
async function idleAdvance(scene: Scene): Promise<void> {
  const elsewhere = await servers.postgres.createDatabase(`${scene.slot}_${Math.trunc(performance.now())}`)
  await servers.postgres.sql('CREATE TABLE noise AS SELECT generate_series(1, 5000) n', undefined, elsewhere)
  await scene.caughtUp()
}

const LIVES: readonly [string, (scene: Scene) => Promise<unknown>][] = [
  ['an orderly restart of PostgreSQL', () => servers.postgres.stop().then(() => servers.postgres.start())],
  ['a crash of PostgreSQL', () => servers.postgres.stop('immediate').then(() => servers.postgres.start())],
  [
    'a reset of its statistics',
    async scene => {
      await scene.sql('SELECT pg_stat_reset_replication_slot($1)', [scene.slot])
      await scene.sql("SELECT pg_stat_reset_shared('bgwriter')")
    },
  ],
  ['an idle time', async () => {}],
]

for (const [index, [name, happen]] of LIVES.entries()) {
  for (const confirmed of [true, false]) {
    test(`${name}, ${confirmed ? 'and the slot moves on idly' : 'with the last event unconfirmed'}`, async () => {
      const scene = await servers.scene({
        name: `life_${index}_${confirmed}`,
        schema: 'CREATE TABLE tb_row (id serial PRIMARY KEY)',
      })
      const insert = () => scene.sql('INSERT INTO tb_row DEFAULT VALUES')
      const first = await scene.start()
      await insert()
      if (confirmed) await scene.caughtUp()
      await first.kill()
      await happen(scene)
      if (confirmed) {
        const idle = await scene.start()
        await idleAdvance(scene)
        await idle.kill()
        await happen(scene)
      }
      const second = await scene.start()
      await insert()
      const ids = (await scene.messages()).map(message => (payload(message).data as { id: number }).id)
      assert.deepEqual(new Set(ids).size, 2)
      assert.equal(ids.length, 2)
      await second.stop()
      await scene.end()
    })
  }
}
