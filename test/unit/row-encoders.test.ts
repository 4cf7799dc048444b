/** One encoder for all tables with the same columns, and never one for tables whose rows read otherwise. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteWriter } from '../../src/event/bytes.ts'
import { RowEncoders } from '../../src/event/encode-row.ts'
import type { Relation } from '../../src/event/event.ts'
import { relationOf, rowOf } from './sample-event.ts'

const INT4 = 23
const TEXT = 25

function written(encoders: RowEncoders, relation: Relation, keyOnly: boolean, ...values: string[]) {
  const out = new ByteWriter()
  out.begin()
  const row = rowOf(...values, null)
  const encoder = encoders.of(relation)
  encoder.writeRow(out, row, null, keyOnly)
  out.byte(0x20)
  encoder.writeIdentity(out, row, null)
  return Buffer.from(out.cut()).toString('utf8')
}

test('tables with the same columns share one', () => {
  const encoders = new RowEncoders('number')
  const one = relationOf([
    ['*id', INT4],
    ['note', TEXT],
  ])
  const same = {
    ...one,
    oid: one.oid + 1,
    schema: 'tenant_2',
    columns: one.columns.map(column => ({ ...column })),
  }
  assert.equal(encoders.of(one), encoders.of(same))
  assert.equal(encoders.of(one), encoders.of(one))
})

test('another type, key, name, number or order of columns, or replica identity, makes another one', () => {
  const encoders = new RowEncoders('number')
  const base = relationOf([
    ['*a', INT4],
    ['b', TEXT],
  ])
  const others: readonly (readonly [relation: Relation, text: string])[] = [
    [base, '{"a":1} "1"'],
    [
      relationOf([
        ['*a', TEXT],
        ['b', TEXT],
      ]),
      '{"a":"1"} "1"',
    ],
    [
      relationOf([
        ['a', INT4],
        ['b', TEXT],
      ]),
      '{"a":1} null',
    ],
    [
      relationOf([
        ['a', INT4],
        ['*b', TEXT],
      ]),
      '{"a":1} null',
    ],
    [
      relationOf([
        ['*a', INT4],
        ['c', TEXT],
      ]),
      '{"a":1} "1"',
    ],
    [
      relationOf([
        ['*a","b', INT4],
        ['b', TEXT],
      ]),
      '{"a\\",\\"b":1} "1"',
    ],
    [{ ...base, replicaIdentity: 'full' }, '{"a":1} null'],
    [{ ...base, replicaIdentity: 'nothing' }, '{"a":1} null'],
  ]
  for (let round = 0; round < 2; round++) {
    for (const [relation, text] of others) assert.equal(written(encoders, relation, true, '1'), text)
  }
  assert.equal(written(encoders, base, false, '1'), '{"a":1,"b":null} "1"')
  const three = relationOf([
    ['*a', INT4],
    ['b', TEXT],
    ['c', TEXT],
  ])
  assert.equal(written(encoders, three, false, '1', 'x'), '{"a":1,"b":"x","c":null} "1"')
})

test('more sets of columns than are kept: each is still written as its own', () => {
  const encoders = new RowEncoders('number')
  const relations = Array.from({ length: 10_005 }, (_, i) =>
    relationOf([
      [`*c${i}`, INT4],
      ['z', TEXT],
    ]),
  )
  for (const relation of relations) encoders.of(relation)
  for (const i of [0, 9_999, 10_000, 10_004]) {
    assert.equal(written(encoders, relations[i]!, false, '7'), `{"c${i}":7,"z":null} "7"`)
  }
})
