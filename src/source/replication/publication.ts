/**
 * The publication: which tables, and which of their operations, PostgreSQL decodes for us. Created when missing, kept
 * in step with the rules when it is ours, used as it is when somebody else made it and it is enough. Call this before
 * the slot is made: a slot can't decode what was committed before its publication existed.
 */
import type { Client } from 'pg'
import { classifyPostgresError, codeOf } from '../../postgres-codes.ts'
import type { IdentityFacts, PublicationFacts } from './publication-catalog.ts'
import {
  readIdentities,
  readPublication,
  readRelations,
  readRole,
  readViewTables,
} from './publication-catalog.ts'
import { type PublicationPlan, planPublication, publicationError } from './publication-plan.ts'
import type { FoundTable, RelationFacts, RowOperation, WantedTable } from './wanted-tables.ts'
import { findTables, publishableTables } from './wanted-tables.ts'

export interface PublicationOptions {
  readonly name: string
  /** The daemon's slot, by which a publication of its own is known again. */
  readonly slot: string
  /** `all`: there are no rules, so every table that the role may publish. */
  readonly wanted: readonly WantedTable[] | 'all'
}

export interface PublishedTable {
  readonly schema: string
  readonly table: string
  readonly oid: number
  /** UPDATE and DELETE carry what identifies the row. */
  readonly hasKey: boolean
}

export interface EnsuredPublication {
  readonly action: PublicationPlan['action']
  /** All that it publishes, under the names that changes come with. */
  readonly tables: readonly PublishedTable[]
  readonly operations: readonly RowOperation[]
  /** Of all tables, or of whole schemas: it takes in what is created later. */
  readonly openEnded: boolean
  /** For the log, one line each. */
  readonly warnings: readonly string[]
}

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

export async function publicationExists(client: Client, name: string): Promise<boolean> {
  try {
    return (await readPublication(client, name)) !== null
  } catch (error) {
    throw classifyPostgresError(error)
  }
}

async function ensure(client: Client, options: PublicationOptions): Promise<EnsuredPublication> {
  const { name, slot, wanted } = options
  const everything = wanted === 'all'
  const role = await readRole(client)
  const relations = await readRelations(client)
  const tables = everything ? publishableTables(relations) : await found(client, wanted, relations)
  const publication = await readPublication(client, name)
  const identities = await identitiesOf(client, tables, publication)
  const byOid = new Map(relations.map(relation => [relation.oid, relation]))
  const request = { name, slot, tables, everything, role, publication, identities, relations: byOid }
  const plan = planPublication(request)
  await run(client, plan.sql)
  const now = plan.action === 'use' ? publication : await readPublication(client, name)
  const published = now?.published ?? []
  const known = plan.action === 'use' ? await identitiesOf(client, [], now) : identities
  return {
    action: plan.action,
    tables: published.flatMap(oid => publishedTable(byOid.get(oid), known)),
    operations: [...(now?.operations ?? [])],
    openEnded: now?.allTables === true || now?.wholeSchemas === true,
    warnings: plan.warnings,
  }
}

async function found(
  client: Client,
  wanted: readonly WantedTable[],
  relations: readonly RelationFacts[],
): Promise<readonly FoundTable[]> {
  const { found, problems } = findTables(wanted, relations)
  if (problems.length === 0) return found
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
  tables: readonly FoundTable[],
  publication: PublicationFacts | null,
): Promise<ReadonlyMap<number, IdentityFacts>> {
  const members = publication === null ? [] : [...publication.members, ...publication.published]
  const oids = new Set([...tables.map(({ relation }) => relation.oid), ...members])
  const facts = await readIdentities(client, [...oids])
  return new Map(facts.map(one => [one.oid, one]))
}

/** In one transaction, so that the applications never meet a half-changed publication. */
async function run(client: Client, sql: readonly string[]): Promise<void> {
  if (sql.length === 0) return
  await client.query('BEGIN')
  try {
    for (const statement of sql) await client.query(statement)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

function publishedTable(
  relation: RelationFacts | undefined,
  identities: ReadonlyMap<number, IdentityFacts>,
): PublishedTable[] {
  if (relation === undefined) return []
  const { schema, table, oid } = relation
  return [{ schema, table, oid, hasKey: identities.get(oid)?.without.length === 0 }]
}
