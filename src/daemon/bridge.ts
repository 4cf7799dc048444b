/**
 * One run of the bridge: connect, check, prepare, stream. Everything is acquired here, from nothing, and released at
 * the end. A failure anywhere ends the run, and the next one resumes from the confirmed position.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import type { Client } from 'pg'
import { EXIT, FatalError } from '../errors.ts'
import { ByteWriter } from '../event/bytes.ts'
import { MessageId, systemBase36 } from '../event/message-id.ts'
import { Releases } from '../lifecycle/releases.ts'
import { formatLsn } from '../lsn.ts'
import { Pipeline } from '../pipeline.ts'
import { connectReplication, connectSql } from '../postgres.ts'
import { JetStreamLink } from '../publish/jetstream-link.ts'
import { createRouter, type Router } from '../route/router.ts'
import { type EnsuredPublication, ensurePublication } from '../source/replication/publication.ts'
import { checkServer, identifySystem, inspectServer, serverError } from '../source/replication/server.ts'
import { explainSlotFailure, type ReadySlot, readSlot, type SlotFacts } from '../source/replication/slot.ts'
import { ReplicationStream } from '../source/replication/stream.ts'
import { TypeCatalog } from '../source/replication/type-catalog.ts'
import { connectToNats } from './connect-nats.ts'
import { APPLICATION_NAME, type Context } from './context.ts'
import { Deliveries } from './deliveries.ts'
import { drain } from './drain.ts'
import { ownSlot } from './own-slot.ts'
import { createPublisher } from './publishing.ts'
import { ruleStatus } from './rule-status.ts'
import { prepareStreams, type Streams } from './streams.ts'
import { watchSlot } from './watch-slot.ts'

/** Resolves after an orderly stop; rejects with what ended the run. `progressed`: changes flow again. */
export async function runBridge(
  context: Context,
  signal: AbortSignal,
  progressed: () => void,
): Promise<void> {
  const releases = new Releases()
  try {
    await run(context, signal, progressed, releases)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    context.board.ended()
    await releases.run()
  }
}

async function run(
  context: Context,
  signal: AbortSignal,
  progressed: () => void,
  releases: Releases,
): Promise<void> {
  const { config, board } = context
  const connectOptions = { applicationName: APPLICATION_NAME, signal }
  const failure = new AbortController()
  const fail = (error: unknown): void => failure.abort(error)

  const sql = await connectSql(config.database, connectOptions)
  releases.push(() => sql.end())
  const { publication, database } = await prepareDatabase(context, sql)
  const router = prepareRouter(context, publication)
  const nats = await connectToNats(context, signal, fail)
  releases.push(() => nats.close())
  const streams = await prepareStreams(context, nats, router.filters(publication.tables))
  board.rules = ruleStatus(config, publication.tables, streams)
  const slot = await ownSlot(context, sql, signal)
  const client = await connectReplication(config.database, connectOptions)
  releases.push(() => client.end())

  const servers = { sql, client, nats, database }
  const { link, source, publisher, pipeline, open } = await assemble(context, {
    ...servers,
    router,
    streams,
    slot,
    fail,
    progressed,
  })
  releases.push(link.attach(publisher))
  releases.push(watchSlot(context, sql, fail))
  board.publisher = publisher
  publisher.connected(performance.now())
  // What the streams hold is known before the slot is read; else a run that was frozen in between could send again
  // what another one has sent meanwhile.
  await Promise.race([open, rejected(failure.signal), rejected(signal)])
  const stopped = new AbortController()
  const streaming = pipeline.run(stopped.signal)
  releases.push(async () => {
    stopped.abort()
    await streaming.catch(() => {})
  })
  try {
    await Promise.race([streaming, rejected(failure.signal), drain(context, source, publisher, signal)])
    stopped.abort()
    await streaming
  } catch (error) {
    throw error instanceof Error ? await explainSlotFailure(sql, config.replication.slot_name, error) : error
  }
}

interface Prepared {
  readonly sql: Client
  readonly client: Client
  readonly nats: NatsConnection
  readonly database: string
  readonly router: Router
  readonly streams: Streams
  readonly slot: ReadySlot
  readonly fail: (error: unknown) => void
  readonly progressed: () => void
}

/** Source, publisher and pipeline, tied together. `open`: the tails of all streams are read. */
async function assemble(context: Context, prepared: Prepared) {
  const { config, board, metrics } = context
  const { sql, client, nats, database, router, streams, slot, fail, progressed } = prepared
  const { slot_name: slotName, publication_name: publicationName } = config.replication
  const { systemId, timeline } = await identifySystem(client)
  const identity = { system: systemBase36(systemId), timeline, slot: slotName }
  const source = new ReplicationStream({
    client,
    types: new TypeCatalog(sql),
    slotName,
    publicationName,
    startLsn: slot.confirmedFlush,
    statusIntervalMs: await statusInterval(client, config.replication.status_interval_ms),
    onStreaming: () => {
      board.streaming()
      progressed()
    },
  })
  const link = new JetStreamLink(nats)
  let opened = (): void => {}
  const open = new Promise<void>(resolve => {
    opened = resolve
  })
  const publisher = createPublisher(context, {
    streams: streams.all.map(({ name }) => name),
    origin: { system: identity.system, slot: slotName, confirmed: slot.confirmedFlush, endOf: () => null },
    link,
    confirm: lsn => {
      board.confirmed = lsn
      source.confirm(lsn)
    },
    onRoom: () => pipeline.room(),
    onOpen: () => opened(),
    fail,
  })
  const writers = { out: new ByteWriter(), messageId: new MessageId(identity.system) }
  const deliveries = new Deliveries({ context, nats, streams, identity, database, ...writers })
  const pipeline = new Pipeline({
    source,
    router,
    publisher,
    ...writers,
    prepare: (routes, event) => deliveries.prepare(routes, event),
    oversize: (event, delivery, bytes, now) => deliveries.oversize(event, delivery, bytes, publisher, now),
    counters: metrics.counters,
  })
  return { link, source, publisher, pipeline, open }
}

async function prepareDatabase(
  { config, board, log }: Context,
  sql: Client,
): Promise<{ publication: EnsuredPublication; database: string }> {
  const { slot_name, publication_name } = config.replication
  const server = await inspectServer(sql)
  const slot = await readSlot(sql, slot_name)
  const problems = checkServer(server, { slotExists: slot !== null })
  const error = serverError(problems)
  if (error !== null) throw error
  for (const { message, remedy } of problems) log.warn({ remedy }, message)
  board.connection('postgres', 'connected', versionText(server.version))
  const rules = config.rules.filter(rule => rule.table !== null)
  const wanted = config.rules.some(rule => rule.table !== null || rule.channel !== null)
    ? rules.map(rule => ({ ...rule, table: rule.table! }))
    : 'all'
  const publication = await ensurePublication(sql, { name: publication_name, slot: slot_name, wanted })
  if (publication.action === 'create' && slot !== null) throw publicationWasMissing(publication_name, slot)
  if (publication.tables.length === 0) log.warn(NO_TABLES)
  if (publication.action !== 'use') {
    log.info(
      { publication: publication_name, tables: publication.tables.length },
      publication.action === 'create' ? 'publication created' : 'publication changed to match the rules',
    )
  }
  for (const warning of publication.warnings) log.warn(warning)
  board.tables = publication.tables.length
  return { publication, database: server.database }
}

function prepareRouter({ config }: Context, publication: EnsuredPublication): Router {
  const router = createRouter({
    rules: config.rules,
    prefix: config.stream.subject_prefix,
    partitions: config.partitions,
    defaultFormat: config.event.format,
  })
  router.checkEntities(publication.tables)
  return router
}

const NO_TABLES =
  'there is no table to publish: create tables that this role owns and that have a primary key, or name them in ' +
  '[[observers]] rules, and start the daemon again'

/** What was committed while there was no publication can't be decoded (PostgreSQL 18 would skip it in silence). */
function publicationWasMissing(name: string, { name: slot, confirmedFlush }: SlotFacts): FatalError {
  const since = confirmedFlush === null ? '' : ` after ${formatLsn(confirmedFlush)}`
  return new FatalError(
    `publication "${name}" was gone while the slot "${slot}" existed: what was committed${since} can't be decoded`,
    {
      code: 'PUBLICATION_WAS_MISSING',
      exitCode: EXIT.slotLost,
      remedy:
        `The publication is there again. Accept the gap: SELECT pg_drop_replication_slot('${slot}'); then start ` +
        'the daemon, and bring the missing rows in from the tables if consumers need them.',
    },
  )
}

/** Two updates at least within `wal_sender_timeout`, whatever is configured. */
async function statusInterval(client: Client, configuredMs: number): Promise<number> {
  const { rows } = await client.query<{ setting: string }>(
    "SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'",
  )
  const timeoutMs = Number(rows[0]?.setting ?? 0)
  return timeoutMs === 0 ? configuredMs : Math.max(100, Math.min(configuredMs, timeoutMs / 3))
}

/** 180004 -> 18.4 */
function versionText(version: number): string {
  return `${Math.trunc(version / 10_000)}.${version % 10_000}`
}

/** Rejects with the signal's reason when it aborts; never resolves. */
function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    if (signal.aborted) reject(signal.reason)
  })
}
