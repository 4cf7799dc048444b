/**
 * The plot of a run, as SVG: for each backlog a group of bars (events per second, the median, with a line from the
 * least to the most), and the daemon's memory over time where that was measured.
 */

import type { BacklogResult, Measured } from './scenario-backlog.ts'
import type { MemoryResult } from './scenario-memory.ts'

const WIDTH = 900
const LABEL = 170
const BAR = 18
const GAP = 4
const CHART_HEIGHT = 180
const COLOURS = { read: '#9aa5b1', daemon: '#2563eb', store: '#c9b27c' } as const
const LINES = ['#2563eb', '#0d9488', '#b45309', '#7c3aed']

interface Part {
  readonly svg: string
  readonly height: number
}

export function plot(
  caption: string,
  backlogs: readonly BacklogResult[],
  memory: readonly MemoryResult[],
): string {
  const parts = [title(caption), ...backlogs.map(bars), ...memory.map(curves)]
  let top = 10
  const placed = parts.map(({ svg, height }) => {
    const group = `<g transform="translate(0 ${top})">${svg}</g>`
    top += height + 18
    return group
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...placed,
    '</svg>',
    '',
  ].join('\n')
}

function title(caption: string): Part {
  return { svg: text(10, 14, caption, 'fill="#555" font-size="11"'), height: 16 }
}

function bars({ scenario, rows, measured }: BacklogResult): Part {
  const most = Math.max(...measured.map(({ eventsPerSecond }) => eventsPerSecond.max))
  const scale = (WIDTH - LABEL - 90) / most
  const lines = measured.map((each, index) => bar(each, 24 + index * (BAR + GAP), scale))
  const head = text(
    10,
    14,
    `${scenario}: ${rows.toLocaleString('en')} rows, events per second`,
    'font-weight="bold"',
  )
  return { svg: [head, ...lines].join(''), height: 24 + measured.length * (BAR + GAP) }
}

function bar({ name, kind, eventsPerSecond }: Measured, top: number, scale: number): string {
  const { min, median, max } = eventsPerSecond
  const x = (value: number) => (LABEL + value * scale).toFixed(1)
  const middle = top + BAR / 2
  return [
    text(LABEL - 8, top + 13, name, 'text-anchor="end"'),
    `<rect x="${LABEL}" y="${top}" width="${(median * scale).toFixed(1)}" height="${BAR}" fill="${COLOURS[kind]}"/>`,
    `<path d="M${x(min)} ${middle}H${x(max)}" stroke="#111"/>`,
    text(LABEL + max * scale + 6, top + 13, Math.round(median).toLocaleString('en'), ''),
  ].join('')
}

function curves({ scenario, rows, runs }: MemoryResult): Part {
  const samples = runs.flatMap(run => run.samples)
  const seconds = Math.max(1, ...samples.map(sample => sample.seconds))
  const mib = Math.max(150, ...samples.map(sample => sample.mib))
  const bottom = CHART_HEIGHT - 20
  const x = (value: number) => (LABEL + (value / seconds) * (WIDTH - LABEL - 90)).toFixed(1)
  const y = (value: number) => (bottom - (value / mib) * (bottom - 24)).toFixed(1)
  const lines = runs.map(({ name, samples: points }, index) => {
    const colour = LINES[index % LINES.length]!
    const path = points.map(point => `${x(point.seconds)} ${y(point.mib)}`).join('L')
    const label = text(LABEL - 8, 40 + index * 16, name, `text-anchor="end" fill="${colour}"`)
    return path === '' ? label : `${label}<path d="M${path}" fill="none" stroke="${colour}"/>`
  })
  const axis = [0, 50, 100, 150]
    .map(
      value =>
        `<path d="M${LABEL} ${y(value)}H${WIDTH - 90}" stroke="#ddd"/>${text(WIDTH - 84, Number(y(value)) + 4, `${value} MiB`, 'fill="#555"')}`,
    )
    .join('')
  const head = text(
    10,
    14,
    `${scenario}: ${rows.toLocaleString('en')} rows, memory over ${seconds.toFixed(0)} s`,
    'font-weight="bold"',
  )
  return { svg: [head, axis, ...lines].join(''), height: CHART_HEIGHT }
}

function text(x: number, y: number, content: string, attributes: string): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${safe}</text>`
}
