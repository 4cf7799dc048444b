import assert from 'node:assert/strict'
import { test } from 'node:test'
import { declarations } from '../../src/metrics/catalogue.ts'
import { BOUNDS, Latency } from '../../src/metrics/latency.ts'
import { createMetrics } from '../../src/metrics.ts'

async function sample(
  metrics: ReturnType<typeof createMetrics>,
  series: string,
): Promise<number | undefined> {
  const line = (await metrics.scrape()).split('\n').find(each => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

test('every declared metric is there once, with its help and type', async () => {
  const metrics = createMetrics({ version: '1.2.3' })
  const lines = (await metrics.scrape()).split('\n')
  for (const { name, type, help } of declarations()) {
    assert.equal(lines.filter(line => line === `# TYPE ${name} ${type}`).length, 1, name)
    assert.equal(lines.filter(line => line === `# HELP ${name} ${help}`).length, 1, name)
  }
  assert.ok(lines.some(line => line.startsWith('process_resident_memory_bytes ')))
  assert.match(metrics.contentType, /^text\/plain; version=0\.0\.4/)
})

test("FraiseQL's own names are kept", () => {
  const names = new Set(declarations().map(({ name }) => name))
  for (const name of [
    'fraiseql_observer_events_processed_total',
    'fraiseql_observer_events_failed_total',
    'fraiseql_observer_events_retried_total',
    'fraiseql_observer_processing_duration_seconds',
  ]) {
    assert.ok(names.has(name), name)
  }
})

test('a series that nothing is published to any more is left out, until something is after all', async () => {
  const metrics = createMetrics({ version: '1.2.3' })
  const scraped = async () => (await metrics.scrape()).match(/(?<=published_total\{subject=)"\w".* \d+$/gm)
  const gone = metrics.published('a', 'main')
  gone.count += 2
  metrics.published('b', 'main').count++
  metrics.publishing(new Set(['b', 'c']))
  assert.deepEqual(await scraped(), ['"b",stream="main"} 1'])
  gone.count++
  assert.deepEqual(await scraped(), ['"a",stream="main"} 3', '"b",stream="main"} 1'])
  metrics.publishing(new Set(['b']))
  assert.deepEqual(await scraped(), ['"b",stream="main"} 1'])
  metrics.publishing(new Set(['a', 'b']))
  assert.deepEqual(await scraped(), ['"a",stream="main"} 3', '"b",stream="main"} 1'])
})

test('what was counted is what is scraped, twice', async () => {
  const metrics = createMetrics({ version: '1.2.3' })
  metrics.counters.eventsProcessed += 3
  metrics.counters.pausedSeconds += 0.25
  const series = metrics.published('a.*', 'main')
  assert.equal(metrics.published('a.*', 'main'), series)
  series.count += 2
  metrics.countResume('start')
  metrics.countReconnect('nats')
  metrics.stream('main').lastSequence = 7
  for (let scrape = 0; scrape < 2; scrape++) {
    assert.equal(await sample(metrics, 'fraiseql_observer_events_processed_total'), 3)
    assert.equal(await sample(metrics, 'fraiseql_observer_paused_seconds_total'), 0.25)
    assert.equal(
      await sample(metrics, 'fraiseql_observer_messages_published_total{subject="a.*",stream="main"}'),
      2,
    )
    assert.equal(await sample(metrics, 'fraiseql_observer_resumes_total{reason="start"}'), 1)
    assert.equal(await sample(metrics, 'fraiseql_observer_reconnects_total{server="nats"}'), 1)
    assert.equal(await sample(metrics, 'fraiseql_observer_reconnects_total{server="postgres"}'), 0)
    assert.equal(await sample(metrics, 'fraiseql_observer_stream_last_sequence{stream="main"}'), 7)
    assert.equal(await sample(metrics, 'fraiseql_observer_stream_fenced{stream="main"}'), 1)
  }
  const build = `fraiseql_observer_build_info{version="1.2.3",node="${process.versions.node}"}`
  assert.equal(await sample(metrics, build), 1)
})

test('a gauge that nobody knows is left out, and filled when scraped', async () => {
  const metrics = createMetrics({ version: '1.2.3' })
  assert.equal(await sample(metrics, 'fraiseql_observer_slot_lag_bytes'), undefined)
  let lag: number | null = 5
  metrics.onScrape(() => {
    metrics.gauges.slotLagBytes = lag
  })
  assert.equal(await sample(metrics, 'fraiseql_observer_slot_lag_bytes'), 5)
  lag = null
  assert.equal(await sample(metrics, 'fraiseql_observer_slot_lag_bytes'), undefined)
  lag = 0
  assert.equal(await sample(metrics, 'fraiseql_observer_slot_lag_bytes'), 0)
})

test('two sets of metrics do not share counts', async () => {
  const one = createMetrics({ version: '1' })
  const two = createMetrics({ version: '2' })
  one.counters.duplicates++
  assert.equal(await sample(two, 'fraiseql_observer_duplicates_total'), 0)
})

test('an observation falls into the bucket of its upper bound', () => {
  for (const [index, bound] of BOUNDS.entries()) {
    const latency = new Latency()
    latency.observe(bound)
    assert.equal(latency.counts[index], 1, `le ${bound}`)
    latency.observe(bound * 1.0001)
    assert.equal(latency.counts[index + 1], 1, `above ${bound}`)
  }
  const odd = new Latency()
  for (const seconds of [-1, 0, Number.NaN, Number.POSITIVE_INFINITY]) odd.observe(seconds)
  assert.equal(odd.counts[0], 2)
  assert.equal(odd.sum, 0)
  assert.equal(odd.count, 2)
})

test('a histogram is cumulative and ends with +Inf', async () => {
  const metrics = createMetrics({ version: '1' })
  for (const seconds of [0.0001, 0.002, 0.002, 1_000]) metrics.latencies.publishAck.observe(seconds)
  const name = 'fraiseql_observer_publish_ack_duration_seconds'
  assert.equal(await sample(metrics, `${name}_bucket{le="0.0001"}`), 1)
  assert.equal(await sample(metrics, `${name}_bucket{le="0.0025"}`), 3)
  assert.equal(await sample(metrics, `${name}_bucket{le="300"}`), 3)
  assert.equal(await sample(metrics, `${name}_bucket{le="+Inf"}`), 4)
  assert.equal(await sample(metrics, `${name}_count`), 4)
  assert.equal(await sample(metrics, `${name}_sum`), 1_000.0041)
})

test('quantiles are estimated within their bucket', () => {
  const latency = new Latency()
  assert.equal(latency.quantile(0.5), null)
  for (let i = 0; i < 99; i++) latency.observe(0.0004)
  latency.observe(2)
  assert.ok(Math.abs(latency.quantile(0.5)! - 0.000376) < 0.00001)
  assert.ok(latency.quantile(0.99)! <= 0.0005)
  assert.equal(latency.quantile(1), 2.5)
})
