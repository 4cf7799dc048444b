/** One value to JSON: what to-jsonb.test.ts can't show without a server, malformed text above all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PoisonError } from '../../src/errors.ts'
import { builtinType } from '../../src/event/builtin-types.ts'
import { ByteWriter } from '../../src/event/bytes.ts'
import type { Numbers } from '../../src/event/encode-number.ts'
import { writeValue } from '../../src/event/encode-value.ts'
import type { ValueType } from '../../src/event/value-type.ts'

const PAIR: ValueType = {
  kind: 'composite',
  fields: [
    { name: 'bb', type: builtinType(23)! },
    { name: 'a', type: builtinType(25)! },
  ],
}
const JSON_PAIR: ValueType = { kind: 'composite', fields: [{ name: 'j', type: builtinType(3802)! }] }
const PAIRS: ValueType = { kind: 'array', element: PAIR, delimiter: 0x2c }
const HSTORE: ValueType = { kind: 'hstore' }

function encode(type: ValueType, text: string | Buffer, numbers: Numbers = 'number'): string {
  const bytes = Buffer.from(text)
  // Neighbours that would show in the result, or change it, if they were read.
  const source = Buffer.concat([Buffer.from('"\\{('), bytes, Buffer.from('",)}NULL 0')])
  const out = new ByteWriter(64)
  out.begin()
  writeValue(out, type, source, 4, 4 + bytes.length, numbers)
  return Buffer.from(out.cut()).toString('utf8')
}

const CASES: readonly (readonly [type: ValueType, text: string, json: string])[] = [
  [builtinType(16)!, 't', 'true'],
  [builtinType(16)!, 'f', 'false'],
  [builtinType(20)!, '-9223372036854775808', '-9223372036854775808'],
  [builtinType(1700)!, 'NaN', '"NaN"'],
  [builtinType(1700)!, '-Infinity', '"-Infinity"'],
  [builtinType(701)!, '-0', '0'],
  [builtinType(701)!, '1e+20', '100000000000000000000'],
  [builtinType(701)!, '-1.25e-07', '-0.000000125'],
  [builtinType(701)!, '1.5e+00', '1.5'],
  [builtinType(701)!, '12.5e-01', '1.25'],
  [builtinType(25)!, 'a"b\\c\u0001\u001f\u007f\t', '"a\\"b\\\\c\\u0001\\u001f\u007f\\t"'],
  [builtinType(17)!, '\\xdead', '"\\\\xdead"'],
  [builtinType(1184)!, '2024-05-06 07:08:09.5+00', '"2024-05-06T07:08:09.5+00:00"'],
  [builtinType(1184)!, '2024-05-06 07:08:09+05:30', '"2024-05-06T07:08:09+05:30"'],
  [builtinType(1184)!, '0044-03-15 12:00:00+00 BC', '"0044-03-15T12:00:00+00:00 BC"'],
  [builtinType(1114)!, '0044-03-15 12:00:00 BC', '"0044-03-15T12:00:00 BC"'],
  [builtinType(1184)!, '-infinity', '"-infinity"'],
  [builtinType(1007)!, '{}', '[]'],
  [builtinType(1007)!, '[0:1][5:5]={{1},{NULL}}', '[[1],[null]]'],
  [builtinType(1009)!, '{a,"NULL","","b\\"\\\\{},"}', '["a","NULL","","b\\"\\\\{},"]'],
  [builtinType(1020)!, '{(1,1),(0,0);(2,2),(1,1)}', '["(1,1),(0,0)","(2,2),(1,1)"]'],
  [builtinType(22)!, '1 -2 3', '[1,-2,3]'],
  [builtinType(30)!, '', '[]'],
  [PAIR, '(1,"x ""y"" \\\\ z")', '{"a":"x \\"y\\" \\\\ z","bb":1}'],
  [PAIR, '(,)', '{"a":null,"bb":null}'],
  [PAIR, '(7,"")', '{"a":"","bb":7}'],
  [PAIR, '(1)', '{"a":null,"bb":1}'],
  [PAIRS, '{"(1,\\"a,\\"\\"b\\")",NULL}', '[{"a":"a,\\"b","bb":1},null]'],
  [HSTORE, '"a"=>"1", "b"=>NULL, "\\"\\\\"=>"NULL"', '{"a":"1","b":null,"\\"\\\\":"NULL"}'],
]

for (const [type, text, json] of CASES) {
  test(`${type.kind}: ${text} is ${json}`, () => {
    assert.equal(encode(type, text), json)
  })
}

test('numbers = "string" quotes int8 and numeric, inside others too, and nothing else', () => {
  assert.equal(encode(builtinType(20)!, '7', 'string'), '"7"')
  assert.equal(encode(builtinType(1700)!, '1.10', 'string'), '"1.10"')
  assert.equal(encode(builtinType(1700)!, 'NaN', 'string'), '"NaN"')
  assert.equal(encode(builtinType(1231)!, '{1.10,NULL}', 'string'), '["1.10",null]')
  assert.equal(encode(builtinType(23)!, '7', 'string'), '7')
  assert.equal(encode(builtinType(701)!, '1e+20', 'string'), '100000000000000000000')
})

test('"char" that is no UTF-8 is written as newer releases send it', () => {
  assert.equal(encode(builtinType(18)!, Buffer.of(0xff)), '"\\\\377"')
  assert.equal(encode(builtinType(18)!, '\\377'), '"\\\\377"')
  assert.equal(encode(builtinType(18)!, ''), '""')
})

const MALFORMED: readonly (readonly [type: ValueType, text: string])[] = [
  [builtinType(16)!, 'true'],
  [builtinType(16)!, ''],
  [builtinType(23)!, ''],
  [builtinType(23)!, '-'],
  [builtinType(23)!, '1-2'],
  [builtinType(23)!, '007'],
  [builtinType(23)!, '0x10'],
  [builtinType(1700)!, '1.2.3'],
  [builtinType(1700)!, '.5'],
  [builtinType(1700)!, '5.'],
  [builtinType(1700)!, 'Nope'],
  [builtinType(701)!, '1e'],
  [builtinType(701)!, 'e+10'],
  [builtinType(701)!, '1e+999'],
  [builtinType(701)!, '1e+99999999999999999999'],
  [builtinType(701)!, '1.2.3e+10'],
  [builtinType(1007)!, ''],
  [builtinType(1007)!, '1'],
  [builtinType(1007)!, '{'],
  [builtinType(1007)!, '{1'],
  [builtinType(1007)!, '{1,'],
  [builtinType(1007)!, '{1,}'],
  [builtinType(1007)!, '{,1}'],
  [builtinType(1007)!, '{1}}'],
  [builtinType(1007)!, '{1}x'],
  [builtinType(1007)!, '{{1}2}'],
  [builtinType(1007)!, '{{{{{{{1}}}}}}}'],
  [builtinType(1007)!, '[1:1]'],
  [builtinType(1007)!, '[1:1]={'],
  [builtinType(1009)!, '{"a}'],
  [builtinType(1009)!, '{"a\\'],
  [builtinType(1009)!, '{"a"b}'],
  [builtinType(1009)!, '{a"b"}'],
  [builtinType(22)!, '1 x'],
  [PAIR, ''],
  [PAIR, '('],
  [PAIR, '1,2'],
  [PAIR, '(1,2'],
  [PAIR, '(1,2,3)'],
  [PAIR, '(1,"a)'],
  [PAIR, '(1,"a"b)'],
  [PAIR, '(x,a)'],
  [JSON_PAIR, '("{""a"")'],
  [JSON_PAIR, '(text)'],
  [HSTORE, 'a=>1'],
  [HSTORE, '"a"'],
  [HSTORE, '"a"=>'],
  [HSTORE, '"a"=>"b'],
  [HSTORE, '"a"=>"b","c"=>"d"'],
]

for (const [type, text] of MALFORMED) {
  test(`${type.kind}: ${JSON.stringify(text)} is one clear error`, () => {
    assert.throws(
      () => encode(type, text),
      (error: unknown) => {
        assert.ok(error instanceof PoisonError)
        assert.equal(error.code, 'malformed_value')
        assert.notEqual(error.remedy, '')
        return true
      },
    )
  })
}

const TYPES: readonly ValueType[] = [
  ...[16, 18, 20, 1700, 701, 25, 1114, 1184, 1007, 1009, 1020, 1185, 22].map(oid => builtinType(oid)!),
  PAIR,
  JSON_PAIR,
  PAIRS,
  HSTORE,
]

test('any text of any type gives valid JSON or that error', () => {
  const letters = [...'"\\{}()[]=>,; NULLtfeE+-.:0129aC\n\u0001ä']
  const text = fc.string({ unit: fc.constantFrom(...letters), maxLength: 30 })
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), text, (type, value) => {
      let json: string
      try {
        json = encode(type, value)
      } catch (error) {
        assert.ok(error instanceof PoisonError, String(error))
        return
      }
      JSON.parse(json)
    }),
    { numRuns: 5_000 },
  )
})

test('strings of any length around the pieces they are written in', () => {
  for (const length of [0, 1, 3, 4, 5, 4095, 4096, 4097, 8192, 300_000]) {
    for (const unit of ['x', '"', 'ä', '\u0001']) {
      const text = unit.repeat(length)
      assert.equal(JSON.parse(encode(builtinType(25)!, text)), text)
    }
  }
})
