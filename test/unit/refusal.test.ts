/** What each refusal of a publish makes the publisher do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryableError } from '../../src/errors.ts'
import { refusalOf } from '../../src/publish/refusal.ts'

const CASES: readonly (readonly [codes: readonly number[], outcome: string])[] = [
  [[10070, 10071, 10158, 10164, 10201], 'fence'],
  [[10002, 10023, 10028, 10047, 10077, 10120], 'full'],
  [[503], 'no-responders'],
  [[10003, 10176, 99999], 'refused'],
  [[10054, 10059, 10060, 10109, 10174], 'STREAM_CHANGED'],
]

for (const [codes, outcome] of CASES) {
  test(`${outcome}: ${codes.join(', ')}`, () => {
    for (const code of codes) {
      const refusal = refusalOf(code, 'why', 'a')
      assert.equal(refusal instanceof RetryableError ? refusal.code : refusal, outcome)
    }
  })
}
