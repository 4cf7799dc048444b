/**
 * What a stream that exists already means for the daemon: whether it can be used at all, which subjects it lacks, and
 * what a person should know about it. Pure.
 */
import type { StreamLimits } from '../config/config.ts'
import { type StreamConfig, streamConfigOf } from './stream-config.ts'
import { containedInAny, subjectsOverlap, withoutContained } from './subject-overlap.ts'

/** Why the delivery contract can't be kept with it; null: it can. */
export function refusalOfStream(config: StreamConfig): string | null {
  if (config.no_ack) return 'no_ack = true, so nothing tells when a message is stored'
  if (config.sealed) return 'it is sealed and takes no more messages'
  if (config.mirror) return 'it is a mirror and takes messages only from its origin'
  if (config.allow_msg_counter) return 'it counts (allow_msg_counter) and takes no other messages'
  return null
}

export interface MergedSubjects {
  readonly subjects: string[]
  /** Wanted and not owned yet. */
  readonly added: string[]
  /** Neither contains the other, which no stream may have. */
  readonly clash: { readonly own: string; readonly wanted: string } | null
}

/** What it owns, and what it should. A subject that a wider one swallows is left out: nothing is lost by that. */
export function mergeSubjects(own: readonly string[], wanted: readonly string[]): MergedSubjects {
  const added = wanted.filter(subject => !containedInAny(own, subject))
  const subjects = withoutContained([...own, ...added])
  const clash = subjects
    .filter(subject => own.includes(subject))
    .flatMap(kept => added.map(subject => ({ own: kept, wanted: subject })))
    .find(pair => pair.own !== pair.wanted && subjectsOverlap(pair.own, pair.wanted))
  return { subjects, added, clash: clash ?? null }
}

/** One line for each. `limits` null: it isn't ours to compare. */
export function notesOn(config: StreamConfig, limits: StreamLimits | null): string[] {
  return [...(limits === null ? [] : differences(config, limits)), ...peculiarities(config)]
}

function differences(config: StreamConfig, limits: StreamLimits): string[] {
  const wanted = streamConfigOf(
    { name: config.name, kind: 'main', subjects: [], limits, shared: false },
    limits,
    false,
  )
  const lines: [what: string, there: string, here: string, flag: string][] = [
    ['max_age', age(config.max_age), age(wanted.max_age), `--max-age=${limits.max_age_seconds}s`],
    ['max_bytes', count(config.max_bytes), count(wanted.max_bytes), `--max-bytes=${wanted.max_bytes}`],
    ['max_msgs', count(config.max_msgs), count(wanted.max_msgs), `--max-msgs=${wanted.max_msgs}`],
    [
      'max_msg_size',
      count(config.max_msg_size),
      count(wanted.max_msg_size),
      `--max-msg-size=${wanted.max_msg_size}`,
    ],
    [
      'duplicate_window',
      age(config.duplicate_window),
      age(wanted.duplicate_window ?? config.duplicate_window),
      `--dupe-window=${limits.duplicate_window_seconds}s`,
    ],
    [
      'replicas',
      String(config.num_replicas),
      String(wanted.num_replicas),
      `--replicas=${wanted.num_replicas}`,
    ],
    ['discard', config.discard, wanted.discard, `--discard=${wanted.discard}`],
    ['retention', config.retention, wanted.retention, ''],
    ['storage', config.storage, wanted.storage, ''],
  ]
  return lines
    .filter(([, there, here]) => there !== here)
    .map(([what, there, here, flag]) => {
      const way =
        flag === ''
          ? 'it can only be set when a stream is created'
          : `"nats stream edit ${config.name} ${flag}" does it`
      return `${what} is ${there} there, ${here} configured; not changed: ${way}`
    })
}

function peculiarities(config: StreamConfig): string[] {
  const notes: string[] = []
  if (config.retention !== 'limits') {
    notes.push(
      `retention is ${config.retention}: consumed messages are gone, so duplicates can't be ruled out after an outage longer than the duplicate window (${age(config.duplicate_window)})`,
    )
  }
  if (config.retention === 'interest') {
    notes.push('retention is interest: what is published while it has no consumer is dropped at once')
  }
  if (config.persist_mode === 'async') {
    notes.push(
      'persist_mode is async: acks come before the file is written, and a crash may lose those messages',
    )
  }
  if (config.storage === 'memory') notes.push('storage is memory: a restart of the server loses the messages')
  if ((config.max_msgs_per_subject ?? -1) > 0) {
    notes.push(
      `keeps only the last ${config.max_msgs_per_subject} messages of a subject: older events vanish, and after an outage longer than the duplicate window one of them may be stored again behind a newer one, and remove it`,
    )
  }
  if (config.republish) notes.push(`the server republishes its messages to ${config.republish.dest}`)
  if (config.subject_transform)
    notes.push(`the server stores its messages under ${config.subject_transform.dest}`)
  if (config.sources && config.sources.length > 0) {
    notes.push(
      `it also takes messages from ${config.sources.map(({ name }) => name).join(', ')}: their order is mixed with ours`,
    )
  }
  return notes
}

/** Nanoseconds for people; 0 means for ever. */
function age(nanoseconds: number | undefined): string {
  const seconds = (nanoseconds ?? 0) / 1e9
  if (seconds === 0) return 'unlimited'
  const units: [number, string][] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
  ]
  const unit = units.find(([size]) => seconds % size === 0)
  return unit === undefined ? `${seconds} s` : `${seconds / unit[0]} ${unit[1]}`
}

function count(value: number | undefined): string {
  return value === undefined || value <= 0 ? 'unlimited' : String(value)
}
