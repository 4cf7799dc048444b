import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_TEMPLATE, parseTemplate } from '../../src/event/subject-template.ts'

test('a subject is split into text and placeholders', () => {
  assert.deepEqual(parseTemplate('events.{op}-x.{column:ship to}{partition}'), {
    text: 'events.{op}-x.{column:ship to}{partition}',
    parts: [
      { kind: 'text', text: 'events.' },
      { kind: 'placeholder', name: 'op' },
      { kind: 'text', text: '-x.' },
      { kind: 'column', column: 'ship to' },
      { kind: 'placeholder', name: 'partition' },
    ],
  })
  assert.deepEqual(parseTemplate('order_created'), {
    text: 'order_created',
    parts: [{ kind: 'text', text: 'order_created' }],
  })
})

test('the default template is what its text says', () => {
  assert.deepEqual(parseTemplate(DEFAULT_TEMPLATE.text), DEFAULT_TEMPLATE)
})

const PROBLEMS: readonly (readonly [string, RegExp])[] = [
  ['', /empty/],
  ['a..b', /two in a row/],
  ['.a', /start or end with a dot/],
  ['a.', /start or end with a dot/],
  ['{entity}..x', /two in a row/],
  ['a b', /white space/],
  ['a\nb', /white space/],
  ['a\u0000b', /white space/],
  ['a.*', /wildcards/],
  ['a.>', /wildcards/],
  ['$JS.API.x', /belong to the server/],
  ['{Entity}.x', /unknown placeholder \{Entity\}; there are \{prefix\}/],
  ['{}', /unknown placeholder/],
  ['{column:}', /unknown placeholder \{column:\}/],
  ['a.{entity', /brace/],
  ['a.}b', /brace/],
  ['a.{b{entity}}', /brace/],
  ['x'.repeat(1_001), /longer than 1000/],
]

test('a text that can be no subject is refused with its reason', () => {
  for (const [text, problem] of PROBLEMS) {
    const parsed = parseTemplate(text)
    assert.ok('problem' in parsed, JSON.stringify(text))
    assert.match(parsed.problem, problem)
  }
})
