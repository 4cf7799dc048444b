/**
 * JetStream's error codes by name; and of those that its API answers what each makes the program do, what it means, and
 * what a person should do (for a refused publish: publish/refusal.ts). One place, so that nothing looks at message texts,
 * which change between releases. Only what the daemon can meet is in it.
 * https://github.com/nats-io/nats-server/blob/main/server/errors.json
 */
import { ConfigurationError, FatalError, RetryableError } from './errors.ts'

type JetStreamBehaviour = 'retry' | 'configuration' | 'fatal'
type Entry = readonly [JetStreamBehaviour, what: string, remedy: string]

/** The `error` object of an answer. `code` resembles an HTTP status. */
export interface JetStreamRefusal {
  readonly code: number
  readonly err_code: number
  readonly description: string
}

/** The codes that decisions are made by. */
export const JS = {
  accountFull: 10002,
  consumerNotFound: 10014,
  insufficientResources: 10023,
  memoryFull: 10028,
  noMessageFound: 10037,
  notEnabledForAccount: 10039,
  storageFull: 10047,
  invalidConfig: 10052,
  messageTooLarge: 10054,
  nameInUse: 10058,
  streamNotFound: 10059,
  streamMismatch: 10060,
  subjectsOverlap: 10065,
  wrongLastMessageId: 10070,
  wrongLastSequence: 10071,
  replicasNotSupported: 10074,
  notEnabled: 10076,
  storeFailed: 10077,
  sealed: 10109,
  noLimitsForReplicas: 10120,
  /** Another message of the same Msg-Id is under way, or was refused (see Publisher.acked). */
  duplicateInProcess: 10158,
  wrongLastSequenceConstant: 10164,
  batchesNotAllowed: 10174,
  duplicateInBatch: 10201,
} as const

/** Codes of our own errors where a program may look for them; every other has JetStream's number as its code. */
export const STREAM_MISSING = 'STREAM_MISSING'
export const JETSTREAM_NOT_ENABLED = 'JETSTREAM_NOT_ENABLED'
const OWN_CODES: Readonly<Record<number, string>> = {
  [JS.streamNotFound]: STREAM_MISSING,
  [JS.notEnabledForAccount]: JETSTREAM_NOT_ENABLED,
  [JS.notEnabled]: JETSTREAM_NOT_ENABLED,
}

const WAIT = 'The daemon tries again by itself; nothing is lost meanwhile.'
const ROOM =
  'Make room: shorten max_age or max_bytes of streams, purge what is not needed, or raise the limits of the server (jetstream { max_file_store }) or of the account.'
const LIMITS = 'Raise the JetStream limits of the account, or lower those of the stream.'
const FEWER_REPLICAS =
  'Set replicas = 1 for a single server, or run a cluster with at least that many servers.'
const SUBJECTS =
  'Give each subject to one stream: change the subject of the rule, subject_prefix, or the streams.'
const CLUSTER =
  'The servers of the cluster are electing a leader or are not all there; look at "nats server report jetstream".'

const TABLE: Readonly<Record<number, Entry>> = {
  // JetStream itself.
  [JS.notEnabled]: [
    'fatal',
    'this NATS server runs without JetStream',
    'Start nats-server with -js, or with a jetstream { } block in its configuration.',
  ],
  [JS.notEnabledForAccount]: [
    'fatal',
    'this NATS account has no JetStream',
    'Enable it: "jetstream: enabled" in the account, or "nsc edit account --js-enable 1"; or log in as another account.',
  ],
  10035: ['fatal', 'the NATS account is unknown to JetStream', 'Check the account of these credentials.'],
  [JS.accountFull]: ['retry', "the account's JetStream limits are reached", LIMITS],
  [JS.noLimitsForReplicas]: ['fatal', 'the account has no JetStream limits for so many replicas', LIMITS],
  10003: [
    'fatal',
    'JetStream does not understand the request',
    'Check the version of nats-server (2.9 or later).',
  ],
  10025: [
    'fatal',
    'JetStream does not understand the request',
    'Check the version of nats-server (2.9 or later).',
  ],
  10185: ['fatal', 'this nats-server is too old for what was asked', 'Upgrade nats-server.'],
  // A cluster that is not ready.
  10004: ['retry', 'some servers of the cluster did not answer', CLUSTER],
  10007: ['retry', 'this server does not hold the stream', CLUSTER],
  10008: ['retry', 'JetStream is unavailable for the moment', CLUSTER],
  10009: ['retry', 'this server does not lead the cluster', CLUSTER],
  10041: ['retry', 'the cluster could not agree', CLUSTER],
  10118: ['retry', 'the stream is offline', CLUSTER],
  10194: ['retry', 'the stream is offline', CLUSTER],
  10202: ['retry', 'the cluster is changing its members', CLUSTER],
  10163: ['retry', 'the stream is not ready to check the last sequence', WAIT],
  10167: ['retry', 'the server has too many requests to answer', WAIT],
  // Creating and changing streams.
  10005: ['retry', 'the cluster has no suitable servers for the stream, or not yet', FEWER_REPLICAS],
  [JS.replicasNotSupported]: ['configuration', 'a single NATS server cannot keep replicas', FEWER_REPLICAS],
  [JS.insufficientResources]: ['retry', 'the server has not enough storage or memory for the stream', ROOM],
  [JS.memoryFull]: ['retry', 'the server has not enough memory for the stream', ROOM],
  10027: [
    'configuration',
    'the account may not have more streams',
    'Remove streams, or raise max_streams of the account.',
  ],
  10026: [
    'configuration',
    'the stream may not have more consumers',
    'Raise max_consumers of the stream or the account.',
  ],
  10049: ['retry', 'the stream could not be created', WAIT],
  10069: ['retry', 'the stream could not be changed', WAIT],
  [JS.invalidConfig]: [
    'configuration',
    'NATS refuses these settings of the stream',
    'Correct what the server names.',
  ],
  10053: ['configuration', 'the settings of the stream exceed limits', LIMITS],
  10113: ['configuration', 'the account wants max_bytes for every stream', 'Set max_bytes.'],
  10122: ['configuration', "max_bytes is more than the account's streams may have", 'Lower max_bytes.'],
  10128: [
    'configuration',
    'the name of the stream has / or \\',
    'Choose a name of letters, digits, - and _.',
  ],
  [JS.nameInUse]: [
    'configuration',
    'a stream of this name exists with other settings',
    'Choose another name.',
  ],
  [JS.subjectsOverlap]: ['configuration', 'another stream has an overlapping subject', SUBJECTS],
  10061: ['configuration', 'the replicas of the stream cannot be changed', FEWER_REPLICAS],
  [JS.storageFull]: ['retry', 'the server has no storage left', ROOM],
  // The stream as it is.
  [JS.streamNotFound]: [
    'retry',
    'the stream does not exist',
    'Start anew: it is created, unless [stream] create is false.',
  ],
  [JS.sealed]: ['fatal', 'the stream is sealed and takes no more messages', 'Use another stream_name.'],
  [JS.noMessageFound]: ['retry', 'the message is not there any more', WAIT],
  10043: ['retry', 'the sequence is not there any more', WAIT],
  [JS.consumerNotFound]: ['retry', 'the consumer is gone', WAIT],
}

/** What to do about a code; unknown ones are judged by their status. */
function behaviourOf({ code, err_code }: Pick<JetStreamRefusal, 'code' | 'err_code'>): JetStreamBehaviour {
  return TABLE[err_code]?.[0] ?? (code >= 500 || code === 429 || code === 408 ? 'retry' : 'fatal')
}

export type JetStreamFailure = ConfigurationError | FatalError | RetryableError

/** `context` begins the message: what was tried, on which stream. */
export function jetStreamError(
  refusal: JetStreamRefusal,
  context: string,
  cause?: unknown,
): JetStreamFailure {
  const { err_code, description } = refusal
  const [, what, remedy] = TABLE[err_code] ?? [null, 'JetStream refuses', 'Look into the log of nats-server.']
  const message = `${context}: ${what} (${description}, ${err_code})`
  const details = { code: OWN_CODES[err_code] ?? String(err_code), remedy, cause }
  switch (behaviourOf(refusal)) {
    case 'configuration':
      return new ConfigurationError(message, details)
    case 'fatal':
      return new FatalError(message, details)
    case 'retry':
      return new RetryableError(message, details)
  }
}
