/**
 * What must be done so that a publication publishes what the rules want. Pure: facts in, SQL out.
 *
 *     missing ----------------------> create, and mark it as kept by this daemon
 *     kept by this daemon ----------> made equal to what is wanted
 *     made by a person, own role ---> used; what is lacking is added, nothing is taken away
 *     anybody else's ---------------> used if it is enough; else an error with the SQL for its owner
 *
 * A publication never takes in a table whose UPDATE or DELETE would begin to fail for the applications because of it.
 */
import { escapeIdentifier } from 'pg'
import { ConfigurationError } from '../../errors.ts'
import type { IdentityFacts, PublicationFacts, RoleFacts } from './publication-catalog.ts'
import { commentSql, extendSql, lockSql, only, optionsSql, qualifiedName } from './publication-sql.ts'
import {
  type FoundTable,
  type RelationFacts,
  ROW_OPERATIONS,
  type RowOperation,
  type TableProblem,
  unownedTables,
} from './wanted-tables.ts'

export interface PublicationRequest {
  readonly name: string
  /** The daemon's slot: who keeps the publication. */
  readonly slot: string
  readonly tables: readonly FoundTable[]
  /** Asked for by rules whose tables are not there now; beside those of `tables`. */
  readonly operations?: readonly RowOperation[]
  /** There are no rules: `tables` is all that can be published, and what can't safely be is left out. */
  readonly everything: boolean
  readonly role: RoleFacts
  readonly publication: PublicationFacts | null
  readonly identities: ReadonlyMap<number, IdentityFacts>
  /** Changes flow: what is wrong with a table already does not hold up the others. */
  readonly running?: boolean
  /** By OID, for names of tables that are in the publication already. */
  readonly relations: ReadonlyMap<number, RelationFacts>
}

export interface PublicationPlan {
  readonly action: 'use' | 'create' | 'alter'
  /** One transaction. */
  readonly sql: readonly string[]
  readonly warnings: readonly string[]
}

/** The daemon may change it, or at least add to it. */
export function mayAlter(request: PublicationRequest, publication: PublicationFacts): boolean {
  return isOurs(request, publication) || mayExtend(publication)
}

interface Shape {
  readonly tables: readonly RelationFacts[]
  readonly operations: readonly RowOperation[]
}

/** Throws one ConfigurationError with all that is wrong. */
export function planPublication(request: PublicationRequest): PublicationPlan {
  const { publication, everything } = request
  if (publication === null) return plan(request, 'create', wantedShape(request))
  // Without rules, what somebody chose to publish is what is wanted.
  if (everything && !isOurs(request, publication)) {
    return { action: 'use', sql: [], warnings: filterWarning(request, publication) }
  }
  const wanted = wantedShape(request)
  const lacking = whatLacks(publication, wanted)
  if (!isOurs(request, publication)) {
    if (lacking === null) return use(request, publication, wanted)
    if (!mayExtend(publication)) throw foreign(request, publication, lacking)
    return plan(request, 'alter', union(request, publication, wanted))
  }
  return equal(request, publication, wanted)
    ? use(request, publication, wanted)
    : plan(request, 'alter', wanted)
}

/** Several problems as one error. */
export function publicationError(
  problems: readonly TableProblem[],
  code: string,
  hints: readonly string[] = [],
): ConfigurationError {
  return new ConfigurationError(problems.map(({ message }) => message).join('\n'), {
    code,
    remedy: [...new Set([...problems.map(({ remedy }) => remedy), ...hints])].join('\n'),
  })
}

/** Kept by this daemon, or by one whose slot is gone; and nobody else put his hand to it. */
export function isOurs({ slot }: PublicationRequest, publication: PublicationFacts): boolean {
  const { keeper, keeperAlive } = publication
  return isPlain(publication) && keeper !== null && (keeper === slot || !keeperAlive)
}

/** Made by a person as the role that we are. */
function mayExtend(publication: PublicationFacts): boolean {
  return isPlain(publication) && publication.keeper === null
}

function isPlain({ own, allTables, wholeSchemas, shaped }: PublicationFacts): boolean {
  return own && !allTables && !wholeSchemas && !shaped
}

export function wantedShape(request: PublicationRequest): Shape {
  const { tables, operations: more = [], everything, identities } = request
  const wanted = new Set([...more, ...tables.flatMap(({ operations }) => [...operations])])
  const operations = ROW_OPERATIONS.filter(operation => wanted.has(operation))
  const changes = operations.filter(isChange)
  // Taken out of the publication for its key, a table would lose its INSERTs too, until the key is back.
  const safe = everything
    ? tables.filter(
        ({ relation }) =>
          lacksIdentity(identities, relation.oid) === null || failsAlready(request, relation, changes),
      )
    : tables
  return { tables: safe.map(({ relation }) => relation), operations }
}

function union({ relations }: PublicationRequest, publication: PublicationFacts, wanted: Shape): Shape {
  const known = new Set(wanted.tables.map(({ oid }) => oid))
  const members = publication.members.filter(oid => !known.has(oid)).map(oid => relations.get(oid))
  return {
    tables: [...wanted.tables, ...members.filter(relation => relation !== undefined)],
    operations: ROW_OPERATIONS.filter(
      one => publication.operations.has(one) || wanted.operations.includes(one),
    ),
  }
}

interface Lacking {
  readonly tables: readonly RelationFacts[]
  readonly operations: boolean
  readonly viaRoot: boolean
}

function whatLacks(publication: PublicationFacts, wanted: Shape): Lacking | null {
  const published = new Set(publication.published)
  const members = new Set(publication.members)
  const viaRoot = !publication.viaRoot && wanted.tables.some(({ kind }) => kind === 'p')
  // Without `publish_via_partition_root`, a partitioned table is published as its partitions.
  const tables = wanted.tables.filter(
    ({ oid, kind }) => !published.has(oid) && !(viaRoot && kind === 'p' && members.has(oid)),
  )
  const operations = wanted.operations.some(one => !publication.operations.has(one))
  return tables.length > 0 || operations || viaRoot ? { tables, operations, viaRoot } : null
}

function equal(request: PublicationRequest, publication: PublicationFacts, wanted: Shape): boolean {
  const oids = wanted.tables.map(({ oid }) => oid)
  return same(publication.members, oids) && sameOptions(request, publication, wanted)
}

function sameOptions(
  { role }: PublicationRequest,
  publication: PublicationFacts,
  { operations }: Shape,
): boolean {
  return (
    same([...publication.operations], operations) &&
    publication.viaRoot &&
    (publication.generatedStored || role.version < 180_000)
  )
}

function same<T>(a: readonly T[], b: readonly T[]): boolean {
  const known = new Set(b)
  return a.length === b.length && a.every(one => known.has(one))
}

/** As it is. Tables whose updates fail are the applications' trouble already; say so: the rules wait for them. */
function use(request: PublicationRequest, publication: PublicationFacts, wanted: Shape): PublicationPlan {
  const { operations } = publication
  const warnings = [
    ...failing(request, { ...wanted, operations: [...operations] }),
    ...filterWarning(request, publication),
    ...leftOut(request, wanted),
  ]
  return { action: 'use', sql: [], warnings }
}

function failing({ identities }: PublicationRequest, { tables, operations }: Shape): string[] {
  return (operations.some(isChange) ? tables : []).flatMap(relation => {
    const lacks = lacksIdentity(identities, relation.oid)
    return lacks === null
      ? []
      : `UPDATE and DELETE fail on ${qualifiedName(relation)}: ${lacks.message}. ${lacks.remedy}`
  })
}

function filterWarning({ name }: PublicationRequest, { shaped }: PublicationFacts): string[] {
  if (!shaped) return []
  return [
    `publication "${name}" has row filters or column lists: the rest is not published, and the daemon leaves it as it is`,
  ]
}

function plan(request: PublicationRequest, action: 'create' | 'alter', shape: Shape): PublicationPlan {
  const { role, publication } = request
  const problems = [...identityProblems(request, shape), ...ownerProblems(request, shape)]
  if (action === 'create' && !role.mayCreate) problems.push(mayNotCreate(request, shape))
  if (problems.length > 0) throw publicationError(problems, 'PUBLICATION')
  const sql =
    action === 'create'
      ? createSql(request, shape)
      : alterSql(request, publication as PublicationFacts, shape)
  return { action, sql, warnings: [...failing(request, shape), ...leftOut(request, shape)] }
}

function identityProblems(request: PublicationRequest, { tables, operations }: Shape): TableProblem[] {
  const changes = operations.filter(isChange)
  if (changes.length === 0) return []
  return tables.flatMap(relation => {
    const lacks = lacksIdentity(request.identities, relation.oid)
    if (lacks === null || failsAlready(request, relation, changes)) return []
    const own = request.tables.find(({ relation: { oid } }) => oid === relation.oid)?.operations
    const others = own !== undefined && !own.has('update') && !own.has('delete')
    const why = others ? ' (its own rules do not ask for them, but the publication has one list for all)' : ''
    return {
      message:
        `publishing ${changes.join(' and ')} of ${qualifiedName(relation)} would make the applications' own ` +
        `${changes.join(' and ')} fail${why}: ${lacks.message}`,
      remedy: `${lacks.remedy} Or take ${changes.join(' and ').toUpperCase()} out of the rules' events.`,
    }
  })
}

/** It lost its key while it was published: while changes flow it stays, since nothing gets worse. */
function failsAlready(
  { publication, running = false }: PublicationRequest,
  { oid }: RelationFacts,
  changes: readonly RowOperation[],
): boolean {
  if (!running || publication === null || !publication.members.includes(oid)) return false
  return changes.every(one => publication.operations.has(one))
}

export function isChange(operation: RowOperation): boolean {
  return operation === 'update' || operation === 'delete'
}

/** null: the table has what identifies a row in UPDATE and DELETE. */
export function lacksIdentity(
  identities: ReadonlyMap<number, IdentityFacts>,
  oid: number,
): TableProblem | null {
  const facts = identities.get(oid)
  if (facts === undefined || facts.without.length === 0) return null
  if (facts.virtual) {
    return {
      message: `${facts.without.join(', ')}: REPLICA IDENTITY FULL includes a virtual generated column`,
      remedy: 'Add a primary key and run: ALTER TABLE ... REPLICA IDENTITY DEFAULT;',
    }
  }
  const sql = facts.without.map(name => `ALTER TABLE ${quoteDotted(name)} REPLICA IDENTITY FULL;`)
  return {
    message: `${facts.without.join(', ')} has no primary key and no other replica identity`,
    remedy: `Add a primary key, or run: ${sql.join(' ')}`,
  }
}

/** `schema.table` of the catalog query, for display; names with dots of their own are shown as they are. */
function quoteDotted(name: string): string {
  const parts = name.split('.')
  return parts.length === 2 ? parts.map(escapeIdentifier).join('.') : name
}

function leftOut(request: PublicationRequest, shape: Shape): string[] {
  const { everything, tables, identities, relations, role } = request
  if (!everything) return []
  const kept = new Set(shape.tables)
  const foreign = unownedTables([...relations.values()]).map(
    relation =>
      `${qualifiedName(relation)} is left out: role "${role.role}" does not own it, and only an owner may publish it`,
  )
  const unsafe = tables.flatMap(({ relation }) => {
    const lacks = kept.has(relation) ? null : lacksIdentity(identities, relation.oid)
    return lacks === null
      ? []
      : `${qualifiedName(relation)} is left out, or its UPDATE and DELETE would fail: ` +
          `${lacks.message}. ${lacks.remedy}`
  })
  return [...unsafe, ...foreign]
}

function ownerProblems(request: PublicationRequest, shape: Shape): TableProblem[] {
  const members = new Set(request.publication?.members ?? [])
  const foreignTables = shape.tables.filter(({ owned, oid }) => !owned && !members.has(oid))
  if (foreignTables.length === 0) return []
  return [
    {
      message: `role "${request.role.role}" does not own ${foreignTables.map(qualifiedName).join(', ')}`,
      remedy: `Let a superuser run: ${remedySql(request, shape)}`,
    },
  ]
}

function mayNotCreate(request: PublicationRequest, shape: Shape): TableProblem {
  const { database, role } = request.role
  return {
    message: `role "${role}" may not create a publication in database "${database}"`,
    remedy: `Let a superuser run: ${remedySql(request, withUnowned(request, shape))}`,
  }
}

/** Without rules: a superuser may publish more than we. */
function withUnowned({ everything, relations, identities }: PublicationRequest, shape: Shape): Shape {
  if (!everything) return shape
  const unowned = unownedTables([...relations.values()])
  const safe = unowned.filter(({ oid }) => lacksIdentity(identities, oid) === null)
  return { ...shape, tables: [...shape.tables, ...safe] }
}

/** What a person with the rights runs instead of us. */
function remedySql(request: PublicationRequest, shape: Shape): string {
  const { publication } = request
  if (publication === null) return `${createSql(request, shape)[0]};`
  return extendSql(request.name, {
    tables: shape.tables.filter(({ oid }) => !publication.members.includes(oid)),
    operations: same([...publication.operations], shape.operations) ? null : shape.operations,
    viaRoot: !publication.viaRoot,
  })
}

function foreign(request: PublicationRequest, publication: PublicationFacts, lacking: Lacking) {
  const { name, slot } = request
  const shape = wantedShape(request)
  const operations = ROW_OPERATIONS.filter(
    one => publication.operations.has(one) || shape.operations.includes(one),
  )
  const tables = lacking.tables.map(qualifiedName).join(', ')
  const what = [
    tables === '' ? '' : `the tables ${tables}`,
    lacking.operations ? `all of ${shape.operations.join(', ')}` : '',
    lacking.viaRoot ? 'partitioned tables under their own name' : '',
  ].filter(text => text !== '')
  const kept = publication.keeper !== null && publication.keeper !== slot && publication.keeperAlive
  const whose = kept
    ? `is kept by the daemon of slot "${publication.keeper}"`
    : `belongs to "${publication.owner}"`
  const sql = extendSql(name, {
    tables: lacking.tables,
    operations: lacking.operations ? operations : null,
    viaRoot: lacking.viaRoot,
  })
  return publicationError(
    [
      {
        message: `publication "${name}" ${whose} and does not publish ${what.join(', nor ')}`,
        remedy: kept
          ? 'Choose another [replication] publication_name, or drop that slot if its daemon is gone.'
          : `Let its owner or a superuser run: ${sql} Or choose another [replication] publication_name.`,
      },
    ],
    'PUBLICATION_FOREIGN',
  )
}

/** The create statement comes first. */
function createSql({ name, slot, role }: PublicationRequest, { tables, operations }: Shape): string[] {
  const list = tables.length === 0 ? '' : ` FOR TABLE ${tables.map(only).join(', ')}`
  return [
    `CREATE PUBLICATION ${escapeIdentifier(name)}${list} WITH (${optionsSql(role, operations)})`,
    commentSql(name, slot),
  ]
}

/**
 * One transaction, so that a table without replica identity comes in only as UPDATE and DELETE go out. Only what differs
 * is named: a statement waits for the locks of the tables that it names.
 */
function alterSql(request: PublicationRequest, publication: PublicationFacts, shape: Shape): string[] {
  const { name, slot, role, relations } = request
  const alter = `ALTER PUBLICATION ${escapeIdentifier(name)}`
  const members = new Set(publication.members)
  const wanted = new Set(shape.tables.map(({ oid }) => oid))
  const added = shape.tables.filter(({ oid }) => !members.has(oid))
  const dropped = publication.members.filter(oid => !wanted.has(oid)).flatMap(oid => relations.get(oid) ?? [])
  const mark = publication.keeper === null || publication.keeper === slot ? [] : [commentSql(name, slot)]
  const options = sameOptions(request, publication, shape)
    ? []
    : [`${alter} SET (${optionsSql(role, shape.operations)})`]
  const kept = options.length === 0 ? [] : shape.tables.filter(({ oid }) => members.has(oid))
  return [
    ...lockSql([...kept, ...dropped, ...added]),
    ...options,
    ...(dropped.length === 0 ? [] : [`${alter} DROP TABLE ${dropped.map(only).join(', ')}`]),
    ...(added.length === 0 ? [] : [`${alter} ADD TABLE ${added.map(only).join(', ')}`]),
    ...mark,
  ]
}
