/** Figures as lines of a table for people: Markdown, so that they can be put into a document as they are. */
import type { BacklogResult, Measured } from './scenario-backlog.ts'
import type { Spread } from './statistics.ts'

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

function ratio({ min, median, max }: Spread): string {
  return Number.isFinite(median) ? `${median.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})` : ''
}
