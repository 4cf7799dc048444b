/**
 * The daemon's metrics. Hot paths only add to plain numbers; everything is copied into the registry when
 * somebody scrapes, so a scrape pays and an event does not. What there is to count stands in
 * metrics/catalogue.ts.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import {
  COUNTERS,
  type CounterName,
  GAUGES,
  type GaugeName,
  LABELLED,
  LATENCIES,
  type LatencyName,
  METRIC_PREFIX,
} from './metrics/catalogue.ts'
import { histogramText, Latency } from './metrics/latency.ts'

/** Messages of one subject pattern in one stream; kept by whoever publishes, and added to directly. */
export interface PublishedSeries {
  readonly subject: string
  readonly stream: string
  count: number
}

/** What is known of one stream. */
export interface StreamSeries {
  readonly stream: string
  lastSequence: number
  /** null: it is shared by design, and left out. */
  fenced: boolean | null
}

export interface Metrics {
  readonly counters: Record<CounterName, number>
  readonly gauges: Record<GaugeName, number | null>
  readonly latencies: Readonly<Record<LatencyName, Latency>>
  /** The same object for the same subject pattern and stream. */
  published(subject: string, stream: string): PublishedSeries
  /**
   * The subject patterns of now: series of others, whose tables are gone, are not scraped any more. One that is counted
   * in later, because a row of such a table was still on its way, comes back with its whole count.
   */
  publishing(subjects: ReadonlySet<string>): void
  stream(name: string): StreamSeries
  /** `reason` is one of a few words: each makes a time series. */
  countResume(reason: string): void
  countReconnect(server: 'nats' | 'postgres'): void
  /** Runs before every scrape: the place to fill gauges that nobody needs between scrapes. */
  onScrape(fill: () => void): void
  /** The text format of Prometheus. */
  scrape(): Promise<string>
  readonly contentType: string
}

export interface MetricsOptions {
  readonly version: string
}

export function createMetrics({ version }: MetricsOptions): Metrics {
  const registry = new Registry()
  const published = new Map<string, PublishedSeries>()
  /** With their counts when they were left out. */
  const ended = new Map<PublishedSeries, number>()
  const streams = new Map<string, StreamSeries>()
  const resumes = new Map<string, number>()
  const reconnects = new Map([
    ['nats', 0],
    ['postgres', 0],
  ])
  const fills: (() => void)[] = []

  const counters = plainCounters(registry)
  const gauges = plainGauges(registry)
  const latencies = mapKeys(LATENCIES, () => new Latency())
  copied(registry, 'published', metric => {
    for (const series of published.values()) {
      const { subject, stream, count } = series
      if (ended.get(series) !== count) metric.inc({ subject, stream }, count)
    }
  })
  copied(registry, 'resumes', metric => {
    for (const [reason, count] of resumes) metric.inc({ reason }, count)
  })
  copied(registry, 'reconnects', metric => {
    for (const [server, count] of reconnects) metric.inc({ server }, count)
  })
  copied(registry, 'streamSequence', metric => {
    for (const { stream, lastSequence } of streams.values()) metric.inc({ stream }, lastSequence)
  })
  copied(registry, 'streamFenced', metric => {
    for (const { stream, fenced } of streams.values()) {
      if (fenced !== null) metric.inc({ stream }, fenced ? 1 : 0)
    }
  })
  copied(registry, 'buildInfo', metric => metric.inc({ version, node: process.versions.node }, 1))
  collectDefaultMetrics({ register: registry })

  return {
    counters,
    gauges,
    latencies,
    published: (subject, stream) =>
      once(published, `${subject} ${stream}`, () => ({ subject, stream, count: 0 })),
    publishing: subjects => {
      ended.clear()
      for (const series of published.values()) {
        if (!subjects.has(series.subject)) ended.set(series, series.count)
      }
    },
    stream: name => once(streams, name, () => ({ stream: name, lastSequence: 0, fenced: true })),
    countResume: reason => void resumes.set(reason, (resumes.get(reason) ?? 0) + 1),
    countReconnect: server => void reconnects.set(server, reconnects.get(server)! + 1),
    onScrape: fill => void fills.push(fill),
    async scrape() {
      for (const fill of fills) fill()
      return `${await registry.metrics()}\n${latenciesText(latencies)}`
    },
    contentType: registry.contentType,
  }
}

function plainCounters(registry: Registry): Record<CounterName, number> {
  const counters = mapKeys(COUNTERS, () => 0)
  for (const [key, { name, help }] of entries(COUNTERS)) {
    new Counter({
      name: METRIC_PREFIX + name,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(counters[key])
      },
    })
  }
  return counters
}

function plainGauges(registry: Registry): Record<GaugeName, number | null> {
  const gauges = mapKeys(GAUGES, (): number | null => null)
  for (const [key, { name, help }] of entries(GAUGES)) {
    new Gauge({
      name: METRIC_PREFIX + name,
      help,
      registers: [registry],
      collect() {
        const value = gauges[key]
        if (value === null) this.remove()
        else this.set(value)
      },
    })
  }
  return gauges
}

function latenciesText(latencies: Readonly<Record<LatencyName, Latency>>): string {
  return entries(LATENCIES)
    .map(([key, { name, help }]) => histogramText(METRIC_PREFIX + name, help, latencies[key]))
    .join('\n')
}

interface Labelled {
  inc(labels: Readonly<Record<string, string>>, value: number): void
}

/** A metric with labels, written anew at every scrape. */
function copied(registry: Registry, key: keyof typeof LABELLED, fill: (metric: Labelled) => void): void {
  const { name, type, labels, help } = LABELLED[key]
  const options = { name: METRIC_PREFIX + name, help, labelNames: [...labels], registers: [registry] }
  const collect = function (this: Labelled & { reset(): void }): void {
    this.reset()
    fill(this)
  }
  if (type === 'counter') new Counter<string>({ ...options, collect })
  else new Gauge<string>({ ...options, collect })
}

function once<T>(map: Map<string, T>, key: string, make: () => T): T {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

function entries<K extends string, V>(table: Readonly<Record<K, V>>): readonly (readonly [K, V])[] {
  return Object.entries(table) as [K, V][]
}

function mapKeys<K extends string, T>(table: Readonly<Record<K, unknown>>, make: () => T): Record<K, T> {
  return Object.fromEntries(entries(table).map(([key]) => [key, make()])) as Record<K, T>
}
