/** What is done to a publication while changes flow: nothing that is wrong with one table holds up the others. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import type { PublicationFacts } from '../../src/source/replication/publication-catalog.ts'
import { type PublicationRequest, planPublication } from '../../src/source/replication/publication-plan.ts'
import { outsideTables, replanPublication } from '../../src/source/replication/publication-replan.ts'
import {
  type FoundTable,
  findTables,
  ROW_OPERATIONS,
  type RowOperation,
  wantedOperations,
} from '../../src/source/replication/wanted-tables.ts'
import { publication, relation, sampleRequest, want } from './sample-publication.ts'

const order = relation(1, 'tb_order')
const fresh = relation(2, 'tb_fresh')
const keyless = relation(3, 'tb_keyless')
const theirs = relation(4, 'tb_theirs', { owned: false })
const twin = relation(5, 'tb_order', { schema: 'sales' })
const all = [order, fresh, keyless, theirs, twin]

const request = (
  tables: readonly FoundTable[],
  pub: PublicationFacts | null,
  facts: Partial<PublicationRequest> = {},
): PublicationRequest => ({
  ...sampleRequest(all, keyless),
  operations: ROW_OPERATIONS,
  publication: pub,
  tables,
  ...facts,
})

const FRESH = [
  'SET LOCAL statement_timeout = 1500',
  'LOCK TABLE ONLY "public"."tb_fresh" IN SHARE ROW EXCLUSIVE MODE',
  'SET LOCAL statement_timeout = 25000',
  'ALTER PUBLICATION "pub" ADD TABLE ONLY "public"."tb_fresh"',
]

describe('with rules', () => {
  it('a table made anew comes in, whatever is wrong with others', () => {
    const plan = replanPublication(
      request([want(order), want(fresh), want(keyless), want(theirs)], publication([1])),
    )
    assert.deepEqual([plan.action, plan.sql], ['alter', FRESH])
    assert.match(plan.warnings.join('\n'), /"tb_keyless" is not published: its UPDATE and DELETE would fail/)
    assert.match(plan.warnings.join('\n'), /"tb_theirs" is not published: role "me" does not own it/)
    assert.equal(plan.warnings.length, 2)
  })

  it('a table that is gone, even the last one, leaves the operations as they are', () => {
    assert.deepEqual(replanPublication(request([], publication([]))), {
      action: 'use',
      sql: [],
      warnings: [],
    })
    const rules = [
      { table: 'gone', operations: ['DELETE'] as const },
      { table: 'tb_order', operations: ['INSERT'] as const },
    ]
    assert.equal(findTables(rules, all).found.length, 1)
    assert.deepEqual(wantedOperations(rules), ['insert', 'delete'])
  })

  it('a published table that lost its key stays, and is told', () => {
    const plan = replanPublication(request([want(order), want(keyless)], publication([1, 3])))
    assert.deepEqual([plan.action, plan.sql], ['use', []])
    assert.match(plan.warnings[0] ?? '', /UPDATE and DELETE fail on "public"\."tb_keyless"/)
  })

  it('a published table that lost its key does not hold up a new one', () => {
    const plan = replanPublication(request([want(keyless), want(fresh)], publication([3])))
    assert.deepEqual([plan.action, plan.sql], ['alter', FRESH])
    const inserts = publication([3], { operations: new Set<RowOperation>(['insert']) })
    const wider = replanPublication(request([want(keyless), want(fresh)], inserts))
    assert.deepEqual([wider.action, wider.sql], ['use', []])
    assert.match(
      wider.warnings[0] ?? '',
      /"tb_keyless" would make the applications' own update and delete fail/,
    )
  })

  it("somebody's publication is left alone, and told", () => {
    const foreign = publication([1], { own: false, owner: 'dba', keeper: null })
    const plan = replanPublication(request([want(order), want(fresh)], foreign))
    assert.deepEqual([plan.action, plan.sql], ['use', []])
    assert.match(plan.warnings[0] ?? '', /belongs to "dba" .* ADD TABLE ONLY "public"\."tb_fresh"/)
  })

  it('a publication that is gone and may not be made is an error still', () => {
    const role = { ...request([], null).role, mayCreate: false }
    assert.throws(() => replanPublication(request([want(order)], null, { role })), ConfigurationError)
  })
})

describe('without rules', () => {
  const everything = true

  it('a new table comes in; what has no key, another owner or the entity of another is left out', () => {
    const plan = replanPublication(
      request([want(twin), want(order), want(fresh), want(keyless)], publication([1]), { everything }),
    )
    assert.deepEqual([plan.action, plan.sql], ['alter', FRESH])
    assert.equal(plan.warnings.length, 3)
    assert.match(
      plan.warnings.join('\n'),
      /"sales"\."tb_order" is not published: it gives the entity Order, as "public"\."tb_order" does/,
    )
  })

  it('what is left out changes nothing, however often one looks', () => {
    const plan = replanPublication(
      request([want(twin), want(order), want(keyless)], publication([1]), { everything }),
    )
    assert.deepEqual([plan.action, plan.warnings.length], ['use', 3])
  })

  it('a published table that lost its key stays, and is told; the start leaves it out', () => {
    const tables = [want(order), want(keyless)]
    const look = request(tables, publication([1, 3]), { everything })
    const plan = replanPublication(look)
    assert.deepEqual([plan.action, plan.sql], ['use', []])
    const failing = /^UPDATE and DELETE fail on "public"\."tb_keyless": .* REPLICA IDENTITY FULL;/
    assert.match(plan.warnings[0] ?? '', failing)
    assert.doesNotMatch(plan.warnings.join(), /keyless" is left out/)
    const more = replanPublication({ ...look, tables: [...tables, want(fresh)] })
    assert.deepEqual(more.sql, FRESH)
    assert.match(more.warnings[0] ?? '', failing)
    assert.match(planPublication(look).sql.join(), /DROP TABLE ONLY "public"\."tb_keyless"/)
  })

  it("names what is outside of somebody's publication, unless that takes in tables by itself", () => {
    const tables = [want(order), want(fresh)]
    const theirs = publication([1], { keeper: null })
    assert.match(
      outsideTables(request(tables, theirs, { everything })).join(),
      /^"public"\."tb_fresh" is new/,
    )
    for (const pub of [
      publication([1]),
      publication([], { keeper: null, allTables: true, published: [1] }),
      publication([], { keeper: null, wholeSchemas: true, published: [1] }),
      null,
    ]) {
      assert.deepEqual(outsideTables(request(tables, pub, { everything })), [])
    }
    assert.deepEqual(outsideTables(request(tables, theirs)), [])
  })
})
