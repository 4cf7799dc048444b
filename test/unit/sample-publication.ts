/** Tables and publications as the catalogs tell of them, for tests of what is done to a publication. */
import type { PublicationFacts } from '../../src/source/replication/publication-catalog.ts'
import type { PublicationRequest } from '../../src/source/replication/publication-plan.ts'
import {
  type FoundTable,
  type RelationFacts,
  ROW_OPERATIONS,
  type RowOperation,
} from '../../src/source/replication/wanted-tables.ts'

/** A table of our own that needs nothing. */
export function relation(oid: number, table: string, facts: Partial<RelationFacts> = {}): RelationFacts {
  const fixed = { schema: 'public', kind: 'r', persistence: 'p', visible: true, owned: true } as const
  return { oid, table, root: oid, ...fixed, extension: false, ...facts }
}

export function want(one: RelationFacts, ...operations: readonly RowOperation[]): FoundTable {
  return { relation: one, operations: new Set(operations.length === 0 ? ROW_OPERATIONS : operations) }
}

/** Kept by slot "own", for all operations. */
export function publication(
  members: readonly number[],
  facts: Partial<PublicationFacts> = {},
): PublicationFacts {
  return {
    owner: 'me',
    own: true,
    allTables: false,
    wholeSchemas: false,
    shaped: false,
    operations: new Set(ROW_OPERATIONS),
    viaRoot: true,
    generatedStored: false,
    keeper: 'own',
    keeperAlive: true,
    members,
    published: members,
    ...facts,
  }
}

/** Of slot "own" in a database with these tables, where `keyless` can't be updated when it is published. */
export function sampleRequest(
  all: readonly RelationFacts[],
  keyless: RelationFacts,
): Omit<PublicationRequest, 'tables' | 'operations'> {
  const without = [`public.${keyless.table}`]
  return {
    name: 'pub',
    slot: 'own',
    everything: false,
    publication: null,
    identities: new Map(
      all.map(({ oid }) => [oid, { oid, without: oid === keyless.oid ? without : [], virtual: false }]),
    ),
    relations: new Map(all.map(one => [one.oid, one])),
    role: { version: 140_000, role: 'me', database: 'shop', mayCreate: true, path: ['public'] },
  }
}
