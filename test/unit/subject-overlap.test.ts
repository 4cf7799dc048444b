/** The algebra of subject filters against its definition: every subject of a small world, tried one by one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  containedInAny,
  overlapAmong,
  subjectContains,
  subjectsOverlap,
  withoutContained,
} from '../../src/publish/subject-overlap.ts'

/** `x` stands for every token that the filters don't name; one token more than any filter has. */
const WORLD = subjects(['a', 'b', 'x'], 5)

test('the named cases', () => {
  const cases: [a: string, b: string, overlap: boolean, aContainsB: boolean][] = [
    ['fraiseql.mutation.>', 'fraiseql.mutation.Order.INSERT', true, true],
    ['fraiseql.mutation.>', 'fraiseql.mutation', false, false],
    ['fraiseql.mutation.>', 'fraiseql.mutations.Order', false, false],
    ['fraiseql.mutation.>', 'fraiseql.*.Order', true, false],
    ['fraiseql.>', 'fraiseql.mutation.>', true, true],
    ['>', 'order_created', true, true],
    ['*', 'order_created', true, true],
    ['*', 'events.order', false, false],
    ['events.*.created', 'events.order.*', true, false],
    ['events.*', 'events.>', true, false],
    ['events.*.*', 'events.*.created', true, true],
    ['*.>', '>', true, false],
    ['*.>', 'a.>', true, true],
    ['events.order', 'events.order', true, true],
    ['Events.order', 'events.order', false, false],
  ]
  for (const [a, b, overlap, contains] of cases) {
    assert.equal(subjectsOverlap(a, b), overlap, `${a} overlaps ${b}`)
    assert.equal(subjectsOverlap(b, a), overlap, `${b} overlaps ${a}`)
    assert.equal(subjectContains(a, b), contains, `${a} contains ${b}`)
  }
})

test('overlap: some subject matches both', () => {
  fc.assert(
    fc.property(filter(), filter(), (a, b) => {
      assert.equal(
        subjectsOverlap(a, b),
        WORLD.some(subject => matches(a, subject) && matches(b, subject)),
      )
    }),
    { numRuns: 1_000 },
  )
})

test('containment: every subject that matches the inner one matches the outer one', () => {
  fc.assert(
    fc.property(filter(), filter(), (outer, inner) => {
      const expected = WORLD.every(subject => !matches(inner, subject) || matches(outer, subject))
      assert.equal(subjectContains(outer, inner), expected)
    }),
    { numRuns: 1_000 },
  )
})

test('dropping contained filters loses no subject and leaves none that another contains', () => {
  fc.assert(
    fc.property(fc.array(filter(), { maxLength: 6 }), filters => {
      const kept = withoutContained(filters)
      for (const subject of WORLD) {
        const before = filters.some(filter => matches(filter, subject))
        assert.equal(
          kept.some(filter => matches(filter, subject)),
          before,
        )
      }
      for (const one of kept) {
        for (const other of kept) assert.ok(one === other || !subjectContains(one, other))
      }
      assert.equal(new Set(kept).size, kept.length)
    }),
  )
})

test('a list of filters is asked filter by filter', () => {
  assert.equal(containedInAny(['a.b', 'a.c'], 'a.*'), false)
  assert.equal(containedInAny(['x', 'a.>'], 'a.*'), true)
  assert.equal(containedInAny([], 'a'), false)
  assert.equal(overlapAmong(['x', 'a.b', 'a.c'], 'a.*'), 'a.b')
  assert.equal(overlapAmong(['x'], 'a.*'), undefined)
})

function filter(): fc.Arbitrary<string> {
  const head = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 3 })
  return fc
    .tuple(head, fc.constantFrom('a', 'b', '*', '>'))
    .map(([tokens, last]) => [...tokens, last].join('.'))
}

/** The definition, by regular expression. */
function matches(filter: string, subject: string): boolean {
  const pattern = filter.split('.').map(token => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token))
  return new RegExp(`^${pattern.join('\\.')}$`).test(subject)
}

function subjects(tokens: readonly string[], length: number): string[] {
  if (length === 1) return [...tokens]
  const shorter = subjects(tokens, length - 1)
  const longest = shorter.filter(subject => subject.split('.').length === length - 1)
  return [...shorter, ...longest.flatMap(subject => tokens.map(token => `${subject}.${token}`))]
}
