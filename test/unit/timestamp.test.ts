/** Commit times as RFC 3339 with microseconds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteWriter } from '../../src/event/bytes.ts'
import { TimestampWriter } from '../../src/event/timestamp.ts'

function textOf(writer: TimestampWriter, us: bigint | null): string {
  const out = new ByteWriter()
  out.begin()
  writer.write(out, us)
  return Buffer.from(out.cut()).toString('latin1')
}

const CASES: readonly (readonly [bigint | null, string])[] = [
  [null, 'null'],
  [0n, '"1970-01-01T00:00:00.000000Z"'],
  [1n, '"1970-01-01T00:00:00.000001Z"'],
  [-1n, '"1969-12-31T23:59:59.999999Z"'],
  [1_715_000_000_123_456n, '"2024-05-06T12:53:20.123456Z"'],
  [1_715_000_000_999_999n, '"2024-05-06T12:53:20.999999Z"'],
  [1_709_251_199_000_000n, '"2024-02-29T23:59:59.000000Z"'],
  [253_402_300_799_999_999n, '"9999-12-31T23:59:59.999999Z"'],
  [-62_135_596_800_000_000n, '"0001-01-01T00:00:00.000000Z"'],
]

for (const [us, text] of CASES) {
  test(`${us} us is ${text}`, () => {
    assert.equal(textOf(new TimestampWriter(), us), text)
  })
}

test('equals Date, whatever was written before', () => {
  const writer = new TimestampWriter()
  fc.assert(
    fc.property(fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }), us => {
      const ms = us < 0n && us % 1000n !== 0n ? us / 1000n - 1n : us / 1000n
      const rest = String(us - ms * 1000n).padStart(3, '0')
      assert.equal(textOf(writer, us), `"${new Date(Number(ms)).toISOString().slice(0, -1)}${rest}Z"`)
    }),
  )
})
