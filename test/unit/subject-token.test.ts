import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { subjectToken } from '../../src/event/subject-token.ts'

const CASES: readonly (readonly [string, string])[] = [
  ['order-1_A', 'order-1_A'],
  ['', '_'],
  ['_', '_'],
  ['a.b', 'a%2Eb'],
  ['*', '%2A'],
  ['>', '%3E'],
  ['100%', '100%25'],
  ['%2E', '%252E'],
  ['two words', 'two%20words'],
  ['a\tb\r\nc', 'a%09b%0D%0Ac'],
  ['\u0000', '%00'],
  ['\u0085', '%C2%85'],
  ['a\u00a0b', 'a%C2%A0b'],
  ['\u2028', '%E2%80%A8'],
  ['\ufeff', '%EF%BB%BF'],
  ['größe', 'größe'],
  ['注文🚚', '注文🚚'],
  ['$JS', '%24JS'],
  ['US$', 'US$'],
  ['2024-01-31 10:00:00.5+00', '2024-01-31%2010:00:00%2E5+00'],
]

test('a text becomes one token', () => {
  for (const [text, token] of CASES) assert.equal(subjectToken(text), token, JSON.stringify(text))
})

test('a long text is cut, and stays distinct', () => {
  const a = subjectToken(`${'x'.repeat(5_000)}a`)
  const b = subjectToken(`${'x'.repeat(5_000)}b`)
  assert.match(a, /^x{200}%~[0-9a-f]{8}$/)
  assert.notEqual(a, b)
  assert.match(subjectToken('.'.repeat(5_000)), /^(%2E)+%~[0-9a-f]{8}$/)
  assert.match(subjectToken('🚚'.repeat(5_000)), /^🚚+%~[0-9a-f]{8}$/u)
  assert.match(subjectToken(`x${'🚚'.repeat(5_000)}`), /^x🚚+%~[0-9a-f]{8}$/u)
  assert.equal(subjectToken('x'.repeat(200)), 'x'.repeat(200))
})

const anyText = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom('.', '*', '>', '%', '$', ' ', '\n', '\u0000', 'é', '🚚'),
    minLength: 1,
    maxLength: 12,
  }),
)

test('no text breaks the subject, and every one can be read back', () => {
  fc.assert(
    fc.property(anyText, text => {
      const token = subjectToken(text)
      assert.doesNotMatch(token, /[.*>\s\p{Cc}]|^\$|^$/u)
      assert.equal(decodeURIComponent(token), text)
    }),
    { numRuns: 3_000 },
  )
})

test('no text of any length gives a token that fills a protocol line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 150, maxLength: 1_000 }), text => {
      const token = subjectToken(text)
      assert.doesNotMatch(token, /[.*>\s\p{Cc}]|^\$|^$/u)
      assert.ok(Buffer.byteLength(token) <= 640)
      assert.ok(token.includes('%~') || decodeURIComponent(token) === text)
    }),
    { numRuns: 1_000 },
  )
})
