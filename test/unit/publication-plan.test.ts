/** What is done to a publication, from facts. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ConfigurationError } from '../../src/errors.ts'
import { type PublicationRequest, planPublication } from '../../src/source/replication/publication-plan.ts'
import type { FoundTable, RowOperation } from '../../src/source/replication/wanted-tables.ts'
import { publication, relation, sampleRequest, want } from './sample-publication.ts'

const a = relation(1, 'a')
const b = relation(2, 'We"ird. Ö')
const keyless = relation(3, 'keyless')
const parent = relation(4, 'parent', { kind: 'p' })
const theirs = relation(5, 'theirs', { owned: false })
const all = [a, b, keyless, parent, theirs]

const request = (
  tables: readonly FoundTable[],
  facts: Partial<PublicationRequest> = {},
): PublicationRequest => ({
  ...sampleRequest(all, keyless),
  tables,
  ...facts,
})

const mark = `COMMENT ON PUBLICATION "pub" IS 'kept by fraiseql-observer for slot "own"'`

function refusal(wanted: PublicationRequest): ConfigurationError {
  try {
    planPublication(wanted)
  } catch (error) {
    return error as ConfigurationError
  }
  return assert.fail('it was planned')
}

describe('a missing publication', () => {
  it('is made for the tables and operations of the rules', () => {
    const plan = planPublication(request([want(a, 'insert'), want(b, 'delete')]))
    assert.deepEqual(plan.sql, [
      'CREATE PUBLICATION "pub" FOR TABLE ONLY "public"."a", ONLY "public"."We""ird. Ö" ' +
        `WITH (publish = 'insert, delete', publish_via_partition_root = true)`,
      mark,
    ])
  })

  it('publishes stored generated columns where PostgreSQL can', () => {
    const role = { ...sampleRequest(all, keyless).role, version: 180_000 }
    assert.match(
      planPublication(request([want(a)], { role })).sql[0] ?? '',
      /publish_generated_columns = stored/,
    )
  })

  it('is made without tables where rules name none', () => {
    const sql = planPublication(request([])).sql[0]
    assert.equal(sql, `CREATE PUBLICATION "pub" WITH (publish = '', publish_via_partition_root = true)`)
  })

  it("never breaks the applications' own updates", () => {
    const error = refusal(request([want(keyless, 'insert'), want(a, 'update')]))
    assert.match(error.message, /publishing update of "public"\."keyless" would make .* fail \(its own rules/)
    assert.match(error.remedy, /ALTER TABLE "public"\."keyless" REPLICA IDENTITY FULL;/)
    assert.equal(planPublication(request([want(keyless, 'insert', 'truncate')])).action, 'create')
  })

  it('leaves such tables out, and says so, where there are no rules', () => {
    const plan = planPublication(request([want(a), want(keyless)], { everything: true }))
    assert.match(plan.sql[0] ?? '', /FOR TABLE ONLY "public"\."a" WITH/)
    assert.equal(plan.warnings.length, 2)
    assert.match(plan.warnings[0] ?? '', /"keyless" is left out/)
    assert.match(plan.warnings[1] ?? '', /"theirs" is left out: role "me" does not own it/)
  })

  it('says all that is missing, and the SQL for a superuser', () => {
    const role = { ...sampleRequest(all, keyless).role, mayCreate: false }
    const error = refusal(request([want(a), want(theirs)], { role }))
    assert.match(error.message, /"me" does not own "public"\."theirs"\nrole "me" may not create .* "shop"/)
    assert.match(
      error.remedy,
      /CREATE PUBLICATION "pub" FOR TABLE ONLY "public"\."a", ONLY "public"\."theirs" WITH/,
    )
  })
})

describe('a publication that this daemon keeps', () => {
  it('is left alone when it is right', () => {
    const plan = planPublication(request([want(b), want(a)], { publication: publication([1, 2]) }))
    assert.deepEqual(plan, { action: 'use', sql: [], warnings: [] })
  })

  it('follows the rules: tables and operations come and go', () => {
    const plan = planPublication(request([want(b, 'insert')], { publication: publication([1]) }))
    assert.deepEqual(plan.sql, [
      'SET LOCAL statement_timeout = 1500',
      'LOCK TABLE ONLY "public"."a", ONLY "public"."We""ird. Ö" IN SHARE ROW EXCLUSIVE MODE',
      'SET LOCAL statement_timeout = 25000',
      `ALTER PUBLICATION "pub" SET (publish = 'insert', publish_via_partition_root = true)`,
      'ALTER PUBLICATION "pub" DROP TABLE ONLY "public"."a"',
      'ALTER PUBLICATION "pub" ADD TABLE ONLY "public"."We""ird. Ö"',
    ])
    assert.deepEqual(planPublication(request([], { publication: publication([1]) })).sql, [
      'SET LOCAL statement_timeout = 1500',
      'LOCK TABLE ONLY "public"."a" IN SHARE ROW EXCLUSIVE MODE',
      'SET LOCAL statement_timeout = 25000',
      `ALTER PUBLICATION "pub" SET (publish = '', publish_via_partition_root = true)`,
      'ALTER PUBLICATION "pub" DROP TABLE ONLY "public"."a"',
    ])
  })

  it('changes by what differs, and names nothing else', () => {
    const plan = planPublication(request([want(b), want(a)], { publication: publication([1]) }))
    assert.deepEqual(plan.sql, [
      'SET LOCAL statement_timeout = 1500',
      'LOCK TABLE ONLY "public"."We""ird. Ö" IN SHARE ROW EXCLUSIVE MODE',
      'SET LOCAL statement_timeout = 25000',
      'ALTER PUBLICATION "pub" ADD TABLE ONLY "public"."We""ird. Ö"',
    ])
  })

  it('is taken over when the slot that kept it is gone', () => {
    const dead = publication([1, 2], { keeper: 'former', keeperAlive: false })
    const plan = planPublication(request([want(a)], { publication: dead }))
    assert.equal(plan.action, 'alter')
    assert.equal(plan.sql.at(-1), mark)
  })
})

describe("somebody's publication", () => {
  it('is used when it is enough, with whatever it has more', () => {
    for (const facts of [
      { own: false, owner: 'dba' },
      { keeper: null },
      { keeper: 'other' },
      { shaped: true },
    ]) {
      const plan = planPublication(request([want(a, 'insert')], { publication: publication([1, 2], facts) }))
      assert.deepEqual([plan.action, plan.sql], ['use', []])
      assert.equal(plan.warnings.length, 'shaped' in facts ? 1 : 0)
    }
    const everything = publication([], { allTables: true, published: [1, 2, 3], keeper: null })
    assert.equal(planPublication(request([want(a)], { publication: everything })).action, 'use')
  })

  it('is used as it is where there are no rules', () => {
    const made = publication([2], { keeper: null })
    const plan = planPublication(request([want(a)], { everything: true, publication: made }))
    assert.deepEqual(plan, { action: 'use', sql: [], warnings: [] })
    // Also one that was the daemon's own until somebody gave it a row filter.
    for (const keeper of [null, 'own']) {
      const filtered = publication([2], { keeper, shaped: true })
      const { warnings } = planPublication(request([want(a)], { everything: true, publication: filtered }))
      assert.match(warnings.join(), /has row filters or column lists/)
    }
  })

  it('is added to, and nothing taken away, when a person made it as our role', () => {
    const made = publication([2], { keeper: null, operations: new Set<RowOperation>(['insert']) })
    assert.deepEqual(planPublication(request([want(a, 'truncate')], { publication: made })).sql, [
      'SET LOCAL statement_timeout = 1500',
      'LOCK TABLE ONLY "public"."We""ird. Ö", ONLY "public"."a" IN SHARE ROW EXCLUSIVE MODE',
      'SET LOCAL statement_timeout = 25000',
      `ALTER PUBLICATION "pub" SET (publish = 'insert, truncate', publish_via_partition_root = true)`,
      'ALTER PUBLICATION "pub" ADD TABLE ONLY "public"."a"',
    ])
  })

  it('is an error when it lacks something, with the exact SQL', () => {
    const theirs = publication([2], {
      own: false,
      owner: 'dba',
      operations: new Set<RowOperation>(['insert']),
    })
    const error = refusal(request([want(a, 'update')], { publication: theirs }))
    assert.match(
      error.message,
      /belongs to "dba" and does not publish the tables "public"\."a", nor all of update/,
    )
    assert.ok(
      error.remedy.includes(
        'ALTER PUBLICATION "pub" ADD TABLE ONLY "public"."a"; ' +
          `ALTER PUBLICATION "pub" SET (publish = 'insert, update');`,
      ),
      error.remedy,
    )
    const wide = publication([], {
      keeper: null,
      allTables: true,
      published: [1],
      operations: new Set(['insert']),
    })
    assert.match(refusal(request([want(a)], { publication: wide })).remedy, /SET \(publish = /)
  })

  it('is an error when another daemon keeps it', () => {
    const kept = publication([2], { keeper: 'other' })
    const error = refusal(request([want(a)], { publication: kept }))
    assert.match(error.message, /kept by the daemon of slot "other"/)
    assert.match(error.remedy, /publication_name/)
  })

  it('is an error when it publishes partitions under their own names', () => {
    const split = publication([4], { own: false, viaRoot: false, published: [40, 41] })
    const error = refusal(request([want(parent)], { publication: split }))
    assert.match(error.remedy, /ALTER PUBLICATION "pub" SET \(publish_via_partition_root = true\);/)
    assert.doesNotMatch(error.remedy, /ADD TABLE/)
  })

  it('is used with a warning when updates fail in it already', () => {
    const made = publication([3], { own: false })
    const plan = planPublication(request([want(keyless)], { publication: made }))
    assert.match(plan.warnings[0] ?? '', /UPDATE and DELETE fail on "public"\."keyless"/)
  })
})
