/** Messages too large for the server: the largest columns go, by name, and the event stays as it was. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteWriter } from '../../src/event/bytes.ts'
import { encodeTrimmed, type FormatName } from '../../src/event/encode.ts'
import type { Event } from '../../src/event/event.ts'
import { leastBytes } from '../../src/event/least-bytes.ts'
import { MessageId } from '../../src/event/message-id.ts'
import { encoderOf, encodeText, eventOf, OPTIONS, relationOf, rowOf, SYSTEM, TOAST } from './sample-event.ts'

const relation = relationOf([
  ['*id', 20],
  ['a', 25],
  ['b', 25],
  ['c', 25],
])
const full = { ...relation, replicaIdentity: 'full' as const }
const [SMALL, LARGE, HUGE] = ['small', 'l'.repeat(1000), 'h'.repeat(5000)]

function trim(event: Event, maxBytes: number, format: FormatName = 'fraiseql') {
  const id = new MessageId(SYSTEM)
  id.set(event, null)
  const out = new ByteWriter()
  out.begin()
  const encoder = encoderOf(format, event, 'Order', { ...OPTIONS, entity: 'copy' })
  const before = encodeText(format, event)
  const done = encodeTrimmed(encoder, event, id, out, maxBytes)
  assert.equal(encodeText(format, event), before)
  const bytes = out.cut()
  assert.ok(bytes.length <= maxBytes)
  return done ? JSON.parse(Buffer.from(bytes).toString('utf8')) : bytes.length
}

test('as many of the largest columns as it takes, and no more', () => {
  const event = eventOf({ relation, after: rowOf('1', HUGE, SMALL, LARGE) })
  assert.equal('unchanged' in trim(event, 100_000), false)
  const one = trim(event, 5000)
  assert.deepEqual(one.unchanged, ['a'])
  assert.deepEqual(one.data, { id: 1, b: SMALL, c: LARGE })
  assert.deepEqual(one.entity, one.data)
  assert.deepEqual(trim(event, 1000).unchanged, ['a', 'c'])
})

test('never the columns that name the row; what can not fit is not written', () => {
  const event = eventOf({ relation, after: rowOf('1', HUGE, SMALL, LARGE) })
  assert.equal(trim(event, 100), 0)
  const long = eventOf({ relation: relationOf([['*id', 25]]), after: rowOf(HUGE) })
  assert.equal(trim(long, 1000), 0)
})

test('an old row gives its value no more', () => {
  const before = rowOf('1', HUGE, SMALL, null)
  const event = eventOf({
    operation: 'UPDATE',
    relation: full,
    before,
    after: rowOf('1', TOAST, 'new', LARGE),
  })
  const message = trim(event, 1000)
  assert.deepEqual(message.unchanged, ['a', 'c'])
  assert.deepEqual(message.data, { id: 1, b: 'new' })
  assert.deepEqual(message.changes, { b: { old: SMALL, new: 'new' } })
})

test('an old key is not taken for the old row', () => {
  const before = rowOf('1', null, null, null)
  const event = eventOf({
    operation: 'UPDATE',
    relation,
    before,
    beforeIsKey: true,
    after: rowOf('2', HUGE, SMALL, SMALL),
  })
  assert.deepEqual(trim(event, 2000).unchanged, ['a'])
  const envelope = trim(event, 2000, 'debezium')
  assert.deepEqual(envelope.before, { id: 1 })
  assert.equal(envelope.after.a, '__debezium_unavailable_value')
})

test('columns that can not fit go before anything is written', () => {
  const huge = 'h'.repeat(2_000_000)
  const trimmed = (event: Event, maxBytes: number) => {
    const id = new MessageId(SYSTEM)
    id.set(event, null)
    const out = new ByteWriter()
    out.begin()
    const slab = out.buffer.length
    const done = encodeTrimmed(encoderOf('fraiseql', event), event, id, out, maxBytes)
    assert.equal(out.buffer.length, slab)
    return done ? JSON.parse(Buffer.from(out.cut()).toString('utf8')).unchanged : out.length
  }
  const whole = { operation: 'UPDATE' as const, relation: full }
  assert.deepEqual(trimmed(eventOf({ relation, after: rowOf('1', huge, LARGE, huge) }), 5000), ['a', 'c'])
  assert.deepEqual(trimmed(eventOf({ relation, after: rowOf('1', huge, LARGE, huge) }), 1000), [
    'a',
    'b',
    'c',
  ])
  const kept = { before: rowOf('1', huge, 'old', null), after: rowOf('1', TOAST, 'new', null) }
  assert.deepEqual(trimmed(eventOf({ ...whole, ...kept }), 5000), ['a'])
  assert.equal(trimmed(eventOf({ relation: relationOf([['*id', 25]]), after: rowOf(huge) }), 5000), 0)
})

test('what a message has at least is not more than what it has', () => {
  const typed = relationOf([
    ['*id', 20],
    ['text', 25],
    ['doc', 3802],
    ['list', 1009],
    ['day', 1082],
  ])
  const doc = '{"a": "b"}'
  const after = rowOf('1', 'é"\\n', doc, '[0:1]={"a b",NULL}', null)
  const message = { transactional: true, prefix: 'p', content: Buffer.from('{"a": 1}') }
  const cases: readonly [event: Event, least: number][] = [
    [eventOf({ relation: typed, after }), Buffer.byteLength('é"\\n') + doc.length],
    [
      eventOf({
        operation: 'UPDATE',
        relation,
        before: rowOf('1', HUGE, null, 'x'),
        after: rowOf('1', TOAST, TOAST, 'y'),
      }),
      5001,
    ],
    [eventOf({ operation: 'DELETE', relation, before: rowOf('1', SMALL, null, null) }), SMALL.length],
    [eventOf({ operation: 'CUSTOM', message }), message.content.length],
    [eventOf({ operation: 'TRUNCATE', relation, truncation: { cascade: false, restartIdentity: false } }), 0],
  ]
  for (const [event, least] of cases) {
    assert.equal(leastBytes(event), least)
    for (const format of ['fraiseql', 'row', 'debezium', 'cloudevents'] as const) {
      assert.ok(Buffer.byteLength(encodeText(format, event)) >= least, format)
    }
  }
})

test('DELETE', () => {
  const event = eventOf({ operation: 'DELETE', relation: full, before: rowOf('1', HUGE, SMALL, null) })
  const message = trim(event, 1000)
  assert.deepEqual(message.data, { id: 1, b: SMALL, c: null })
  assert.deepEqual(message.unchanged, ['a'])
  assert.deepEqual(trim(event, 1000, 'cloudevents').data.unchanged, ['a'])
})

test('no room to say what is missing: not trimmed', () => {
  const event = eventOf({ relation, after: rowOf('1', HUGE, SMALL, LARGE) })
  assert.equal(trim(event, 1000, 'row'), 0)
  const message = { transactional: true, prefix: 'p', content: Buffer.from(HUGE) }
  assert.equal(trim(eventOf({ operation: 'CUSTOM', message }), 1000), 0)
  const truncation = { cascade: false, restartIdentity: false }
  assert.equal(trim(eventOf({ operation: 'TRUNCATE', relation, truncation }), 10), 0)
})
