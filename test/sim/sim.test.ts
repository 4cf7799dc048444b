/**
 * The delivery contract under a hundred thousand schedules of faults. Seeds are fixed, so that a failure is the same
 * everywhere; `npm run sim` looks further.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CORE, patchedCore } from './core.ts'
import { explain, explore } from './explore.ts'
import { runSchedule } from './run.ts'
import { drawSchedule } from './schedule.ts'

const SCHEDULES = 100_000

test('no schedule loses, doubles or misplaces a message, or never ends', () => {
  const { found, counts } = explore(CORE, { seed: 1, schedules: SCHEDULES })
  assert.equal(found, null, found === null ? '' : explain(found, CORE))
  // It looked: each way into a resume was gone, and most of what was written was stored.
  for (const reason of ['disconnect', 'fence', 'no-responders', 'full', 'timeout', 'unexpected', 'refused']) {
    assert.ok(counts[`resumes: ${reason}`]! > 100, `hardly any resume because of ${reason}`)
  }
  assert.ok(counts.stored! > 0.9 * counts.messages!)
})

test('a seed is a schedule: it runs the same way twice', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const [first, second]: string[][] = [[], []]
    const outcomes = [first, second].map(trace => runSchedule(drawSchedule(seed), CORE, { trace: trace! }))
    assert.deepEqual(first, second)
    assert.deepEqual(outcomes[0], outcomes[1])
  }
})

/** Kinds of steps after which no order can be promised. */
const REMOVALS = ['purge', 'remove', 'retire', 'delete stream', 'fail over', 'two slots']

test('without a stranger, a second slot or a removal, order holds without any excuse', () => {
  const without = [...REMOVALS, 'foreign', 'foreign storm']
  const setting = { crowded: false, keptMessages: 0 }
  const { found, counts } = explore(CORE, { seed: 1, schedules: 10_000, without, setting, strict: true })
  assert.equal(found, null, found === null ? '' : explain(found, CORE, true))
  assert.equal(counts['late, excused'], 0)
  assert.equal(counts['stored again, excused'], 0)
})

test('on a server by itself it holds with strangers, too, until the fence is given up', () => {
  const without = [...REMOVALS, 'foreign storm']
  const setting = { crowded: false, keptMessages: 0, alone: true, batches: 'never', idCheck: 'late' } as const
  const { found, counts } = explore(CORE, { seed: 1, schedules: 10_000, without, setting, strict: true })
  assert.equal(found, null, found === null ? '' : explain(found, CORE, true))
  assert.ok(counts['resumes: fence']! > 1000)
})

test('a resume that reads no further back than a window finds all that is stored', async () => {
  const maxMessages = 4
  // One change has three messages at most, so the window holds two more than it should.
  const enough = {
    file: 'publish/tail-walk.js',
    from: 'MAX_WINDOW_MESSAGES + 1024',
    to: String(maxMessages + 2),
  }
  const core = await patchedCore([enough])
  const options = {
    seed: 1,
    schedules: 20_000,
    setting: { maxMessages, crowded: true },
    without: ['two slots'],
  }
  const { found } = explore(core, options)
  assert.equal(found, null, found === null ? '' : explain(found, core))
})
