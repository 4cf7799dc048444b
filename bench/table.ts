/** Figures as lines of a table for people: Markdown, so that they can be put into a document as they are. */
import type { BacklogResult, Measured } from './scenario-backlog.ts'
import type { IdleResult } from './scenario-idle.ts'
import type { MemoryResult } from './scenario-memory.ts'
import { medianLatency, type SteadyLimit, type SteadyResult } from './scenario-steady.ts'
import { median, type Percentiles, type Spread } from './statistics.ts'

const PERCENTILES = ['p50', 'p90', 'p99', 'p999', 'max'] as const

export function backlogTable({ scenario, rows, measured }: BacklogResult): string {
  const head = ['program', 'events/s: min', 'median', 'max', 'MB/s', 'to reading', 'to storing']
  const costs = ['own us/event', 'walsender us', 'nats-server us', 'peak RSS MiB']
  return [`### ${scenario}, ${rows} rows`, '', table([...head, ...costs], measured.map(line)), ''].join('\n')
}

function line(each: Measured): readonly string[] {
  const { name, eventsPerSecond, megabytesPerSecond, ratioToRead, ratioToStore, cpuUs, peakMib } = each
  return [
    name,
    rate(eventsPerSecond.min),
    rate(eventsPerSecond.median),
    rate(eventsPerSecond.max),
    figure(megabytesPerSecond.median, 0),
    ratio(ratioToRead),
    ratio(ratioToStore),
    figure(cpuUs.own.median, 2),
    figure(cpuUs.walsender.median, 2),
    figure(cpuUs.nats.median, 2),
    figure(peakMib.max, 0),
  ]
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map(row => row[column]?.length ?? 0)),
  )
  const text = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [text(head), rule, ...rows.map(text)].join('\n')
}

export function figure(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : ''
}

function rate(value: number): string {
  return Number.isFinite(value) ? `${(value / 1000).toFixed(1)}k` : ''
}

function ratio({ min, median: middle, max }: Spread): string {
  return Number.isFinite(middle) ? `${middle.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})` : ''
}

export function steadyTable(results: readonly SteadyResult[], limits: readonly SteadyLimit[]): string {
  const head = [
    'steady',
    'latency, ms',
    'p50',
    'p90',
    'p99',
    'p99.9',
    'max',
    'reached/s',
    'daemon cores',
    'nats cores',
  ]
  const kinds = {
    commitToAck: 'commit to ack',
    commitToConsumer: 'commit to consumer',
    intendedToAck: 'intended to ack',
    intendedToConsumer: 'intended to consumer',
    intendedToCommit: 'intended to commit',
  } as const
  const rows = results.flatMap(({ rate: wanted, name, runs }) =>
    (Object.keys(kinds) as (keyof typeof kinds)[]).map((kind, index) => [
      index === 0 ? `${wanted}/s ${name}` : '',
      kinds[kind],
      ...PERCENTILES.map(percentile => figure(medianLatency(runs, kind, percentile), 2)),
      ...(index === 0
        ? [
            figure(median(runs.map(run => run.achievedRate)), 0),
            figure(median(runs.map(run => run.cores.daemon)), 3),
            figure(median(runs.map(run => run.cores.nats)), 3),
          ]
        : ['', '', '']),
    ]),
  )
  const limitRow = (name: string, kind: string, runs: readonly Percentiles[]) => [
    ...[name, kind],
    ...PERCENTILES.map(percentile => figure(median(runs.map(run => run[percentile])), 2)),
    ...['', '', ''],
  ]
  const limitRows = limits.flatMap(({ rate: wanted, toRead, toAck }) => [
    limitRow(`${wanted}/s reader that discards`, 'commit to read', toRead),
    limitRow(`${wanted}/s raw bridge`, kinds.commitToAck, toAck),
  ])
  return ['### steady, medians of the runs', '', table(head, [...limitRows, ...rows]), ''].join('\n')
}

export function memoryTable({ scenario, rows, runs }: MemoryResult): string {
  const head = ['program', 'seconds', 'peak RSS MiB', 'growth MiB']
  const lines = runs.map(({ name, seconds, peakMib, growthMib }) => [
    name,
    figure(seconds, 1),
    figure(peakMib, 0),
    figure(growthMib, 1),
  ])
  return [`### ${scenario}, ${rows} rows`, '', table(head, lines), ''].join('\n')
}

export function idleTable({ quiet, busy, peakMib }: IdleResult): string {
  const head = [
    'idle',
    'daemon ms/s',
    'walsender ms/s',
    'WAL kB/s',
    'held back kB',
    'unconfirmed kB',
    'peak RSS MiB',
  ]
  const row = (name: string, span: IdleResult['quiet']) => [
    name,
    figure(span.daemonMs, 2),
    figure(span.walsenderMs, 2),
    figure(span.walBytes / 1000, 1),
    figure(span.retainedBytes / 1000, 0),
    figure(span.unconfirmedBytes / 1000, 0),
    figure(peakMib, 0),
  ]
  return ['### idle', '', table(head, [row('quiet server', quiet), row('busy neighbour', busy)]), ''].join(
    '\n',
  )
}
