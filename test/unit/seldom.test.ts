/** The first of a kind is told, then one a minute with how many there were in between. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Seldom } from '../../src/lifecycle/seldom.ts'

test('the first of each kind, then one a minute with the number of those between', () => {
  const seldom = new Seldom()
  const at: readonly [number, string, number | null][] = [
    [0, 'a', 0],
    [1, 'a', null],
    [2, 'b', 0],
    [59_999, 'a', null],
    [60_000, 'a', 2],
    [60_001, 'a', null],
    [60_002, 'b', 0],
    [200_000, 'a', 1],
  ]
  assert.deepEqual(
    at.map(([now, kind]) => seldom.pass(kind, now)),
    at.map(([, , passed]) => passed),
  )
})
