/** A standstill is told by the oldest message that is held up, and by the run that it happens in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Board } from '../../src/daemon/board.ts'
import type { Context } from '../../src/daemon/context.ts'
import { watchPublishing } from '../../src/daemon/watch-publishing.ts'
import type { Publisher } from '../../src/publish/publisher.ts'
import { Setbacks } from '../../src/publish/setbacks.ts'

test('only what holds the oldest message up goes on counting', () => {
  const setbacks = new Setbacks(() => 1)
  assert.deepEqual([setbacks.delay(), setbacks.delay(), setbacks.delay()], [0, 80, 160])
  setbacks.begin('fence', 'a', '', 100)
  setbacks.begin('full', 'b', 'no room', 900)
  assert.deepEqual(setbacks.heldUp, { since: 100, reason: 'full', stream: 'b', detail: 'no room' })
  setbacks.progressed(true, 1_000)
  assert.equal(setbacks.heldUp?.since, 1_000)
  assert.equal(setbacks.delay(), 0)
  setbacks.progressed(false, 1_100)
  assert.equal(setbacks.heldUp, null)
  setbacks.over()
  assert.equal(setbacks.delay(), 0)
})

test('told while its run lasts, taken back when it goes on', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const said: string[] = []
  const say = (_: unknown, text: string) => said.push(text)
  const publisher = { state: 'open', heldUp: null } as unknown as { heldUp: unknown } & Publisher
  const board = { publisher, standstill: null as string | null, failed: () => {} }
  const log = { warn: say, info: say }
  const close = watchPublishing({ board: board as unknown as Board, log } as unknown as Context, publisher)
  const heldUp = { since: performance.now() - 5_000, reason: 'full', stream: 'b', detail: 'no room' }
  Object.assign(publisher, { heldUp })
  t.mock.timers.tick(100)
  assert.equal(board.standstill, 'full in stream b (no room)')
  Object.assign(publisher, { heldUp: null })
  t.mock.timers.tick(100)
  assert.equal(board.standstill, null)
  assert.deepEqual(
    said.map(text => text.split(';')[0]),
    ['publishing stands still', 'publishing goes on'],
  )
  // The run is over, and what it was released of has not come to the end yet.
  Object.assign(publisher, { heldUp })
  Object.assign(board, { publisher: null })
  t.mock.timers.tick(100)
  close()
  Object.assign(board, { publisher })
  t.mock.timers.tick(100)
  assert.equal(board.standstill, null)
})
