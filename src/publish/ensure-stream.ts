/**
 * Makes the streams of the plan be there. What is missing is created; what exists is changed additively only: it may
 * be given more subjects, and every other difference is told and left, because somebody chose it and shrinking a
 * limit deletes messages. Streams that can't keep the delivery contract are refused.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import type { StreamLimits } from '../config/config.ts'
import { ConfigurationError, FatalError, RetryableError } from '../errors.ts'
import { type ApiOptions, askApi, isRefused, requestApi } from '../nats-api.ts'
import { type JetStreamRefusal, JS, jetStreamError } from '../nats-codes.ts'
import { mergeSubjects, notesOn, refusalOfStream } from './stream-check.ts'
import { messageLimit, type StreamConfig, type StreamInfo, streamConfigOf } from './stream-config.ts'
import type { ExistingStream, PlannedStream } from './stream-plan.ts'
import { subjectsOverlap } from './subject-overlap.ts'

export interface EnsureOptions {
  /** false: a missing stream is an error, and none is changed. */
  readonly create: boolean
  readonly timeoutMs?: number
}

export interface EnsuredStream {
  readonly planned: PlannedStream
  readonly name: string
  /** By this call. */
  readonly created: boolean
  /** Subjects that this call added. */
  readonly added: readonly string[]
  /** What a person should know: differences from the configuration, and what this stream can't promise. */
  readonly notes: readonly string[]
  readonly subjects: readonly string[]
  /** Bytes of header and payload; null: only the server's max_payload counts. */
  readonly maxMessageBytes: number | null
  /** Only `limits` keeps messages that were consumed, which resume must be able to see. */
  readonly retention: StreamLimits['retention']
  readonly replicas: number
  /** It takes atomic batches. */
  readonly atomic: boolean
  readonly lastSequence: number
  readonly messages: number
  /** As the server writes it; another value means another stream of the same name. */
  readonly createdAt: string
}

/** A change of a stream is read, and written as a whole: one of two at the same time is lost, and made again. */
const MAX_ATTEMPTS = 5
/** Longer than the way to the server takes, between reading and writing. */
const SETTLE_MS = 100

/** All streams of the account, for the plan. */
export async function listStreams(nc: NatsConnection, timeoutMs?: number): Promise<ExistingStream[]> {
  const found: ExistingStream[] = []
  const options = apiOptions('listing the streams', timeoutMs)
  for (;;) {
    const page = await requestApi<StreamPage>(nc, 'STREAM.LIST', { offset: found.length }, options)
    const streams = page.streams ?? []
    found.push(...streams.map(({ config }) => ({ name: config.name, subjects: config.subjects ?? [] })))
    if (streams.length === 0 || found.length >= page.total) return found
  }
}

/** In the order of the plan. Stops at the first stream that can't be had. */
export async function ensureStreams(
  nc: NatsConnection,
  plan: readonly PlannedStream[],
  options: EnsureOptions,
): Promise<EnsuredStream[]> {
  const ensured: EnsuredStream[] = []
  for (const planned of plan) ensured.push(await ensureStream(nc, planned, options))
  return ensured
}

export async function ensureStream(
  nc: NatsConnection,
  planned: PlannedStream,
  options: EnsureOptions,
): Promise<EnsuredStream> {
  const { name, limits } = planned
  const there = await streamInfo(nc, name, options.timeoutMs)
  if (there !== null) return adopt(nc, planned, there, options)
  if (limits === null || !options.create) throw missing(planned)
  checkWindow(name, limits)
  const request = apiOptions(`creating stream ${name}`, options.timeoutMs)
  const answer = await askApi<StreamInfo>(
    nc,
    `STREAM.CREATE.${name}`,
    streamConfigOf(planned, limits, knowsAtomic(nc.info?.version ?? '')),
    request,
  )
  if (!isRefused(answer)) return report(planned, answer, { created: true, added: [] })
  // Another daemon was quicker: look at what it made.
  const made = answer.error.err_code === JS.nameInUse ? await streamInfo(nc, name, options.timeoutMs) : null
  if (made !== null) return adopt(nc, planned, made, options)
  throw await refusedChange(nc, answer.error, request, name, planned.subjects)
}

/** null: no such stream. */
export async function streamInfo(
  nc: NatsConnection,
  name: string,
  timeoutMs?: number,
): Promise<StreamInfo | null> {
  const options = apiOptions(`looking at stream ${name}`, timeoutMs)
  const answer = await askApi<StreamInfo>(nc, `STREAM.INFO.${name}`, null, options)
  if (!isRefused(answer)) return answer
  if (answer.error.err_code === JS.streamNotFound) return null
  throw jetStreamError(answer.error, options.context)
}

async function adopt(
  nc: NatsConnection,
  planned: PlannedStream,
  info: StreamInfo,
  options: EnsureOptions,
  attempt = 1,
): Promise<EnsuredStream> {
  const { name } = planned
  const refusal = refusalOfStream(info.config)
  if (refusal !== null) throw unfit(name, refusal)
  const { subjects, added, clash } = mergeSubjects(info.config.subjects ?? [], planned.subjects)
  if (added.length === 0) return report(planned, info, { created: false, added })
  if (clash !== null) {
    throw unfit(name, `its subject ${clash.own} overlaps ${clash.wanted}, which it should own`)
  }
  if (!options.create || planned.kind === 'existing') throw lacking(name, added)
  const request = apiOptions(`adding ${added.join(', ')} to stream ${name}`, options.timeoutMs)
  // The server's own words go back, so that settings this program has never heard of stay as they are.
  const config: StreamConfig = { ...info.config, subjects }
  const answer = await askApi<StreamInfo>(nc, `STREAM.UPDATE.${name}`, config, request)
  if (isRefused(answer)) throw await refusedChange(nc, answer.error, request, name, added)
  const kept = await settled(nc, name, options)
  const lost = mergeSubjects(kept.config.subjects ?? [], planned.subjects).added
  if (lost.length === 0) return report(planned, kept, { created: false, added })
  if (attempt === MAX_ATTEMPTS) throw overwritten(name, lost)
  return adopt(nc, planned, kept, options, attempt + 1)
}

/** What the stream is when another daemon that has read it before our change has written it, too. */
async function settled(nc: NatsConnection, name: string, { timeoutMs }: EnsureOptions): Promise<StreamInfo> {
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS * (1 + Math.random())))
  const info = await streamInfo(nc, name, timeoutMs)
  if (info === null) throw gone(name)
  return info
}

function report(
  planned: PlannedStream,
  { config, state, created: createdAt }: StreamInfo,
  { created, added }: Pick<EnsuredStream, 'created' | 'added'>,
): EnsuredStream {
  return {
    ...{ planned, name: planned.name, created, added },
    notes: notesOn(config, planned.limits),
    subjects: config.subjects ?? [],
    maxMessageBytes: messageLimit(config),
    retention: config.retention,
    replicas: config.num_replicas,
    atomic: config.allow_atomic === true,
    lastSequence: state.last_seq,
    messages: state.messages,
    createdAt,
  }
}

/** Atomic batches came with nats-server 2.12; an older one would store their messages as ordinary ones. */
export function knowsAtomic(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 12)
}

/** The server does not say with which stream a subject overlaps; it is looked up, and named. */
async function refusedChange(
  nc: NatsConnection,
  error: JetStreamRefusal,
  { context, timeoutMs }: ApiOptions,
  name: string,
  subjects: readonly string[],
): Promise<Error> {
  if (error.err_code === JS.subjectsOverlap) {
    const others = await listStreams(nc, timeoutMs).catch(() => [])
    const clashes = others
      .filter(other => other.name !== name)
      .flatMap(other => other.subjects.map(theirs => ({ other: other.name, theirs })))
      .flatMap(clash => subjects.map(subject => ({ ...clash, subject })))
      .filter(({ subject, theirs }) => subjectsOverlap(subject, theirs))
      .map(({ other, theirs, subject }) => `${subject} with ${theirs} of stream ${other}`)
    if (clashes.length > 0) {
      return new ConfigurationError(`${context}: subjects overlap: ${clashes.join('; ')}`, {
        code: String(JS.subjectsOverlap),
        remedy:
          'Two streams of an account cannot share a subject: change subject_prefix, the rule, or the other stream.',
      })
    }
  }
  return withRoomRemedy(jetStreamError(error, context), error.err_code)
}

/** Only at creation "no storage" means the limits themselves. */
function withRoomRemedy(failure: Error, code: number): Error {
  if (code !== JS.storageFull && code !== JS.memoryFull && code !== JS.insufficientResources) return failure
  return new ConfigurationError(failure.message, {
    code: String(code),
    remedy:
      'The server sets the whole of max_bytes aside for each stream: lower max_bytes, or raise max_file_store of the server or the limits of the account.',
    cause: failure,
  })
}

function checkWindow(name: string, { max_age_seconds, duplicate_window_seconds }: StreamLimits): void {
  if (max_age_seconds === 0 || duplicate_window_seconds <= max_age_seconds) return
  throw new ConfigurationError(
    `stream ${name}: the duplicate window (${duplicate_window_seconds} s) is longer than messages are kept (${max_age_seconds} s)`,
    { code: 'DUPLICATE_WINDOW', remedy: 'Shorten dedup_window_minutes, or raise max_age_days.' },
  )
}

function missing({ name, kind }: PlannedStream): ConfigurationError | RetryableError {
  if (kind === 'existing') return gone(name)
  return new ConfigurationError(`stream ${name} does not exist`, {
    code: 'STREAM_NOT_CREATED',
    remedy: `Create it ("nats stream add ${name}"), or let the daemon do so: [stream] create = true.`,
  })
}

function gone(name: string): RetryableError {
  return new RetryableError(`stream ${name} was there a moment ago, and is gone`, {
    code: 'STREAM_GONE',
    remedy: 'The daemon starts a fresh run, which plans without it.',
  })
}

function overwritten(name: string, lost: readonly string[]): RetryableError {
  return new RetryableError(`stream ${name} has lost ${lost.join(', ')} again, which was added to it`, {
    code: 'STREAM_OVERWRITTEN',
    remedy: `The daemon tries again; look for what else writes the configuration of ${name} if it stays so.`,
  })
}

function lacking(name: string, added: readonly string[]): ConfigurationError {
  return new ConfigurationError(`stream ${name} does not own ${added.join(', ')}`, {
    code: 'STREAM_LACKS_SUBJECTS',
    remedy: `Add them ("nats stream edit ${name} --subjects ..."), or let the daemon do so: [stream] create = true.`,
  })
}

function unfit(name: string, why: string): FatalError {
  return new FatalError(`stream ${name} can't be used: ${why}`, {
    code: 'STREAM_UNFIT',
    remedy:
      'Choose another stream (stream_name, subject_prefix, or the subject of the rule), or change this one.',
  })
}

function apiOptions(context: string, timeoutMs: number | undefined): ApiOptions {
  return timeoutMs === undefined ? { context } : { context, timeoutMs }
}

interface StreamPage {
  readonly total: number
  readonly streams?: readonly StreamInfo[] | null
}
