/** What a run must know and have before it streams: the server checked, the publication in step, the routes compiled. */
import type { Client } from 'pg'
import type { Config } from '../config/config.ts'
import { messageOf, RetryableError, remedyOf } from '../errors.ts'
import { systemBase36 } from '../event/message-id.ts'
import { type ConnectOptions, connectReplication, endSession } from '../postgres.ts'
import { parseDatabaseUrl, type TargetSession } from '../postgres-url.ts'
import { createRouter, type Router } from '../route/router.ts'
import {
  type EnsuredPublication,
  ensurePublication,
  type PublicationOptions,
  publicationExists,
} from '../source/replication/publication.ts'
import { checkServer, identifySystem, inspectServer, serverError } from '../source/replication/server.ts'
import { dropSlot, publicationGone, readSlot, requireOwnSlot, slotLag } from '../source/replication/slot.ts'
import { isMeantByBareName } from '../source/replication/wanted-tables.ts'
import type { Context } from './context.ts'
import { gapSubject } from './lost-slot.ts'
import { tellTables } from './tell-tables.ts'

/** The database, checked and with its publication in step with the rules. */
export async function prepareDatabase(
  context: Context,
  sql: Client,
): Promise<{ publication: EnsuredPublication; database: string }> {
  const { config, board, log } = context
  const { slot_name, publication_name } = config.replication
  const server = await inspectServer(sql)
  const slot = await readSlot(sql, slot_name)
  const problems = checkServer(server, { slotExists: slot !== null })
  const error = serverError(problems)
  if (error !== null) throw error
  if (server.standby && !READ_FROM_STANDBY.has(parseDatabaseUrl(config.database.url).targetSession)) {
    throw onStandby()
  }
  if (slot !== null) requireOwnSlot(slot)
  board.lag = slot === null ? null : slotLag(slot)
  for (const { message, remedy } of problems) log.warn({ remedy }, message)
  board.connection('postgres', 'connected', versionText(server.version))
  if (slot !== null && slot.holder === null && !(await publicationExists(sql, publication_name))) {
    if (config.replication.on_slot_lost === 'stop') throw publicationGone(publication_name, slot)
    await dropSlot(sql, slot_name)
  }
  const options = publicationOptions(config)
  const publication = await ensurePublication(sql, { ...options, running: board.everStreamed })
  context.publication = publication
  tellTables(context, publication)
  board.tables = publication.tables.length
  return { publication, database: server.database }
}

export function publicationOptions({ rules, replication }: Config): PublicationOptions {
  const named = rules.filter(rule => rule.table !== null)
  return {
    name: replication.publication_name,
    slot: replication.slot_name,
    wanted: rules.some(rule => rule.table !== null || rule.channel !== null)
      ? named.map(rule => ({ ...rule, table: rule.table! }))
      : 'all',
  }
}

/** By the tables as they were seen last: they come and go while changes flow. */
export function routerOf(context: Context, rules = context.config.rules): Router {
  const { stream, partitions, event } = context.config
  return createRouter({
    rules,
    prefix: stream.subject_prefix,
    partitions,
    defaultFormat: event.format,
    isMeantByBareName: name =>
      context.publication === null || isMeantByBareName(context.publication.names, name),
  })
}

/** Tables that are gone would be scraped for ever. */
export function endSeries(
  { config, metrics }: Context,
  router: Router,
  { tables }: EnsuredPublication,
): void {
  metrics.publishing(new Set([...router.filters(tables), config.dlq.subject]))
}

/** An entity of two tables is an error at the start; later, when somebody renames a table, a warning. */
export function prepareRouter(context: Context, publication: EnsuredPublication): Router {
  const { log, board } = context
  const router = routerOf(context)
  endSeries(context, router, publication)
  let clash = ''
  try {
    router.checkEntities(publication.tables)
  } catch (error) {
    if (!board.everStreamed) throw error
    clash = messageOf(error)
    if (clash !== context.toldOfEntities) log.warn({ remedy: remedyOf(error) }, clash)
  }
  context.toldOfEntities = clash
  return router
}

/** Subjects of what the daemon itself has to say. */
export function controlSubjects({ replication, stream }: Config): string[] {
  return replication.on_slot_lost === 'recreate' ? [gapSubject(stream.subject_prefix)] : []
}

/** The system identifier in base 36, on a replication connection of its own: it needs no other right there. */
export async function readSystem(database: Config['database'], options: ConnectOptions): Promise<string> {
  const client = await connectReplication(database, options)
  try {
    return systemBase36((await identifySystem(client)).systemId)
  } finally {
    await endSession(client)
  }
}

/** Wishes of the URL that name a standby in so many words. */
const READ_FROM_STANDBY: ReadonlySet<TargetSession> = new Set(['standby', 'prefer-standby', 'read-only'])

/** A slot that is made there in the middle of a failover would begin after the changes that nobody has read yet. */
function onStandby(): RetryableError {
  return new RetryableError('this PostgreSQL server is a standby', {
    code: 'STANDBY',
    remedy: 'Let DATABASE_URL name the primary (or all hosts). The daemon tries again by itself.',
  })
}

/** 180004 -> 18.4 */
function versionText(version: number): string {
  return `${Math.trunc(version / 10_000)}.${version % 10_000}`
}
