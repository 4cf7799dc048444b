/**
 * Looks for tables that were created, altered, or dropped and made again while changes flow, and brings the publication
 * in step at once: what is written to a table before it is published can't be had later. The plan is that of the start.
 * PostgreSQL takes the change up in the session that streams, so the run goes on, unless new subjects need a stream,
 * or a composite type is another one, of which that session says nothing.
 */
import type { Client } from 'pg'
import type { Rule } from '../config/config.ts'
import { messageOf, RetryableError } from '../errors.ts'
import {
  type EnsuredPublication,
  type PublishedTable,
  refreshPublication,
} from '../source/replication/publication.ts'
import { readCatalogMark } from '../source/replication/publication-catalog.ts'
import { qualifiedName } from '../source/replication/publication-sql.ts'
import { publicationGone, readSlot } from '../source/replication/slot.ts'
import { type TypeCatalog, typesStale } from '../source/replication/type-catalog.ts'
import { isMeantByBareName } from '../source/replication/wanted-tables.ts'
import type { Context } from './context.ts'
import { endSeries, publicationOptions, routerOf } from './prepare.ts'
import { tellTables } from './tell-tables.ts'

const INTERVAL_MS = 5000
/** Rights of the role and settings leave no mark in the catalog of tables: every so many looks all is read. */
const LOOKS_A_FULL_ONE = 12
/** Since this release, a session that streams describes tables again when their schema is renamed. */
const TELLS_OF_SCHEMAS = 160_000

interface Watched {
  /** An ordinary session of the run. */
  readonly sql: Client
  readonly types: TypeCatalog
  /** Called with all that is published now, when that is not what it was; may throw RetryableError, which ends the run. */
  readonly changed: (tables: readonly PublishedTable[]) => void
}

/** Returns what stops it. `fail`: the run can't go on. */
export function watchTables(
  context: Context,
  { sql, types, changed }: Watched,
  fail: (error: unknown) => void,
): () => void {
  const { log, config } = context
  let looking = false
  let stopped = false
  let looks = 0
  let seen: string | null = null
  let trouble: string | null = null

  const look = async (): Promise<void> => {
    if (await types.altered()) throw typesStale('a composite type of a column was altered')
    const mark = await readCatalogMark(sql)
    if (mark === seen && ++looks % LOOKS_A_FULL_ONE !== 0) return
    const publication = await refreshPublication(sql, publicationOptions(config))
    // Where the slot is gone too, the session that streams finds out.
    const slot = publication === null ? await readSlot(sql, config.replication.slot_name) : null
    if (stopped) return
    if (slot !== null) return fail(publicationGone(config.replication.publication_name, slot))
    if (publication === null) return
    const before = context.publication
    context.publication = publication
    seen = publication.settled ? mark : null
    tellTables(context, publication)
    if (before === null) return
    const outdated = whatIsOutdated(before, publication, config.rules)
    if (outdated !== null) throw outdated
    // Also where another daemon, or a migration, has changed the publication.
    if (listed(before) === listed(publication)) return
    endSeries(context, routerOf(context), publication)
    changed(publication.tables)
  }
  const timer = setInterval(async () => {
    if (looking) return
    looking = true
    try {
      await look()
      trouble = null
    } catch (error) {
      if (stopped) return
      if (error instanceof RetryableError) return fail(error)
      const text = messageOf(error)
      if (text !== trouble) log.warn({ err: error }, `can't look for new tables: ${text}`)
      trouble = text
    } finally {
      looking = false
    }
  }, INTERVAL_MS)
  return () => {
    stopped = true
    clearInterval(timer)
  }
}

function listed({ tables }: EnsuredPublication): string {
  return tables.map(table => `${table.oid} ${qualifiedName(table)}`).join()
}

/** What this run goes by and only a fresh one can mend; null: nothing. */
function whatIsOutdated(
  before: EnsuredPublication,
  now: EnsuredPublication,
  rules: readonly Rule[],
): RetryableError | null {
  const bare = new Set(rules.map(({ table }) => table))
  const former = new Map(before.tables.map(table => [table.oid, table]))
  for (const table of now.tables) {
    const was = former.get(table.oid)
    // A table that is renamed or moved by itself is described again, and its routes are made anew.
    if (was === undefined || was.table !== table.table) continue
    if (was.schema !== table.schema && now.serverVersion < TELLS_OF_SCHEMAS) {
      return outdated(
        `the schema of table ${qualifiedName(was)} is called "${table.schema}" now, which PostgreSQL tells a new session only`,
      )
    }
    if (bare.has(table.table) && isMeantByBareName(before.names, was) !== isMeantByBareName(now.names, table))
      return outdated(`rules for "${table.table}" do not mean the table that they meant before`)
  }
  return null
}

function outdated(what: string): RetryableError {
  return new RetryableError(what, {
    code: 'TABLES_OUTDATED',
    remedy: 'The daemon starts a fresh run, which goes by what is so now.',
  })
}
