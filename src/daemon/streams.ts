/** The streams of a run: planned from the routes, made to be there, and known by lane from then on. */
import type { NatsConnection } from '@nats-io/transport-node'
import type { Config } from '../config/config.ts'
import { ConfigurationError, RetryableError } from '../errors.ts'
import { requireJetStream } from '../nats-api.ts'
import { type EnsuredStream, ensureStreams, knowsAtomic, listStreams } from '../publish/ensure-stream.ts'
import type { BatchMode, LaneOptions } from '../publish/lane.ts'
import { planStreams } from '../publish/stream-plan.ts'
import { containedInAny, subjectContains } from '../publish/subject-overlap.ts'
import type { Context } from './context.ts'

export interface Streams {
  /** In the order of the publisher's lanes. */
  readonly all: readonly EnsuredStream[]
  readonly lanes: readonly LaneOptions[]
  /** The lane of the stream that stores a route's messages. `filter`: the route's subject as a filter. */
  laneOf(filter: string): number
  /** null: dead letters are switched off. */
  readonly deadLetterLane: number | null
}

export async function prepareStreams(
  context: Context,
  nats: NatsConnection,
  filters: readonly string[],
): Promise<Streams> {
  const { config, log, board, lateFilters } = context
  await requireJetStream(nats)
  const plan = planStreams(config, filters, await listStreams(nats))
  if ('problems' in plan) {
    throw new ConfigurationError(plan.problems.map(({ message }) => message).join('; '), {
      code: 'STREAM_PLAN',
      remedy: plan.problems.map(({ remedy }) => remedy).join(' '),
    })
  }
  const all = await ensureStreams(nats, plan.streams, { create: config.stream.create })
  for (const { name, created, added, subjects } of all) {
    if (created) log.info({ stream: name, subjects }, 'stream created')
    if (added.length > 0) log.info({ stream: name, added }, 'subjects added to the stream')
  }
  board.sharedStreams = new Set(plan.streams.filter(({ shared }) => shared).map(({ name }) => name))
  tell(context, all, nats.info?.version ?? '')
  const lanes = new Map(all.map(({ name }, lane) => [name, lane]))
  return {
    all,
    lanes: all.map(stream => ({
      name: stream.name,
      batches: batchMode(config.publish.atomic, stream),
      shared: stream.planned.shared,
    })),
    laneOf: filter => {
      const planned = lanes.get(plan.ownerOf.get(filter) ?? '')
      if (planned !== undefined) return planned
      const lane = all.findIndex(({ subjects }) => containedInAny(subjects, filter))
      if (lane >= 0) return lane
      lateFilters.add(filter)
      throw unplanned(filter)
    },
    deadLetterLane: lanes.get(plan.ownerOf.get(config.dlq.subject) ?? '') ?? null,
  }
}

/** What holds of the streams, each once as long as it does. */
function tell(context: Context, streams: readonly EnsuredStream[], version: string): void {
  const { config, log } = context
  const lines = streams.flatMap(stream => {
    const notes = [
      ...unusedName(config, streams, stream),
      ...stream.notes,
      ...unkeptAtomic(config, stream, version),
    ]
    if (stream.replicas > 1 && keepsRefusedIds(version)) notes.push(REFUSED_IDS)
    return notes.map(text => ({ stream: stream.name, text, key: `${stream.name}: ${text}` }))
  })
  for (const { stream, text, key } of lines) {
    if (!context.toldOfStreams.has(key)) log.warn({ stream }, text)
  }
  context.toldOfStreams = new Set(lines.map(({ key }) => key))
}

/** A stream that is there and owns the default subjects is used, whatever name is configured. */
function unusedName(
  { stream: { name, subject_prefix } }: Config,
  streams: readonly EnsuredStream[],
  { planned }: EnsuredStream,
): string[] {
  const takes = planned.subjects.some(subject => subjectContains(`${subject_prefix}.>`, subject))
  if (planned.kind !== 'existing' || !takes || streams.some(stream => stream.name === name)) return []
  return [
    `it has the subjects below ${subject_prefix} already: [stream] name = "${name}" is not made, and the limits of ` +
      'this stream apply, not those of [stream]',
  ]
}

/** Dead letters come singly. */
function unkeptAtomic(
  { publish }: Config,
  { name, atomic, planned }: EnsuredStream,
  version: string,
): string[] {
  if (publish.atomic !== 'transactions' || atomic || planned.kind === 'dead-letter') return []
  const first = knowsAtomic(version) ? '' : `upgrade nats-server from ${version} to 2.12 or later, then `
  return [
    '[publish] atomic = "transactions" is not kept, consumers may see a part of a transaction: ' +
      `${first}"nats stream edit ${name} --allow-batch", and start the daemon anew`,
  ]
}

const REFUSED_IDS =
  'this nats-server remembers the Msg-Id of a message that it refused, so that after a refusal publishing stands still ' +
  'until the duplicate window of the stream has passed: use nats-server 2.12 or later, or a duplicate window of seconds'

/** Seen on replicated streams of 2.10 and 2.11; not on 2.9 and from 2.12 on. */
function keepsRefusedIds(version: string): boolean {
  return /^2\.1[01]\./.test(version)
}

/** A backlog gains by batches on a replicated stream, and where each write is synced, which no server tells. */
function batchMode(
  atomic: Config['publish']['atomic'],
  { atomic: able, replicas }: EnsuredStream,
): BatchMode {
  if (atomic === 'off' || !able) return 'never'
  if (atomic === 'transactions') return 'always'
  return replicas > 1 ? 'backlog' : 'measured'
}

/** Of a table that was renamed, or came into the publication, after the start; the next run plans with it. */
function unplanned(filter: string): RetryableError {
  return new RetryableError(`subject ${filter} is new`, {
    code: 'SUBJECT_UNPLANNED',
    remedy: 'The daemon starts a fresh run, which finds a stream for it.',
  })
}
