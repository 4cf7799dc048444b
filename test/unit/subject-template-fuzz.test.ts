/** Whatever stands in a rule's `subject`: it is refused with a reason, or every event gets a subject NATS can take. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PLACEHOLDERS, parseTemplate, type SubjectPart } from '../../src/event/subject-template.ts'
import { subjectToken } from '../../src/event/subject-token.ts'

const PREFIX = 'fraiseql.mutation'

const piece = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(...PLACEHOLDERS.map(name => `{${name}}`), '{column:a b}', '{column:ü}'),
  },
  { weight: 3, arbitrary: fc.constantFrom('events', 'a', '.', '.x', '-', '_', '%2E', 'ü', '🍓') },
  fc.constantFrom(
    '{',
    '}',
    '{}',
    '{{',
    '}}',
    '{column:}',
    '{column:{a}}',
    '{nope}',
    '{Entity}',
    '{column',
    ':',
  ),
  fc.constantFrom(
    '*',
    '>',
    '$',
    '$JS',
    '..',
    ' ',
    '\t',
    '\n',
    '\r\n',
    '\0',
    '\u00a0',
    '\u2028',
    '\ufeff',
    '\x7f',
  ),
  fc.constant('x'.repeat(300)),
  fc.string({ unit: 'binary', maxLength: 4 }),
)
const template = fc.array(piece, { maxLength: 10 }).map(pieces => pieces.join(''))
const value = fc.oneof(
  fc.constantFrom('', 'INSERT', 'a.b', '*', '>', '$SYS', ' ', '%', '\0\r\n', '🍓'.repeat(200), '\ud800'),
  fc.string({ unit: 'binary', maxLength: 12 }),
)

test('random templates: refused with a reason, or all of the text in parts', () => {
  let refused = 0
  let parsed = 0
  fc.assert(
    fc.property(template, text => {
      const result = parseTemplate(text)
      if ('problem' in result) {
        refused++
        assert.notEqual(result.problem, '')
        return
      }
      parsed++
      assert.equal(result.text, text)
      assert.equal(result.parts.map(written).join(''), text)
    }),
    { numRuns: 5_000 },
  )
  assert.ok(refused > 500 && parsed > 500, `${refused} refused, ${parsed} parsed`)
})

test('random templates and values: one line, no wildcard, no empty token, none of the server', () => {
  let subjects = 0
  fc.assert(
    fc.property(template, value, (text, filling) => {
      const result = parseTemplate(text)
      if ('problem' in result) return
      subjects++
      const subject = result.parts.map(part => filled(part, subjectToken(filling))).join('')
      assert.doesNotMatch(subject, /[*>\s\p{Cc}]/u)
      const tokens = subject.split('.')
      assert.ok(tokens.every(token => token !== ''))
      assert.ok(!subject.startsWith('$'))
      // Values add no token.
      assert.equal(
        tokens.length,
        result.parts
          .map(part => filled(part, 'x'))
          .join('')
          .split('.').length,
      )
    }),
    { numRuns: 5_000 },
  )
  assert.ok(subjects > 500, `${subjects} subjects`)
})

test('random depth and length: braces without end take no time and no stack', () => {
  for (const text of [
    '{'.repeat(500_000),
    '{a'.repeat(300_000),
    '}'.repeat(500_000),
    '{op}'.repeat(200_000),
  ]) {
    assert.ok('problem' in parseTemplate(text))
  }
})

function written(part: SubjectPart): string {
  if (part.kind === 'text') return part.text
  return part.kind === 'column' ? `{column:${part.column}}` : `{${part.name}}`
}

function filled(part: SubjectPart, token: string): string {
  if (part.kind === 'text') return part.text
  return part.kind === 'placeholder' && part.name === 'prefix' ? PREFIX : token
}
