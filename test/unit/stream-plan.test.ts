/** Which stream a subject goes to: the documentation's files, streams that exist, and everything that can't be. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { NamedStream, StreamLimits } from '../../src/config/config.ts'
import {
  type ExistingStream,
  type PlanConfig,
  planStreams,
  type StreamPlan,
} from '../../src/publish/stream-plan.ts'
import { containedInAny, subjectsOverlap } from '../../src/publish/subject-overlap.ts'

const LIMITS: StreamLimits = {
  max_age_seconds: 604_800,
  max_bytes: 10 * 1024 ** 3,
  max_msgs: 10_000_000,
  max_msg_size: 0,
  duplicate_window_seconds: 300,
  replicas: 1,
  storage: 'file',
  discard: 'old',
  retention: 'limits',
}

test('no rules: the main stream owns everything below the prefix', () => {
  const plan = planned({ subjects: ['fraiseql.mutation.Order.INSERT', 'fraiseql.mutation.*.CUSTOM'] })
  assert.deepEqual(owners(plan), {
    'fraiseql.mutation.Order.INSERT': 'fraiseql_events',
    'fraiseql.mutation.*.CUSTOM': 'fraiseql_events',
    'fraiseql.dlq': 'fraiseql_dlq',
  })
  assert.deepEqual(outline(plan), [
    ['fraiseql_events', 'main', ['fraiseql.mutation.>'], false],
    ['fraiseql_dlq', 'dead-letter', ['fraiseql.dlq'], true],
  ])
})

test("the documentation's bare subjects go to the main stream, which owns everything below the prefix too", () => {
  for (const more of [[], ['fraiseql.mutation.User.INSERT']]) {
    const plan = planned({ subjects: ['order_created', 'order_status_changed', ...more] })
    assert.equal(plan.ownerOf.get('order_created'), 'fraiseql_events')
    assert.deepEqual(plan.streams[0]?.subjects, [
      'fraiseql.mutation.>',
      'order_created',
      'order_status_changed',
    ])
  }
})

test('bare subjects do not ask for the prefix where a part of it is taken, or the main stream was made by somebody', () => {
  const subjects = ['order_created']
  const taken = planned({ subjects, streams: [named('users', ['fraiseql.mutation.User.*'])] })
  assert.deepEqual(outline(taken)[1], ['fraiseql_events', 'main', ['order_created'], false])
  const other = planned({ subjects, existing: [{ name: 'theirs', subjects: ['fraiseql.>'] }] })
  assert.deepEqual(outline(other)[0], ['fraiseql_events', 'main', ['order_created'], false])
  const there = planned({ subjects, existing: [{ name: 'fraiseql_events', subjects: ['order_paid'] }] })
  assert.deepEqual(outline(there)[0], ['fraiseql_events', 'main', ['order_created'], false])
})

test("the documentation's choreography: a stream of the first token, shared with its workers", () => {
  const plan = planned({ subjects: ['events.order.created', 'events.order.status_updated'] })
  assert.deepEqual(outline(plan), [
    ['events', 'token', ['events.>'], true],
    ['fraiseql_dlq', 'dead-letter', ['fraiseql.dlq'], true],
  ])
  assert.equal(plan.ownerOf.get('events.order.created'), 'events')
})

test("the documentation's streams dialect: a configured stream, and as many tokens as it takes", () => {
  const plan = planned({
    subjects: ['fraiseql.saga.step'],
    streams: [named('orders', ['fraiseql.order.>'], { replicas: 3 })],
  })
  assert.deepEqual(outline(plan), [
    ['orders', 'named', ['fraiseql.order.>'], false],
    ['fraiseql_saga', 'token', ['fraiseql.saga.>'], true],
    ['fraiseql_dlq', 'dead-letter', ['fraiseql.dlq'], true],
  ])
  assert.equal(plan.streams[0]?.limits?.replicas, 3)
  assert.equal(plan.streams[1]?.limits?.replicas, 1)
})

test('the second run plans what the first one made', () => {
  const subjects = [
    'fraiseql.saga.step',
    'fraiseql.mutation.Order.INSERT',
    'order_created',
    'events.a',
    'x.y.z',
  ]
  const streams = [named('orders', ['fraiseql.order.>'])]
  const first = planned({ subjects, streams })
  const second = planned({ subjects, streams, existing: first.streams })
  assert.deepEqual(sorted(outline(second)), sorted(outline(first)))
  assert.deepEqual(owners(second), owners(first))
})

test('a stream of the server that owns the subject stores it, and is not ours to change', () => {
  const plan = planned({
    subjects: ['fraiseql.mutation.Order.INSERT', 'billing.paid', 'order_created'],
    existing: [
      { name: 'ALL', subjects: ['fraiseql.>'] },
      { name: 'money', subjects: ['billing.*', 'payments.>'] },
      { name: 'single', subjects: ['order_created'] },
    ],
  })
  assert.deepEqual(outline(plan), [
    ['ALL', 'existing', ['fraiseql.mutation.Order.INSERT', 'fraiseql.dlq'], false],
    ['money', 'existing', ['billing.paid'], false],
    ['single', 'existing', ['order_created'], false],
  ])
  assert.ok(plan.streams.every(({ limits }) => limits === null))
})

test('a stream of the first token is widened when it has a part, and left alone when it is about something else', () => {
  const part: ExistingStream[] = [{ name: 'events', subjects: ['events.order.*'] }]
  const widened = planned({ subjects: ['events.order.created', 'events.inventory.reserved'], existing: part })
  assert.deepEqual(outline(widened)[0], ['events', 'token', ['events.>'], true])
  const other: ExistingStream[] = [{ name: 'events', subjects: ['calendar.>'] }]
  const apart = planned({ subjects: ['events.order.created'], existing: other })
  assert.deepEqual(outline(apart)[0], ['events_order', 'token', ['events.order.>'], true])
})

test('more tokens where another stream has a neighbour', () => {
  const existing: ExistingStream[] = [
    { name: 'legacy', subjects: ['events.order.cancelled', 'events.user.>'] },
  ]
  const plan = planned({ subjects: ['events.order.created', 'events.stock.low'], existing })
  assert.equal(plan.ownerOf.get('events.order.created'), 'events_order_created')
  assert.equal(plan.ownerOf.get('events.stock.low'), 'events_stock')
})

test('a subject equal to the prefix, and one that is the beginning of another', () => {
  const plan = planned({ subjects: ['fraiseql.mutation', 'fraiseql.saga', 'fraiseql.saga.step'] })
  assert.equal(plan.ownerOf.get('fraiseql.mutation'), 'fraiseql_mutation')
  const saga = plan.streams.find(({ name }) => name === 'fraiseql_saga')
  assert.deepEqual(saga?.subjects, ['fraiseql.saga', 'fraiseql.saga.>'])
})

test('what a configured stream of the main name or the dead letters says, counts', () => {
  const plan = planned({
    subjects: ['fraiseql.mutation.A.INSERT'],
    streams: [
      named('fraiseql_events', ['audit.>'], { replicas: 3 }),
      named('fraiseql_dlq', ['fraiseql.dlq', 'fraiseql.dlq.>'], { max_age_seconds: 60 }),
    ],
  })
  assert.deepEqual(outline(plan), [
    ['fraiseql_events', 'main', ['audit.>', 'fraiseql.mutation.>'], false],
    ['fraiseql_dlq', 'dead-letter', ['fraiseql.dlq', 'fraiseql.dlq.>'], true],
  ])
  assert.equal(plan.streams[0]?.limits?.replicas, 3)
  assert.equal(plan.streams[1]?.limits?.max_age_seconds, 60)
})

test('dead letters keep messages that are consumed or too large, and reserve little', () => {
  const plan = planned({
    subjects: [],
    stream: { retention: 'workqueue', discard: 'new', max_msg_size: 300 },
  })
  const { retention, discard, max_bytes, max_msg_size } = plan.streams[0]!.limits!
  assert.deepEqual(
    { retention, discard, max_bytes, max_msg_size },
    { retention: 'limits', discard: 'old', max_bytes: 1024 ** 3, max_msg_size: 0 },
  )
})

const REFUSED: [what: string, setting: Setting, expected: RegExp][] = [
  [
    'an existing stream has a part of the main stream',
    {
      subjects: ['fraiseql.mutation.User.INSERT'],
      existing: [{ name: 'orders', subjects: ['fraiseql.mutation.Order.*'] }],
    },
    /^subject fraiseql\.mutation\.> of stream fraiseql_events overlaps subject fraiseql\.mutation\.Order\.\* of stream orders$/,
  ],
  [
    'a configured stream has a part of the main stream',
    {
      subjects: ['fraiseql.mutation.User.INSERT'],
      streams: [named('orders', ['fraiseql.mutation.Order.>'])],
    },
    /fraiseql\.mutation\.> of stream fraiseql_events overlaps subject fraiseql\.mutation\.Order\.> of stream orders$/,
  ],
  [
    'a configured stream overlaps an existing one of another name',
    {
      subjects: [],
      streams: [named('orders', ['fraiseql.order.>'])],
      existing: [{ name: 'old', subjects: ['fraiseql.*.created'] }],
    },
    /^subject fraiseql\.order\.> of stream orders overlaps subject fraiseql\.\*\.created of stream old$/,
  ],
  [
    'two configured streams overlap',
    { subjects: [], streams: [named('a', ['x.>']), named('b', ['x.y'])] },
    /^subject x\.y of stream b overlaps subject x\.> of stream a$/,
  ],
  [
    'a pattern spans two streams',
    { subjects: ['events.*.created'], existing: [{ name: 'orders', subjects: ['events.order.>'] }] },
    /^subject events\.\*\.created would go to two streams: events\.order\.> is stream orders's, and the rest is not$/,
  ],
  [
    'a pattern spans the main stream',
    { subjects: ['fraiseql.*.step'] },
    /^subject fraiseql\.\*\.step would go to two streams: fraiseql\.mutation\.> is stream fraiseql_events's/,
  ],
  [
    'nothing literal to name a stream after',
    { subjects: ['*.created'] },
    /^no stream can be named after subject \*\.created$/,
  ],
  [
    'the dead letters are below the prefix',
    { subjects: ['fraiseql.Order.INSERT'], stream: { subject_prefix: 'fraiseql' } },
    /^subject fraiseql\.> of stream fraiseql_events overlaps subject fraiseql\.dlq of stream fraiseql_dlq$/,
  ],
]

for (const [what, setting, expected] of REFUSED) {
  test(`refused: ${what}`, () => {
    const plan = planOf(setting)
    assert.ok('problems' in plan)
    assert.equal(plan.problems.length, 1)
    assert.match(plan.problems[0]!.message, expected)
    assert.match(plan.problems[0]!.remedy, /\.$/)
  })
}

test('all problems at once', () => {
  const plan = planOf({
    subjects: ['*.created', 'events.*.x', 'fraiseql.mutation.A.INSERT'],
    existing: [{ name: 'e', subjects: ['events.order.x', 'fraiseql.mutation.B.INSERT'] }],
  })
  assert.ok('problems' in plan)
  assert.equal(plan.problems.length, 3)
})

test('whatever exists: no two streams of a plan share a subject, and every subject has one owner that owns it', () => {
  const token = fc.constantFrom('a', 'b', 'fraiseql', 'mutation')
  const subject = fc
    .tuple(
      token,
      fc.array(fc.oneof({ weight: 4, arbitrary: token }, { weight: 1, arbitrary: fc.constant('*') }), {
        maxLength: 3,
      }),
    )
    .map(([first, rest]) => [first, ...rest].join('.'))
  const filter = fc.tuple(subject, fc.boolean()).map(([text, wide]) => (wide ? `${text}.>` : text))
  const existing = fc
    .array(
      fc.record({
        name: fc.constantFrom('a', 'a_b', 'X', 'Y', 'fraiseql_events'),
        subjects: fc.array(filter, { minLength: 1, maxLength: 2 }),
      }),
      { maxLength: 3 },
    )
    .map(streams => disjoint(streams))
  fc.assert(
    fc.property(fc.array(subject, { maxLength: 5 }), existing, (subjects, there) => {
      const plan = planOf({ subjects, existing: there })
      if ('problems' in plan) return
      const all = new Map(there.map(({ name, subjects }) => [name, [...subjects]]))
      for (const { name, subjects } of plan.streams) all.set(name, [...(all.get(name) ?? []), ...subjects])
      for (const [name, own] of all) {
        for (const [other, theirs] of all) {
          if (name !== other)
            assert.ok(!own.some(one => theirs.some(two => subjectsOverlap(one, two))), `${name} ${other}`)
        }
      }
      for (const subject of subjects) assert.ok(containedInAny(all.get(plan.ownerOf.get(subject)!)!, subject))
    }),
    { numRuns: 1_000 },
  )
})

interface Setting {
  readonly subjects: readonly string[]
  readonly streams?: readonly NamedStream[]
  readonly existing?: readonly ExistingStream[]
  readonly stream?: Partial<PlanConfig['stream']>
}

function planOf({
  subjects,
  streams = [],
  existing = [],
  stream = {},
}: Setting): ReturnType<typeof planStreams> {
  const main = {
    ...LIMITS,
    name: 'fraiseql_events',
    subject_prefix: 'fraiseql.mutation',
    create: true,
    ...stream,
  }
  return planStreams(
    { stream: main, streams, dlq: { enabled: true, stream_name: 'fraiseql_dlq', subject: 'fraiseql.dlq' } },
    subjects,
    existing,
  )
}

function planned(setting: Setting): StreamPlan {
  const plan = planOf(setting)
  if ('problems' in plan) assert.fail(JSON.stringify(plan.problems))
  return plan
}

function named(name: string, subjects: readonly string[], limits: Partial<StreamLimits> = {}): NamedStream {
  return { ...LIMITS, ...limits, name, subjects, origin: { file: 'fraiseql.toml', line: 1 } }
}

function outline(plan: StreamPlan): [string, string, readonly string[], boolean][] {
  return plan.streams.map(({ name, kind, subjects, shared }) => [name, kind, subjects, shared])
}

function owners(plan: StreamPlan): Record<string, string> {
  return Object.fromEntries(plan.ownerOf)
}

function sorted<T>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

/** As a server would have them: a name once, and no shared subjects, neither between streams nor within one. */
function disjoint(streams: readonly ExistingStream[]): ExistingStream[] {
  const kept: ExistingStream[] = []
  for (const { name, subjects } of streams) {
    const own: string[] = []
    for (const subject of subjects) {
      const taken = [...own, ...kept.flatMap(stream => stream.subjects)]
      if (!taken.some(other => subjectsOverlap(other, subject))) own.push(subject)
    }
    if (own.length > 0 && !kept.some(stream => stream.name === name)) kept.push({ name, subjects: own })
  }
  return kept
}
