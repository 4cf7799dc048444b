/** What the run says: the table of its figures, and what of it breaks a promise. */
import type { Gauges } from './gauges.ts'
import type { SoakResult } from './soak.ts'
import { meansOf, type Point, type Trend, trendOf } from './trend.ts'

export interface Bounds {
  /** A slope counts when it is so many standard errors from zero, */
  readonly errors: number
  /** and when the line rises by so much meanwhile, MiB. */
  readonly riseMib: number
  readonly rssMib: number
  readonly slowestMs: number
  /** WAL between what is confirmed and its end, at any look. */
  readonly lagMib: number
}

export const BOUNDS: Bounds = { errors: 2, riseMib: 3, rssMib: 150, slowestMs: 15_000, lagMib: 100 }

/** Fewer rounds of work and reconnect say nothing about growth. */
const LEAST_ROUNDS = 8
/** The first third is for warming up. */
const STEADY_FROM = 1 / 3
/** So long at least memory is let rise: it was seen to until the ninth minute. */
const RISING_SECONDS = 600
const MIB = 2 ** 20

export interface Verdict {
  readonly violations: readonly string[]
  readonly lines: readonly string[]
}

export function judge(result: SoakResult, reconnectSeconds: number, bounds: Bounds = BOUNDS): Verdict {
  const steady = steadyPart(result.samples).filter(({ seconds }) => seconds >= RISING_SECONDS)
  const trend = (value: (sample: Gauges) => number): Trend => {
    const points: Point[] = steady.map(sample => ({ seconds: sample.seconds, value: value(sample) }))
    const rounds = meansOf(points, reconnectSeconds)
    return {
      ...trendOf(rounds),
      ...(rounds.length < LEAST_ROUNDS ? { error: Number.POSITIVE_INFINITY } : {}),
    }
  }
  const rss = trend(sample => sample.rssMib)
  const heap = trend(sample => sample.heapMib)
  return {
    violations: [
      ...lossOf(result),
      ...growthOf('RSS', rss, bounds),
      ...growthOf('heap', heap, bounds),
      ...boundsOf(result, bounds),
      ...leftoversOf(result),
      ...reconnectsOf(result),
    ],
    lines: table(result, rss, heap),
  }
}

function steadyPart(samples: readonly Gauges[]): readonly Gauges[] {
  return samples.slice(Math.floor(samples.length * STEADY_FROM))
}

function lossOf({ written, stored, read, wrong, wrongs }: SoakResult): string[] {
  return [
    ...(stored === written ? [] : [`${written} events were written, and ${stored} are stored`]),
    ...(read === written ? [] : [`${written} events were written, and ${read} were read`]),
    ...wrong,
    ...(wrongs > wrong.length ? [`and ${wrongs - wrong.length} more like these`] : []),
  ]
}

export function growthOf(what: string, { slope, error, rise }: Trend, bounds: Bounds): string[] {
  if (slope <= bounds.errors * error || rise <= bounds.riseMib) return []
  return [`${what} grows by ${perHour(slope)} ± ${error.toFixed(1)} MiB an hour`]
}

function boundsOf({ samples, slowestMs }: SoakResult, bounds: Bounds): string[] {
  const rss = most(samples, sample => sample.peakMib)
  const lag = most(samples, sample => sample.lagBytes) / MIB
  return [
    ...(rss > bounds.rssMib ? [`RSS reached ${rss.toFixed(0)} MiB, more than ${bounds.rssMib}`] : []),
    ...(lag > bounds.lagMib ? [`${lag.toFixed(0)} MiB of WAL behind, more than ${bounds.lagMib}`] : []),
    ...(slowestMs > bounds.slowestMs
      ? [
          `${(slowestMs / 1000).toFixed(1)} s from a commit to its message, more than ${bounds.slowestMs / 1000}`,
        ]
      : []),
  ]
}

function leftoversOf({ before, after, badEnd }: SoakResult): string[] {
  const types = new Set([...before.resources.keys(), ...after.resources.keys()])
  const more = [...types].filter(type => count(after, type) > count(before, type))
  return [
    ...(after.fds === before.fds
      ? []
      : [`${before.fds} file descriptors before the load, ${after.fds} after it`]),
    ...more.map(type => `${count(before, type)} ${type} before the load, ${count(after, type)} after it`),
    ...(after.lagSeconds === 0 ? [] : [`${after.lagSeconds} s behind after the load`]),
    ...(badEnd === null ? [] : [`it did not end orderly: ${badEnd}`]),
  ]
}

/** A fault that nobody felt would prove nothing. */
function reconnectsOf({ faults, after, before }: SoakResult): string[] {
  const broken = faults.nats + faults.postgres
  const made = after.reconnects - before.reconnects
  return made >= broken ? [] : [`${broken} connections were broken, and only ${made} were made again`]
}

function table(result: SoakResult, rss: Trend, heap: Trend): string[] {
  const { samples, before, after, faults } = result
  const steady = steadyPart(samples)
  const range = (value: (sample: Gauges) => number, digits = 0): string => {
    const values = steady.map(value)
    return `${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}`
  }
  const line = ({ slope, error, mean }: Trend): string =>
    error === Number.POSITIVE_INFINITY
      ? 'too short a run for a slope'
      : `mean ${mean.toFixed(1)} MiB, slope ${perHour(slope)} ± ${error.toFixed(1)} MiB an hour`
  const rows: readonly (readonly [string, string])[] = [
    ['servers', result.versions],
    ['events', `${result.written} written, ${result.stored} stored, ${result.read} read in order`],
    ['minutes', (result.seconds / 60).toFixed(1)],
    ['reconnects', `${faults.nats} to NATS, ${faults.postgres} to PostgreSQL`],
    ['RSS', line(rss)],
    [
      'RSS',
      `${range(sample => sample.rssMib)} MiB, most ever ${most(samples, one => one.peakMib).toFixed(0)} MiB`,
    ],
    ['heap in use', line(heap)],
    ['commit to stored', delaysOf(result)],
    ['WAL behind', `most ${(most(samples, one => one.lagBytes) / MIB).toFixed(1)} MiB`],
    ['WAL retained', `most ${(most(samples, one => one.retainedBytes) / MIB).toFixed(1)} MiB`],
    ['age of what is not done', `most ${most(samples, one => one.lagSeconds).toFixed(1)} s`],
    ['file descriptors', `${before.fds} before, ${range(one => one.fds)} meanwhile, ${after.fds} after`],
    ['threads', `${before.threads} before, ${after.threads} after`],
    ['handles and timers', `${resourcesOf(before)} before, ${resourcesOf(after)} after`],
    [
      'resumes',
      `${after.resumes}; ${after.retried} messages sent again, ${after.skipped} found to be stored`,
    ],
    ['duplicates dropped by JetStream', String(after.duplicates)],
    ['refused by the fence', String(after.fenceBreaks)],
  ]
  return rows.map(([name, value]) => `${name.padEnd(32)} ${value}`)
}

/** The powers of two in which half, 99 % and all of the messages lie. */
function delaysOf({ delays, slowestMs }: SoakResult): string {
  const powers = [...delays].sort(([a], [b]) => a - b)
  const total = powers.reduce((sum, [, messages]) => sum + messages, 0)
  const within = (share: number): string => {
    let seen = 0
    const found = powers.find(([, messages]) => {
      seen += messages
      return seen >= share * total
    })
    return `${2 ** (found?.[0] ?? 0)} ms`
  }
  return `half within ${within(0.5)}, 99 % within ${within(0.99)}, slowest ${(slowestMs / 1000).toFixed(2)} s`
}

function resourcesOf({ resources }: Gauges): string {
  return [...resources]
    .sort()
    .map(([type, number]) => `${number} ${type}`)
    .join(', ')
}

function count({ resources }: Gauges, type: string): number {
  return resources.get(type) ?? 0
}

function most(samples: readonly Gauges[], value: (sample: Gauges) => number): number {
  return samples.reduce((highest, sample) => Math.max(highest, value(sample)), 0)
}

function perHour(slope: number): string {
  return `${slope < 0 ? '' : '+'}${slope.toFixed(1)}`
}
