/** The encoders' rarer ways, which the other tables of cases do not take. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PoisonError } from '../../src/errors.ts'
import { builtinType } from '../../src/event/builtin-types.ts'
import { ByteWriter, Constant } from '../../src/event/bytes.ts'
import { writeValue } from '../../src/event/encode-value.ts'
import { TimestampWriter } from '../../src/event/timestamp.ts'
import type { ValueType } from '../../src/event/value-type.ts'
import { encodeText, eventOf, relationOf, rowOf } from './sample-event.ts'

const INT4 = builtinType(23)!
const JSONB = builtinType(3802)!
const FLOAT8 = builtinType(701)!
const TEXT = builtinType(25)!
const EMPTY: ValueType = { kind: 'composite', fields: [] }
const SAME_LENGTH: ValueType = {
  kind: 'composite',
  fields: [
    { name: 'b', type: INT4 },
    { name: 'a', type: INT4 },
  ],
}
const WITH_JSON: ValueType = { kind: 'composite', fields: [{ name: 'j', type: JSONB }] }

function encode(type: ValueType, text: string): string {
  const source = Buffer.from(text)
  const out = new ByteWriter()
  out.begin()
  writeValue(out, type, source, 0, source.length, 'number')
  return Buffer.from(out.cut()).toString('utf8')
}

const CASES: readonly (readonly [type: ValueType, text: string, json: string])[] = [
  [EMPTY, '()', '{}'],
  [SAME_LENGTH, '(1,2)', '{"a":2,"b":1}'],
  [WITH_JSON, '("{""k"": [1.50]}")', '{"j":{"k": [1.50]}}'],
  [JSONB, '{"n": 1.50, "n2": 1e400}', '{"n": 1.50, "n2": 1e400}'],
  [JSONB, JSON.stringify('x'.repeat(1_000)), JSON.stringify('x'.repeat(1_000))],
  [FLOAT8, '-1.5e-05', '-0.000015'],
  [FLOAT8, '2e+00', '2'],
  [FLOAT8, '-2.5', '-2.5'],
  [FLOAT8, 'NaN', '"NaN"'],
  [TEXT, '\b\f\n\r\t"\\', '"\\b\\f\\n\\r\\t\\"\\\\"'],
]

for (const [type, text, json] of CASES) {
  test(`${type.kind}: ${JSON.stringify(text).slice(0, 60)} is ${json.slice(0, 60)}`, () =>
    assert.equal(encode(type, text), json))
}

const MALFORMED: readonly (readonly [type: ValueType, text: string])[] = [
  [EMPTY, '(,)'],
  [EMPTY, '(1)'],
  [FLOAT8, '1e+x'],
  [FLOAT8, '1e+1-'],
  [FLOAT8, '1e5'],
  [builtinType(23)!, '-x'],
]

for (const [type, text] of MALFORMED) {
  test(`${type.kind}: ${text} is one clear error`, () => {
    assert.throws(() => encode(type, text), PoisonError)
  })
}

test('a row of another number of columns than its table is refused', () => {
  const relation = relationOf([
    ['*id', 23],
    ['note', 25],
  ])
  assert.throws(() => encodeText('fraiseql', eventOf({ relation, after: rowOf('1') })), PoisonError)
})

test('values of equal length differ at their beginning, in their middle, at their end', () => {
  const columns = [['*id', 23] as const, ['note', 25] as const]
  const relation = relationOf(columns, { replicaIdentity: 'full' })
  for (const note of ['Xbcdefghij', 'abcdXfghij', 'abcdefghiX']) {
    const before = rowOf('1', 'abcdefghij')
    const event = eventOf({ operation: 'UPDATE', relation, before, after: rowOf('1', note) })
    const { changes } = JSON.parse(encodeText('fraiseql', event))
    assert.deepEqual(changes, { note: { old: 'abcdefghij', new: note } })
  }
})

test('integers up to the largest that is exact, and constants of bytes', () => {
  const out = new ByteWriter()
  out.begin()
  for (const value of [0, 9, 10, 0x7fff_ffff, 0x8000_0000, Number.MAX_SAFE_INTEGER]) {
    out.decimal(value)
    out.constant(new Constant(Buffer.from(' ')))
  }
  const text = Buffer.from(out.cut()).toString('latin1')
  assert.equal(text, '0 9 10 2147483647 2147483648 9007199254740991 ')
})

test('commit times of which a number does not hold the microseconds, before and after 1970', () => {
  const text = (us: bigint) => {
    const out = new ByteWriter()
    out.begin()
    new TimestampWriter().write(out, us)
    return Buffer.from(out.cut()).toString('latin1')
  }
  assert.equal(text(-9_100_000_000_000_001n), '"1681-08-18T22:13:19.999999Z"')
  assert.equal(text(-9_100_000_000_000_000n), '"1681-08-18T22:13:20.000000Z"')
  assert.equal(text(9_100_000_000_000_001n), '"2258-05-15T01:46:40.000001Z"')
})
