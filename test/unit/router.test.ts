import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Rule } from '../../src/config/config.ts'
import { ConfigurationError } from '../../src/errors.ts'
import type { Event, Operation, Relation, ReplicaIdentity, Row } from '../../src/event/event.ts'
import { createRouter, type RouterOptions } from '../../src/route/router.ts'

const DEFAULTS: RouterOptions = {
  rules: [],
  prefix: 'fraiseql.mutation',
  partitions: { enabled: false, key: 'id', count: 8 },
  defaultFormat: 'fraiseql',
}

function rule(part: Partial<Rule>): Rule {
  const none = { table: null, channel: null, entity: null, operations: [], subject: null, format: null }
  return { ...none, origin: { file: 'fraiseql.toml', line: 1 }, ...part }
}

function router(options: Partial<RouterOptions>) {
  return createRouter({ ...DEFAULTS, ...options })
}

function relation(
  table: string,
  columns = ['id*', 'note'],
  replicaIdentity: ReplicaIdentity = 'key',
): Relation {
  return {
    oid: 1,
    index: 0,
    schema: 'public',
    table,
    replicaIdentity,
    columns: columns.map(name => ({
      name: name.replace('*', ''),
      key: name.endsWith('*') || replicaIdentity === 'full',
      type: { kind: 'string' },
    })),
  }
}

/** undefined: an unchanged TOASTed value. */
type Values = readonly (string | null | undefined)[]

function row(values: Values): Row {
  const texts = values.map(value => Buffer.from(value ?? ''))
  const end = Uint32Array.from(
    texts,
    (_, i) => 1 + texts.slice(0, i + 1).reduce((n, text) => n + text.length, 0),
  )
  return {
    source: Buffer.concat([Buffer.from('#'), ...texts]),
    count: values.length,
    state: Uint8Array.from(values, value => (value === null ? 0 : value === undefined ? 2 : 1)),
    start: Uint32Array.from(end, (at, i) => at - texts[i]!.length),
    end,
  }
}

function event(
  of: Relation | null,
  operation: Operation,
  after: Values | null,
  before: Values | null = null,
): Event {
  return {
    bytes: 0,
    operation,
    relation: of,
    after: after === null ? null : row(after),
    before: before === null ? null : row(before),
    beforeIsKey: false,
    truncation: null,
    message: null,
    commitLsn: 1n as Event['commitLsn'],
    ordinal: 0,
    xid: 1,
    commitTimeUs: null,
  }
}

function subjects(options: Partial<RouterOptions>, of: Event): string[] {
  const { relation, message, operation } = of
  const made = router(options)
  const routes = relation === null ? made.planMessage(message!.prefix) : made.plan(relation)[operation]
  return routes.map(route => {
    if (route.subject !== null) assert.equal(route.subjectOf(of), route.subject)
    assert.ok(inFilter(route.subjectOf(of), route.filter), `${route.subjectOf(of)} is not in ${route.filter}`)
    return route.subjectOf(of)
  })
}

function inFilter(subject: string, filter: string): boolean {
  const tokens = subject.split('.')
  const pattern = filter.split('.')
  return tokens.length === pattern.length && pattern.every((token, i) => token === '*' || token === tokens[i])
}

const order = relation('tb_order')
const insert = event(order, 'INSERT', ['1', 'a'])
const update = event(order, 'UPDATE', ['1', 'b'])

describe('without rules', () => {
  test('every table goes to its default subject', () => {
    assert.deepEqual(subjects({}, insert), ['fraiseql.mutation.Order.INSERT'])
    assert.deepEqual(subjects({}, event(order, 'TRUNCATE', null)), ['fraiseql.mutation.Order.TRUNCATE'])
    assert.deepEqual(subjects({ prefix: 'shop' }, event(relation('tb_order_item'), 'DELETE', null, ['1'])), [
      'shop.OrderItem.DELETE',
    ])
  })

  test('a route is constant, alone, and in the default format', () => {
    const [route] = router({}).plan(order).INSERT
    assert.equal(route?.subject, 'fraiseql.mutation.Order.INSERT')
    assert.equal(route?.suffix, '')
    assert.equal(route?.format, 'fraiseql')
    assert.equal(route?.entity, 'Order')
  })

  test('logical messages go to the entity of their prefix, all under one filter', () => {
    const all = router({})
    const [a] = all.planMessage('tb_order')
    const [b] = all.planMessage('cache flush')
    assert.equal(a?.subject, 'fraiseql.mutation.Order.CUSTOM')
    assert.equal(b?.subject, 'fraiseql.mutation.CacheFlush.CUSTOM')
    assert.equal(a?.filter, 'fraiseql.mutation.*.CUSTOM')
    assert.equal(b?.filter, a?.filter)
  })

  test("the worker's rules route nothing and leave the rest as it is", () => {
    assert.deepEqual(subjects({ rules: [rule({ entity: 'Order', operations: ['INSERT'] })] }, insert), [
      'fraiseql.mutation.Order.INSERT',
    ])
  })
})

describe('with rules', () => {
  const created = rule({ table: 'tb_order', operations: ['INSERT'], subject: 'order_created' })

  test('a subject replaces the default for what the rule matches', () => {
    assert.deepEqual(subjects({ rules: [created] }, insert), ['order_created'])
  })

  test('what no rule matches is not published', () => {
    assert.deepEqual(subjects({ rules: [created] }, update), [])
    assert.deepEqual(subjects({ rules: [created] }, event(relation('tb_user'), 'INSERT', ['1', 'a'])), [])
  })

  test('a rule without a subject means the default; without operations, all of them', () => {
    const rules = [rule({ table: 'tb_order' })]
    assert.deepEqual(subjects({ rules }, insert), ['fraiseql.mutation.Order.INSERT'])
    assert.deepEqual(subjects({ rules }, event(order, 'TRUNCATE', null)), [
      'fraiseql.mutation.Order.TRUNCATE',
    ])
  })

  test('a rule may name the schema, the entity and the format', () => {
    const rules = [rule({ table: 'public.tb_order', entity: 'Purchase Order', format: 'row' })]
    assert.deepEqual(subjects({ rules }, insert), ['fraiseql.mutation.Purchase%20Order.INSERT'])
    const [route] = router({ rules }).plan(order).INSERT
    assert.equal(route?.entity, 'Purchase Order')
    assert.equal(route?.format, 'row')
    assert.deepEqual(subjects({ rules: [rule({ table: 'other.tb_order' })] }, insert), [])
  })

  test('a rule without a schema matches the table that it means, and one with a schema any', () => {
    const rules = [created, rule({ table: 'archive.tb_order', subject: 'archived' })]
    const isMeantByBareName = ({ schema }: { schema: string }) => schema === 'public'
    const archived = { ...order, schema: 'archive' }
    assert.deepEqual(subjects({ rules, isMeantByBareName }, insert), ['order_created'])
    assert.deepEqual(subjects({ rules, isMeantByBareName }, { ...insert, relation: archived }), ['archived'])
    assert.deepEqual(router({ rules, isMeantByBareName }).filters([archived]), ['archived'])
  })

  test('several rules give several routes in the order of the rules, each with a suffix of its own', () => {
    const rules = [rule({ table: 'public.tb_order' }), created]
    assert.deepEqual(subjects({ rules }, insert), ['fraiseql.mutation.Order.INSERT', 'order_created'])
    const forward = router({ rules }).plan(order).INSERT
    const backward = router({ rules: rules.toReversed() }).plan(order).INSERT
    assert.deepEqual(
      new Map(forward.map(route => [route.subject, route.suffix])),
      new Map(backward.map(route => [route.subject, route.suffix])),
    )
    assert.equal(new Set(forward.map(route => route.suffix)).size, 2)
    assert.deepEqual(
      forward.map(route => route.suffix),
      ['1eptfrc', '10dnzbc'],
    )
  })

  test('the same subject in the same format is one route; in two formats it is two', () => {
    const twice = router({ rules: [created, { ...created }] }).plan(order).INSERT
    assert.equal(twice.length, 1)
    assert.equal(twice[0]?.suffix, '')
    const formats = router({ rules: [created, { ...created, format: 'row' }] }).plan(order).INSERT
    assert.deepEqual(
      formats.map(route => route.format),
      ['fraiseql', 'row'],
    )
    assert.notEqual(formats[0]?.suffix, formats[1]?.suffix)
  })

  test('a channel rule takes the messages of its channel, a CUSTOM rule those of its table or entity', () => {
    const rules = [
      rule({ channel: 'saga_step_completed', subject: 'fraiseql.saga.step' }),
      rule({ table: 'public.tb_order', operations: ['CUSTOM'] }),
      created,
    ]
    const { planMessage } = bound(router({ rules, partitions: { enabled: true, key: 'id', count: 4 } }))
    assert.deepEqual(planMessage('saga_step_completed'), ['fraiseql.saga.step'])
    assert.deepEqual(planMessage('public.tb_order'), ['fraiseql.mutation.Order.CUSTOM'])
    assert.deepEqual(planMessage('Order'), ['fraiseql.mutation.Order.CUSTOM'])
    assert.deepEqual(planMessage('tb_user'), [])
  })

  test('a subject that can be none is refused with its place', () => {
    assert.throws(
      () => router({ rules: [rule({ table: 'tb_order', subject: 'a..b' })] }),
      (error: unknown) =>
        error instanceof ConfigurationError && error.message.startsWith('fraiseql.toml:1: subject "a..b"'),
    )
  })
})

function bound(of: ReturnType<typeof router>) {
  return { planMessage: (prefix: string) => of.planMessage(prefix).map(route => route.subject) }
}

describe('placeholders', () => {
  function subject(template: string, of: Event, options: Partial<RouterOptions> = {}): string | undefined {
    return subjects({ rules: [rule({ table: of.relation!.table, subject: template })], ...options }, of)[0]
  }

  test('what is known of the table makes a constant subject', () => {
    const template = '{prefix}.{schema}.{table}.{entity}.{operation}.{op}'
    const rules = [rule({ table: 'tb_order', subject: template })]
    const [route] = router({ rules }).plan(order).UPDATE
    assert.equal(route?.subject, 'fraiseql.mutation.public.tb_order.Order.UPDATE.update')
    assert.equal(subject('x.{table}', event(relation('odd.na me'), 'INSERT', ['1', ''])), 'x.odd%2Ena%20me')
  })

  test('a column is read after the change, else before it, else it is _', () => {
    assert.equal(subject('o.{column:note}', event(order, 'INSERT', ['1', 'a.b'])), 'o.a%2Eb')
    assert.equal(subject('o.{column:note}', event(order, 'INSERT', ['1', ''])), 'o._')
    assert.equal(subject('o.{column:note}', event(order, 'UPDATE', ['1', null], ['1', 'old'])), 'o._')
    assert.equal(subject('o.{column:note}', event(order, 'UPDATE', ['1', undefined], ['1', 'old'])), 'o.old')
    assert.equal(subject('o.{column:note}', event(order, 'UPDATE', ['1', undefined])), 'o._')
    assert.equal(subject('o.{column:note}', event(order, 'DELETE', null, ['1', 'old'])), 'o.old')
    assert.equal(
      subject('o.{column:id}-{column:note}.x', event(order, 'DELETE', null, ['1', null])),
      'o.1-_.x',
    )
    assert.equal(subject('o.{column:missing}', insert), 'o._')
    assert.equal(subject('o.{column:note}', event(order, 'TRUNCATE', null)), 'o._')
  })

  test('no value of a row leaves its token', () => {
    const rules = [rule({ table: 'tb_order', subject: '{column:note}.x-{column:note}.{column:id}' })]
    const [route] = router({ rules }).plan(order).INSERT
    assert.equal(route?.filter, '*.*.*')
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.string({ unit: 'grapheme' }),
        (id, note) => {
          const made = route!.subjectOf(event(order, 'INSERT', [id, note]))
          assert.equal(made.split('.').length, 3)
          assert.doesNotMatch(made, /[*>\s\p{Cc}]|^\$|\.\.|^\.|\.$/u)
        },
      ),
    )
  })
})

describe('partitions', () => {
  const partitions = { enabled: true, key: 'order_id', count: 8 }
  const item = relation('tb_order_item', ['id*', 'order_id'], 'full')

  test('the vectors of the documentation', () => {
    const vectors: readonly (readonly [string, number, number])[] = [
      ['', 2166136261, 5],
      ['1', 873244444, 4],
      ['42', 2279835011, 3],
      ['foobar', 3214735720, 0],
      ['8d2f9c1e-3b5a-4f6d-9e70-1c2b3a4d5e6f', 672709875, 3],
      ['größe', 3443061914, 2],
    ]
    for (const [key, hash, partition] of vectors) {
      assert.equal(hash % 8, partition)
      assert.deepEqual(subjects({ partitions }, event(item, 'INSERT', ['7', key])), [
        `fraiseql.mutation.OrderItem.INSERT.${partition}`,
      ])
    }
  })

  test('{partition} stands where it is written, and then nothing is added', () => {
    const rules = [rule({ table: 'tb_order_item', subject: 'p{partition}.items' })]
    assert.deepEqual(subjects({ rules, partitions }, event(item, 'INSERT', ['7', '1'])), ['p4.items'])
    assert.deepEqual(subjects({ rules }, event(item, 'INSERT', ['7', '1'])), ['p0.items'])
  })

  test('equal keys share a partition in every operation', () => {
    const of = (operation: Operation, after: Values | null, before: Values | null = null) =>
      subjects({ partitions }, event(item, operation, after, before))[0]?.at(-1)
    assert.equal(of('INSERT', ['7', '42']), '3')
    assert.equal(of('UPDATE', ['7', '42']), '3')
    assert.equal(of('UPDATE', ['7', undefined], ['7', '42']), '3')
    assert.equal(of('DELETE', null, ['7', '42']), '3')
  })

  test('no value is partition 0: NULL, not sent, TRUNCATE', () => {
    for (const of of [
      event(item, 'INSERT', ['7', null]),
      event(item, 'UPDATE', ['7', undefined]),
      event(item, 'DELETE', null, ['7', null]),
      event(item, 'TRUNCATE', null),
    ]) {
      assert.equal(subjects({ partitions }, of)[0]?.at(-1), '0')
    }
  })

  test("a table without the key column goes by its row's key", () => {
    const of = (columns: string[], values: Values, identity: ReplicaIdentity = 'key') =>
      subjects({ partitions }, event(relation('t', columns, identity), 'INSERT', values))[0]?.at(-1)
    assert.equal(of(['id*', 'a'], ['42', 'x']), '3')
    assert.equal(of(['a', 'id'], ['x', '42'], 'full'), '3')
    assert.equal(of(['id', 'code*'], ['x', '42']), '3')
    assert.equal(of(['a*', 'b*'], ['4', '2']), of(['a*', 'b*', 'c'], ['4', '2', 'z']))
    assert.notEqual(of(['a*', 'b*'], ['4', '2']), of(['a*', 'b*'], ['42', '']))
    assert.equal(of(['a', 'b'], ['4', '2'], 'full'), '0')
  })
})

describe('at start', () => {
  const tables = [
    { schema: 'public', table: 'tb_order' },
    { schema: 'sales', table: 'order' },
  ]

  test('all filters are known before the first event', () => {
    assert.deepEqual(router({}).filters([tables[0]!]), [
      'fraiseql.mutation.Order.INSERT',
      'fraiseql.mutation.Order.UPDATE',
      'fraiseql.mutation.Order.DELETE',
      'fraiseql.mutation.Order.TRUNCATE',
      'fraiseql.mutation.*.CUSTOM',
    ])
    const rules = [
      rule({ table: 'tb_order', operations: ['INSERT', 'CUSTOM'], subject: 'orders.{column:region}.{op}' }),
      rule({ channel: 'jobs', subject: 'jobs' }),
    ]
    const partitions = { enabled: true, key: 'id', count: 2 }
    const ruled = router({ rules, partitions })
    const filters = ruled.filters(tables)
    assert.deepEqual(filters, ['orders.*.insert.*', 'orders.*.custom', 'jobs'])
    const routes = [
      ...ruled.plan(order).INSERT,
      ...ruled.planMessage('tb_order'),
      ...ruled.planMessage('jobs'),
    ]
    assert.deepEqual(
      routes.map(route => route.filter),
      filters,
    )
  })

  test('two tables of one entity are an error that names both', () => {
    assert.throws(
      () => router({}).checkEntities(tables),
      (error: unknown) =>
        error instanceof ConfigurationError &&
        error.message === 'public.tb_order and sales.order both give the entity Order' &&
        error.remedy.includes('table = "sales.order", entity = "..."'),
    )
  })

  test('they are none when an entity or a subject tells them apart', () => {
    const named = [rule({ table: 'tb_order' }), rule({ table: 'sales.order', entity: 'Sale' })]
    router({ rules: named }).checkEntities(tables)
    const literal = [rule({ table: 'tb_order' }), rule({ table: 'sales.order', subject: 'sales' })]
    router({ rules: literal }).checkEntities(tables)
    router({}).checkEntities([tables[0]!, tables[0]!])
  })
})
