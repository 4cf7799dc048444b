/** When the reader rests: only where changes are late and come in small reads; and who holds reading up is obeyed. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { mock, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { CopyFrames } from '../../src/source/replication/copy-frames.ts'
import { Pace } from '../../src/source/replication/pace.ts'

const COMMITTED = 800_000_000_000_000

/** How often it rests over turns of the event loop with reads of so many bytes. */
async function rests(lateUs: number, ...turns: readonly (readonly number[])[]): Promise<number> {
  let count = 0
  const pace = new Pace(() => count++)
  pace.transaction(COMMITTED, COMMITTED + lateUs)
  for (const reads of turns) {
    for (const bytes of reads) pace.read(bytes)
    await turn()
  }
  return count
}

test('in time: no rest, however small the reads', async () => {
  assert.equal(await rests(0, [400], [400]), 0)
  assert.equal(await rests(1_000, [400]), 0)
  assert.equal(await rests(-5_000_000, [400]), 0)
})

test('late: a rest after each turn that brought little, in one read or in several', async () => {
  assert.equal(await rests(1_001, [400], [400], [8_192, 8_191]), 3)
  assert.equal(await rests(7_200_000_000, [400, 400, 400]), 1)
})

test('late: no rest after a turn that brought much, in one read or in several as with TLS', async () => {
  assert.equal(await rests(1_001, [16_384], [8_192, 8_192], [65_536]), 0)
})

test('caught up: no rest any more', async () => {
  let count = 0
  const pace = new Pace(() => count++)
  pace.transaction(COMMITTED, COMMITTED + 2_000)
  pace.read(400)
  await turn()
  pace.transaction(COMMITTED + 9_000, COMMITTED + 9_500)
  pace.read(400)
  await turn()
  assert.equal(count, 1)
})

function frames() {
  const socket = new PassThrough()
  const found = new CopyFrames(socket, () => {})
  return { frames: found, reads: () => !socket.isPaused() }
}

test('a rest ends by itself', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const { frames: resting, reads } = frames()
    resting.rest(1)
    assert.equal(reads(), false)
    mock.timers.tick(1)
    assert.equal(reads(), true)
  } finally {
    mock.timers.reset()
  }
})

test('held during a rest: nothing is read before the release; released during it: not before its end', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const { frames: resting, reads } = frames()
    resting.rest(1)
    resting.hold()
    mock.timers.tick(1)
    assert.equal(reads(), false)
    resting.release()
    assert.equal(reads(), true)
    resting.rest(1)
    resting.hold()
    resting.release()
    assert.equal(reads(), false)
    mock.timers.tick(1)
    assert.equal(reads(), true)
    resting.hold()
    resting.rest(1)
    mock.timers.tick(1)
    assert.equal(reads(), false)
  } finally {
    mock.timers.reset()
  }
})
