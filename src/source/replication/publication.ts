/**
 * The publication: which tables, and which of their operations, PostgreSQL decodes for us. Created when missing, kept
 * in step with the rules when it is ours, used as it is when somebody else made it and it is enough. Call this before
 * the slot is made: a slot can't decode what was committed before its publication existed.
 */
import type { Client } from 'pg'
import { messageOf, RetryableError } from '../../errors.ts'
import { classifyPostgresError, codeOf } from '../../postgres-codes.ts'
import type { IdentityFacts, PublicationFacts } from './publication-catalog.ts'
import {
  readIdentities,
  readPublication,
  readRelations,
  readRole,
  readViewTables,
} from './publication-catalog.ts'
import {
  isOurs,
  type PublicationPlan,
  type PublicationRequest,
  planPublication,
  publicationError,
} from './publication-plan.ts'
import { outsideTables, replanPublication } from './publication-replan.ts'
import { LOCK_LIMIT_MS } from './publication-sql.ts'
import type {
  FoundTable,
  Names,
  RelationFacts,
  RowOperation,
  TableProblem,
  WantedTable,
} from './wanted-tables.ts'
import {
  findTables,
  namesOf,
  publishableTables,
  ROW_OPERATIONS,
  unownedTables,
  wantedOperations,
} from './wanted-tables.ts'

export interface PublicationOptions {
  readonly name: string
  /** The daemon's slot, by which a publication of its own is known again. */
  readonly slot: string
  /** `all`: there are no rules, so every table that the role may publish. */
  readonly wanted: readonly WantedTable[] | 'all'
  /** Changes flow, or did: what is wrong with one table is a warning then, and the others go on. */
  readonly running?: boolean
}

export interface PublishedTable {
  readonly schema: string
  readonly table: string
  readonly oid: number
}

export interface EnsuredPublication {
  readonly action: PublicationPlan['action']
  /** As PostgreSQL gives its version: 160004 is 16.4. */
  readonly serverVersion: number
  /** What the tables of rules mean. */
  readonly names: Names
  /** All that it publishes, under the names that changes come with. */
  readonly tables: readonly PublishedTable[]
  readonly operations: readonly RowOperation[]
  /** Of all tables, or of whole schemas: it takes in what is created later. */
  readonly openEnded: boolean
  /** Kept by this daemon, which puts tables into it. */
  readonly ours: boolean
  /** Published now, and not before; empty for a new publication. */
  readonly added: readonly PublishedTable[]
  /** What is wanted and can be had is in it. */
  readonly settled: boolean
  /** For the log, one line each. */
  readonly warnings: readonly string[]
  /** The same, of tables that were there at the start: somebody chose not to publish them. */
  readonly outside: readonly string[]
}

const LOCK_NOT_AVAILABLE = '55P03'
const CANCELLED = '57014'

/** SQLSTATE classes of a statement that was refused: no such object or right, no lock, deadlock, cancelled. */
const REFUSED = /^(40|42|55|57014)/

/** SQLSTATE of "publication already exists": another daemon was quicker. */
const DUPLICATE_OBJECT = '42710'

/** `client` is an ordinary session. Throws ConfigurationError with everything that is wrong and the SQL to run. */
export async function ensurePublication(
  client: Client,
  options: PublicationOptions,
): Promise<EnsuredPublication> {
  try {
    return await ensure(client, options)
  } catch (error) {
    if (codeOf(error) === DUPLICATE_OBJECT) return ensurePublication(client, options)
    throw classifyPostgresError(error)
  }
}

/** The same while changes flow. null: the publication is gone, which is not for this function to mend. */
export async function refreshPublication(
  client: Client,
  options: PublicationOptions,
): Promise<EnsuredPublication | null> {
  if (!(await publicationExists(client, options.name))) return null
  return ensurePublication(client, { ...options, running: true })
}

export async function publicationExists(client: Client, name: string): Promise<boolean> {
  try {
    return (await readPublication(client, name)) !== null
  } catch (error) {
    throw classifyPostgresError(error)
  }
}

async function ensure(client: Client, options: PublicationOptions): Promise<EnsuredPublication> {
  const { name, slot, wanted, running = false } = options
  const everything = wanted === 'all'
  const role = await readRole(client)
  const relations = await readRelations(client)
  const { tables, waiting } = everything
    ? { tables: publishableTables(relations), waiting: [] }
    : await found(client, { wanted, running }, relations)
  const publication = await readPublication(client, name)
  const all = tables.map(({ relation }) => relation)
  const identities = await identitiesOf(
    client,
    everything ? [...all, ...unownedTables(relations)] : all,
    publication,
  )
  const byOid = new Map(relations.map(relation => [relation.oid, relation]))
  const operations = everything ? ROW_OPERATIONS : wantedOperations(wanted)
  const facts = { role, publication, identities, relations: byOid }
  const request: PublicationRequest = { name, slot, tables, operations, everything, ...facts }
  const plan = running ? replanPublication(request) : planPublication(request)
  const { action, failure } = await run(client, plan, running)
  const now = action === 'use' ? publication : await readPublication(client, name)
  const published = (now?.published ?? []).flatMap(oid => byOid.get(oid) ?? []).map(publishedTable)
  const before = new Set(publication?.published)
  return {
    action,
    serverVersion: role.version,
    names: namesOf(relations, role.path),
    tables: published,
    operations: [...(now?.operations ?? [])],
    openEnded: now?.allTables === true || now?.wholeSchemas === true,
    ours: now !== null && isOurs(request, now),
    settled: failure.length === 0,
    added: publication === null ? [] : published.filter(({ oid }) => !before.has(oid)),
    warnings: [...waiting, ...plan.warnings, ...failure],
    outside: outsideTables(request),
  }
}

/** `waiting`: what to say of rules whose tables are not there, or can't be published, at the moment. */
async function found(
  client: Client,
  { wanted, running }: { readonly wanted: readonly WantedTable[]; readonly running: boolean },
  relations: readonly RelationFacts[],
): Promise<{ readonly tables: readonly FoundTable[]; readonly waiting: readonly string[] }> {
  const { found, problems } = findTables(wanted, relations)
  if (problems.length === 0 || running) return { tables: found, waiting: problems.map(waits) }
  const views = relations.filter(
    ({ kind, schema, table }) =>
      (kind === 'v' || kind === 'm') &&
      wanted.some(one => one.table === table || one.table === `${schema}.${table}`),
  )
  const read =
    views.length === 0
      ? []
      : await readViewTables(
          client,
          views.map(({ oid }) => oid),
        )
  throw publicationError(
    problems,
    'TABLES',
    read.length === 0 ? [] : [`Those views read: ${read.join(', ')}.`],
  )
}

async function identitiesOf(
  client: Client,
  tables: readonly RelationFacts[],
  publication: PublicationFacts | null,
): Promise<ReadonlyMap<number, IdentityFacts>> {
  const oids = new Set([...tables.map(({ oid }) => oid), ...(publication?.members ?? [])])
  const facts = await readIdentities(client, [...oids])
  return new Map(facts.map(one => [one.oid, one]))
}

function waits({ message }: TableProblem): string {
  return `${message} (nothing of it is published until that is mended; the other tables go on)`
}

/**
 * In one transaction, so that the applications never meet a half-changed publication, and one message, since others
 * use the session. What the database refuses while changes flow is a warning.
 */
async function run(
  client: Client,
  { action, sql }: PublicationPlan,
  running: boolean,
): Promise<{ readonly action: PublicationPlan['action']; readonly failure: readonly string[] }> {
  if (sql.length === 0) return { action, failure: [] }
  try {
    await client.query([`SET LOCAL lock_timeout = ${LOCK_LIMIT_MS}`, ...sql].join('; '))
    return { action, failure: [] }
  } catch (error) {
    const code = codeOf(error) ?? ''
    if (code === LOCK_NOT_AVAILABLE && action === 'create') throw locked(error)
    // What the publication holds is published; the rest follows when the transactions that hold the lock have ended.
    const passes = running ? REFUSED.test(code) : code === LOCK_NOT_AVAILABLE || code === CANCELLED
    if (action !== 'alter' || !passes) throw error
    const failure = `the publication can't be changed at the moment, which is tried again: ${messageOf(error)}`
    return { action: 'use', failure: [failure] }
  }
}

function locked(cause: unknown): RetryableError {
  return new RetryableError(
    'the publication can not be made: another session holds a lock on one of its tables',
    {
      code: LOCK_NOT_AVAILABLE,
      remedy:
        'The daemon tries again by itself. VACUUM, CREATE INDEX CONCURRENTLY and ALTER TABLE hold such locks; ' +
        'SELECT pid, state, query FROM pg_stat_activity shows what runs.',
      cause,
    },
  )
}

function publishedTable({ schema, table, oid }: RelationFacts): PublishedTable {
  return { schema, table, oid }
}
