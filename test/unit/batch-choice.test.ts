/** A server that is played by two numbers: how many messages a millisecond it stores, one by one and in batches. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchChoice } from '../../src/publish/batch-choice.ts'

const WINDOW = 4_096
const STEP_MS = 10

interface Speed {
  readonly singles: number
  readonly batches: number
}

/** Drains a backlog for so long, always with a full window. Returns the milliseconds that were spent in batches. */
function drain(choice: BatchChoice, speed: Speed, ms: number, clock = { now: 0, low: 0 }): number {
  // What is in flight goes the way that it was sent.
  let sentAs = { batches: choice.batches, from: clock.low }
  let before = sentAs.batches
  let inBatches = 0
  const end = clock.now + ms
  while (clock.now < end) {
    const asBatches = clock.low >= sentAs.from ? sentAs.batches : before
    clock.low += (asBatches ? speed.batches : speed.singles) * STEP_MS
    clock.now += STEP_MS
    if (asBatches) inBatches += STEP_MS
    choice.look(clock.low, clock.low + WINDOW, true, clock.now)
    if (choice.batches !== sentAs.batches) {
      before = asBatches
      sentAs = { batches: choice.batches, from: clock.low + WINDOW }
    }
  }
  return inBatches
}

test('a fast server never gets batches', () => {
  const choice = new BatchChoice()
  assert.equal(drain(choice, { singles: 90, batches: 60 }, 300_000), 0)
})

test('a server that syncs each write gets them after a window, for all but a small part of the time', () => {
  const choice = new BatchChoice()
  assert.ok(drain(choice, { singles: 5, batches: 60 }, 3_000) > 1_500)
  assert.ok(drain(choice, { singles: 5, batches: 60 }, 300_000) > 285_000)
})

test('a slow server that gains nothing is left alone for a minute', () => {
  const choice = new BatchChoice()
  const inBatches = drain(choice, { singles: 10, batches: 11 }, 300_000)
  assert.ok(inBatches > 0 && inBatches < 5_000, `${inBatches} ms`)
})

test('slow for a while only: singles again within some minute', () => {
  const choice = new BatchChoice()
  const clock = { now: 0, low: 0 }
  drain(choice, { singles: 5, batches: 60 }, 30_000, clock)
  assert.equal(choice.batches, true)
  drain(choice, { singles: 90, batches: 60 }, 61_000, clock)
  assert.equal(choice.batches, false)
  assert.equal(drain(choice, { singles: 90, batches: 60 }, 300_000, clock), 0)
})

test('a server that stands still for seconds, or is away, is not taken for a slow one', () => {
  const choice = new BatchChoice()
  const clock = { now: 0, low: 0 }
  for (let pause = 0; pause < 5; pause++) {
    assert.equal(drain(choice, { singles: 90, batches: 60 }, 1_000, clock), 0)
    clock.now += 4_000
  }
  assert.equal(drain(choice, { singles: 90, batches: 60 }, 5_000, clock), 0)
})

test('nor are batches given up for it, or for what goes singly after a resume', () => {
  const choice = new BatchChoice()
  const clock = { now: 0, low: 0 }
  drain(choice, { singles: 5, batches: 60 }, 3_000, clock)
  clock.now += 4_000
  assert.ok(drain(choice, { singles: 5, batches: 60 }, 1_000, clock) > 900)
  choice.startAt(clock.low + WINDOW)
  for (let singly = 0; singly < WINDOW; singly += 50) {
    clock.low += 50
    clock.now += STEP_MS
    choice.look(clock.low, clock.low + WINDOW, true, clock.now)
  }
  assert.equal(choice.batches, true)
})

test('who writes little, or in bursts that do not fill the window, is not measured', () => {
  const choice = new BatchChoice()
  for (let now = 0; now < 100_000; now += 50) choice.look(now, now + 20, now % 100 === 0, now)
  assert.equal(choice.batches, false)
})
