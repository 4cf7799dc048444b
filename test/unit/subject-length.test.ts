/** A subject fits the server's protocol line, whatever the values in it are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Rule } from '../../src/config/config.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { subjectToken } from '../../src/event/subject-token.ts'
import { createRouter } from '../../src/route/router.ts'
import { eventOf, relationOf, rowOf } from './sample-event.ts'

const TEXT_OID = 25
const COLUMNS = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
const LONG = '漢'.repeat(200)

function routerOf(subject: string, prefix: string) {
  const origin = { file: 'fraiseql.toml', line: 1 }
  const rule: Rule = {
    table: 't',
    channel: null,
    entity: null,
    operations: [],
    subject,
    format: null,
    origin,
  }
  const partitions = { enabled: false, key: 'id', count: 8 }
  return createRouter({ rules: [rule], prefix, partitions, defaultFormat: 'fraiseql' })
}

function subjectOf(...values: readonly string[]): string {
  const relation = relationOf(
    COLUMNS.map(name => [name, TEXT_OID]),
    { table: 't' },
  )
  const template = `{prefix}.${COLUMNS.map(name => `{column:${name}}`).join('.')}`
  const [route] = routerOf(template, 'p').plan(relation).INSERT
  return route!.subjectOf(eventOf({ relation, after: rowOf(...values) }))
}

test('values that are too long together are cut, each to its share of what a subject may have', () => {
  const fitting = [LONG, LONG, LONG, LONG, LONG, 'x', 'y']
  assert.equal(subjectOf(...fitting), `p.${fitting.join('.')}`)
  const cut = subjectOf(LONG, LONG, LONG, LONG, LONG, LONG, 'x')
  assert.ok(Buffer.byteLength(cut) <= 3_500)
  assert.match(cut, /^p\.(漢+%~[0-9a-f]{8}\.){6}x$/)
  assert.equal(subjectOf(LONG, LONG, LONG, LONG, LONG, LONG, 'x'), cut)
  assert.notEqual(subjectOf(LONG, LONG, LONG, LONG, LONG, `${LONG}1`, 'x'), cut)
})

test('a token is cut to so many bytes, and stays distinct', () => {
  const bytes = fc.integer({ min: 10, max: 700 })
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), bytes, (text, room) => {
      const whole = subjectToken(text)
      const token = subjectToken(text, room)
      assert.ok(Buffer.byteLength(token) <= room)
      if (Buffer.byteLength(whole) <= room) assert.equal(token, whole)
      else assert.match(token, /^([^%]|%[0-9A-F]{2})*%~[0-9a-f]{8}$/u)
    }),
    { numRuns: 1_000 },
  )
  assert.equal(subjectToken('漢漢漢漢漢', 14), `漢${subjectToken('漢漢漢漢漢', 10)}`)
})

test('a subject that is too long whatever the values are is refused', () => {
  const router = routerOf('{prefix}.{prefix}.{prefix}.{prefix}.x', 'p'.repeat(1_000))
  assert.throws(() => router.filters([{ schema: 's', table: 't' }]), ConfigurationError)
})
