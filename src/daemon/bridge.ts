/**
 * One run of the bridge: connect, check, prepare, stream. Everything is acquired here, from nothing, and released at
 * the end. A failure anywhere ends the run, and the next one resumes from the confirmed position.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import type { Client } from 'pg'
import { ByteWriter } from '../event/bytes.ts'
import type { Relation } from '../event/event.ts'
import { MessageId, systemBase36 } from '../event/message-id.ts'
import { SLAB_BYTES } from '../event/slabs.ts'
import { Releases } from '../lifecycle/releases.ts'
import { formatLsn } from '../lsn.ts'
import { Pipeline } from '../pipeline.ts'
import { connectReplication, connectSql, endSession, TIME_LIMIT } from '../postgres.ts'
import { JetStreamLink } from '../publish/jetstream-link.ts'
import { windowSlabs } from '../publish/window.ts'
import type { Router } from '../route/router.ts'
import { acceptAnyBytes } from '../source/replication/client-encoding.ts'
import { type PublishedTable, refreshPublication } from '../source/replication/publication.ts'
import { backendPid, identifySystem } from '../source/replication/server.ts'
import { explainSlotFailure, type ReadySlot } from '../source/replication/slot.ts'
import { ReplicationStream } from '../source/replication/stream.ts'
import { readTimelines } from '../source/replication/timeline.ts'
import { TypeCatalog } from '../source/replication/type-catalog.ts'
import { connectToNats } from './connect-nats.ts'
import { APPLICATION_NAME, type Context } from './context.ts'
import { Deliveries } from './deliveries.ts'
import { drain } from './drain.ts'
import { tellLostTails } from './lost-tail.ts'
import { ownSlot } from './own-slot.ts'
import { controlSubjects, prepareDatabase, prepareRouter, publicationOptions, readSystem } from './prepare.ts'
import { createPublisher } from './publishing.ts'
import { ruleStatus } from './rule-status.ts'
import { prepareStreams, type Streams } from './streams.ts'
import { tellPartial } from './tell-tables.ts'
import { watchLimits } from './watch-limits.ts'
import { watchPublishing } from './watch-publishing.ts'
import { watchSlot } from './watch-slot.ts'
import { watchTables } from './watch-tables.ts'

/** Silence of PostgreSQL that says nothing yet. */
const LEAST_SILENCE_MS = 60_000

/** Resolves after an orderly stop; rejects with what ended the run. `progressed`: changes flow again. */
export async function runBridge(
  context: Context,
  signal: AbortSignal,
  progressed: () => void,
): Promise<void> {
  const releases = new Releases()
  // A signal of the run's own: listeners on the daemon's would outlive the run, one more with each.
  const stop = new AbortController()
  const relay = (): void => stop.abort(signal.reason)
  signal.addEventListener('abort', relay, { once: true })
  if (signal.aborted) relay()
  try {
    await run(context, stop.signal, progressed, releases)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', relay)
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
  const failure = new AbortController()
  const fail = (error: unknown): void => failure.abort(error)
  // Until changes flow, whatever ends the run cuts its sessions, which may wait for others as long as those like.
  const preparing = following(signal, failure.signal)
  const { sql, publisher, pipeline } = await prepare(context, {
    signal: preparing.signal,
    fail,
    progressed,
    releases,
  }).catch(error => {
    throw preparing.signal.aborted ? preparing.signal.reason : error
  })
  preparing.release()
  const stopped = new AbortController()
  const streaming = pipeline.run(stopped.signal)
  releases.push(async () => {
    stopped.abort()
    await streaming.catch(() => {})
  })
  try {
    await Promise.race([streaming, rejected(failure.signal), drain(context, pipeline, publisher, signal)])
    stopped.abort()
    await streaming
  } catch (error) {
    const { slot_name } = context.config.replication
    throw error instanceof Error ? await explainSlotFailure(sql, slot_name, error) : error
  }
}

interface Run {
  /** Aborts when the run can't go on, or is to stop, before changes flow. */
  readonly signal: AbortSignal
  readonly fail: (error: unknown) => void
  readonly progressed: () => void
  readonly releases: Releases
}

/** Everything that must be there before the first change is read. */
async function prepare(context: Context, { signal, fail, progressed, releases }: Run) {
  const { config, board } = context
  const connectOptions = { applicationName: APPLICATION_NAME, signal }
  const sql = await connectSql(config.database, connectOptions)
  releases.push(() => endSession(sql))
  const { publication, database } = await prepareDatabase(context, sql)
  const router = prepareRouter(context, publication)
  const nats = await connectToNats(context, signal, fail)
  releases.push(() => nats.close())
  const filters = [...router.filters(publication.tables), ...context.lateFilters, ...controlSubjects(config)]
  const streams = await prepareStreams(context, nats, filters)
  const changed = (tables: readonly PublishedTable[]): void => {
    board.tables = tables.length
    board.rules = ruleStatus(context, tables, streams)
  }
  changed(publication.tables)
  const system = await readSystem(config.database, connectOptions)
  const slot = await ownSlot(context, { sql, nats, streams, system }, signal)
  if (board.state === 'standby') {
    // Who waited for the slot looked at the tables long ago.
    context.publication = (await refreshPublication(sql, publicationOptions(config))) ?? publication
    changed(context.publication.tables)
  }
  await tellLostTails(context, nats, streams, slot.confirmedFlush)
  const client = await connectReplication(config.database, connectOptions)
  releases.push(() => endSession(client))
  await acceptAnyBytes(client)
  const holder = await backendPid(client)

  const types = new TypeCatalog(sql)
  const servers = { sql, client, nats, database, types }
  const { link, publisher, pipeline, open } = await assemble(context, {
    ...servers,
    router,
    streams,
    slot,
    fail,
    progressed,
  })
  releases.push(link.attach(publisher))
  releases.push(watchSlot(context, { sql, holder }, fail))
  releases.push(watchLimits(context, { nats, streams }, fail))
  releases.push(watchTables(context, { sql, types, changed }, fail))
  board.publisher = publisher
  releases.push(watchPublishing(context, publisher))
  publisher.connected(performance.now())
  // What the streams hold is known before the slot is read; else a run that was frozen in between could send again
  // what another one has sent meanwhile.
  await Promise.race([open, rejected(signal)])
  return { sql, publisher, pipeline }
}

interface Prepared {
  readonly sql: Client
  readonly client: Client
  readonly nats: NatsConnection
  readonly database: string
  readonly types: TypeCatalog
  readonly router: Router
  readonly streams: Streams
  readonly slot: ReadySlot
  readonly fail: (error: unknown) => void
  readonly progressed: () => void
}

/** Source, publisher and pipeline, tied together. `open`: the tails of all streams are read. */
async function assemble(context: Context, prepared: Prepared) {
  const { config, board, log, metrics } = context
  const { client, nats, database, types, router, streams, slot, fail, progressed } = prepared
  const { slot_name: slotName, publication_name: publicationName } = config.replication
  const { systemId, timeline, walEnd } = await identifySystem(client)
  const timelines = await readTimelines(client, timeline)
  const identity = { system: systemBase36(systemId), timeline, slot: slotName }
  const source = new ReplicationStream({
    client,
    types,
    slotName,
    publicationName,
    startLsn: slot.confirmedFlush,
    ...(await liveness(client, config.replication.status_interval_ms)),
    onStreaming: () => {
      board.streaming()
      log.info({ slot: slotName, from: formatLsn(slot.confirmedFlush) }, 'streaming')
    },
    onPartial: (root, partition) => tellPartial(context, root, partition),
  })
  const link = new JetStreamLink(nats)
  let opened = (): void => {}
  const open = new Promise<void>(resolve => {
    opened = resolve
  })
  const publisher = createPublisher(context, {
    streams: streams.lanes,
    timeline,
    origin: {
      system: identity.system,
      slot: slotName,
      confirmed: slot.confirmedFlush,
      endOf: tli => timelines.get(tli) ?? null,
    },
    link,
    confirm: lsn => {
      board.confirmed = lsn
      source.confirm(lsn)
      progressed()
    },
    onRoom: () => pipeline.room(),
    onOpen: () => opened(),
    fail,
  })
  const out = new ByteWriter(
    SLAB_BYTES,
    windowSlabs(() => publisher.window),
  )
  const writers = { out, messageId: new MessageId(identity.system) }
  const deliveries = new Deliveries({ context, nats, streams, identity, database, walEnd, ...writers })
  const pipeline = new Pipeline({
    source,
    router,
    publisher,
    ...writers,
    prepare: (routes, event) => deliveries.prepare(routes, event),
    oversize: (event, delivery, bytes) => deliveries.oversize(event, delivery, bytes),
    malformed: (event, delivery, error) => deliveries.malformed(event, delivery, error),
    unrouted: relation => tellUnrouted(context, router, relation),
    counters: metrics.counters,
  })
  return { link, publisher, pipeline, open }
}

/** A table that no rule names (any more): it was renamed, or somebody else chose what is published. */
function tellUnrouted({ log }: Context, router: Router, relation: Relation): void {
  const { schema, table } = relation
  if (Object.values(router.plan(relation)).some(routes => routes.length > 0)) return
  log.warn(
    { schema, table },
    `table ${table} is published by PostgreSQL, but no rule names it: its changes go nowhere`,
  )
}

/**
 * Two status updates at least within `wal_sender_timeout`, whatever is configured. PostgreSQL gets as long to answer
 * as it gives us, and not less than it may take to decode a long transaction of which we want nothing.
 */
async function liveness(
  client: Client,
  configuredMs: number,
): Promise<{ statusIntervalMs: number; silenceLimitMs: number }> {
  const { rows } = await client.query<{ setting: string }>({
    text: "SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'",
    ...TIME_LIMIT,
  })
  const timeoutMs = Number(rows[0]?.setting ?? 0)
  const statusIntervalMs =
    timeoutMs === 0 ? configuredMs : Math.max(100, Math.min(configuredMs, timeoutMs / 3))
  return { statusIntervalMs, silenceLimitMs: Math.max(timeoutMs, LEAST_SILENCE_MS) }
}

/** Aborts with the first of the two, until it is let go of. */
function following(
  one: AbortSignal,
  other: AbortSignal,
): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController()
  const both = AbortSignal.any([one, other])
  const abort = (): void => controller.abort(both.reason)
  both.addEventListener('abort', abort, { once: true })
  if (both.aborted) abort()
  return { signal: controller.signal, release: () => both.removeEventListener('abort', abort) }
}

/** Rejects with the signal's reason when it aborts; never resolves. */
function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    if (signal.aborted) reject(signal.reason)
  })
}
