/** The position header: vectors, order, and what is no position. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  comparePlaces,
  formatPlace,
  formatPosition,
  OUTSIDE,
  ordinalOf,
  type Place,
  type Position,
  parsePlace,
  parsePosition,
} from '../../src/event/position.ts'
import { toLsn } from '../../src/lsn.ts'
import { eventOf } from './sample-event.ts'

const SYSTEM = '1k8biotuc4fcw'
const MAX_LSN = 0xffff_ffff_ffff_ffffn

const VECTORS: readonly (readonly [string, Position])[] = [
  [`${SYSTEM}.1.fraiseql_observer.16B374D848.0`, position(1, 'fraiseql_observer', 0x16_b374_d848n, 0)],
  [`${SYSTEM}.4294967295.s1.FFFFFFFFFFFFFFFF.42`, position(0xffff_ffff, 's1', MAX_LSN, 42)],
  [`${SYSTEM}.2.s1.A.m`, position(2, 's1', 0xan, OUTSIDE)],
]

for (const [text, fields] of VECTORS) {
  test(`${text}: written and read`, () => {
    assert.equal(formatPosition(fields), text)
    assert.deepEqual(parsePosition(text), fields)
    const { commitLsn, ordinal } = fields
    assert.deepEqual(parsePlace(formatPlace(fields)), { commitLsn, ordinal })
  })
}

for (const text of [
  '',
  'a.1.s.A',
  'a.0.s.A.0',
  'a.1.S.A.0',
  'a.1.s.0A.0',
  'a.1.s.A.-1',
  'a.1.s.a.0',
  'a.1.s.A.0.x',
]) {
  test(`${JSON.stringify(text)} is no position`, () => {
    assert.equal(parsePosition(text), null)
  })
}

test('commit LSN first, then ordinal, a message outside a transaction before those of its LSN', () => {
  const ordered: readonly Place[] = [
    position(1, 's', 9n, 7),
    position(1, 's', 0x10n, OUTSIDE),
    position(1, 's', 0x10n, 0),
    position(1, 's', MAX_LSN - 1n, 0),
    position(1, 's', MAX_LSN, 0),
    position(1, 's', MAX_LSN, 10),
  ]
  for (const [i, a] of ordered.entries()) {
    for (const [k, b] of ordered.entries()) assert.equal(Math.sign(comparePlaces(a, b)), Math.sign(i - k))
  }
})

test('only a message outside a transaction has no ordinal of its own', () => {
  const message = { transactional: true, prefix: 'p', content: Buffer.from('') }
  assert.equal(ordinalOf(eventOf({ ordinal: 5 })), 5)
  assert.equal(ordinalOf(eventOf({ ordinal: 5, message })), 5)
  assert.equal(ordinalOf(eventOf({ ordinal: 0, message: { ...message, transactional: false } })), OUTSIDE)
})

function position(timeline: number, slot: string, commitLsn: bigint, ordinal: number): Position {
  return { system: SYSTEM, timeline, slot, commitLsn: toLsn(commitLsn), ordinal }
}
