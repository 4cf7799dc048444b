/**
 * The simulation finds things: with each safeguard of the protocol core switched off by itself, it reports a broken
 * promise within a bounded number of schedules, and shrinks it to a short trace.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CORE, patchedCore } from './core.ts'
import { explore } from './explore.ts'
import { MUTANTS } from './mutants.ts'
import { runSchedule } from './run.ts'
import { shrink } from './shrink.ts'

/** The most that any of them needed was a tenth of it. */
const SCHEDULES = 100_000

for (const { name, patches, breaks, setting = {} } of MUTANTS) {
  test(`reported: ${name}`, async () => {
    const core = await patchedCore(patches)
    const { found } = explore(core, { seed: 1, schedules: SCHEDULES, wanted: breaks, setting })
    assert.ok(found !== null, `no schedule of ${SCHEDULES} broke a promise`)
    assert.equal(
      runSchedule(found.schedule, CORE).broken,
      null,
      'the same schedule is fine with all safeguards',
    )
  })
}

test('a failing schedule is shrunk to what makes it fail', async () => {
  const core = await patchedCore(MUTANTS.find(({ name }) => name.startsWith('confirm after ack'))!.patches)
  const { found } = explore(core, { seed: 1, schedules: 100 })
  const short = shrink(found!.schedule, 'confirmed early', core)
  assert.equal(runSchedule(short, core).broken, 'confirmed early')
  assert.ok(short.steps.length <= 2, short.steps.map(({ kind }) => kind).join(', '))
})
