/**
 * The benchmark itself works: with few rows every scenario runs, every row arrives, and every figure is there. What the
 * figures are is not looked at: that depends on the machine and on what else it does.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArgs } from 'node:util'
import { manyTables } from '../../bench/backlog.ts'
import { type BenchResult, runBench } from '../../bench/bench.ts'
import { DAEMON_MAIN } from '../../bench/daemon-run.ts'
import { FLAGS, type Options, readOptions, SCENARIOS } from '../../bench/options.ts'
import { plot } from '../../bench/plot.ts'
import { type Measured, runBacklog } from '../../bench/scenario-backlog.ts'
import { startServers } from '../../bench/servers.ts'
import type { Spread } from '../../bench/statistics.ts'
import { percentiles, spread } from '../../bench/statistics.ts'
import { backlogTable, idleTable, memoryTable, steadyTable } from '../../bench/table.ts'

const ROWS = 3000
const SMALL = [
  '--scenario',
  SCENARIOS.filter(name => name !== 'scale').join(),
  '--runs',
  '1',
  '--rows',
  `${ROWS}`,
  '--huge-rows',
  '5000',
  '--seconds',
  '1',
  '--warm-up',
  '2',
  '--no-fsync',
]

function parse(args: string[]): Options {
  return readOptions(parseArgs({ args, options: FLAGS }).values, DAEMON_MAIN)
}

function smallRun(): Options {
  return parse([...SMALL, '--rates', '100,6000'])
}

test('every scenario gives its figures, and every row arrives', { timeout: 240_000 }, async () => {
  const said: string[] = []
  const options = smallRun()
  const result = await runBench(options, text => said.push(text))
  const names = result.backlogs.map(({ scenario, rows }) => `${scenario} ${rows}`)
  assert.deepEqual(names, [
    `backlog-one-tx ${ROWS}`,
    `backlog-many-tx ${ROWS}`,
    `mid ${ROWS}`,
    `mixed ${ROWS / 3}`,
  ])
  for (const { measured } of result.backlogs) {
    const kinds = measured.map(({ name, kind }) => `${kind}: ${name}`).filter(name => !/pg_recv/.test(name))
    assert.deepEqual(kinds, [
      'read: raw reader',
      'daemon: daemon, omit',
      'store: raw publisher, singles, omit',
      'store: raw publisher, chains, omit',
      'store: raw publisher, batches, omit',
      'store: raw publisher, fast ingest, omit',
      'daemon: daemon, copy',
      'store: raw publisher, singles, copy',
      'store: raw publisher, chains, copy',
      'store: raw publisher, batches, copy',
      'store: raw publisher, fast ingest, copy',
    ])
    for (const each of measured) checkMeasured(each)
  }
  checkOthers(result)
  const svg = plot('caption', result.backlogs, result.memory)
  for (const { scenario } of [...result.backlogs, ...result.memory]) assert.ok(svg.includes(scenario))
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/)
})

function checkMeasured({ name, kind, eventsPerSecond, cpuUs, ratioToRead, ratioToStore, ...rest }: Measured) {
  const figures: Record<string, Spread> = { eventsPerSecond, own: cpuUs.own, nats: cpuUs.nats }
  if (kind === 'daemon') Object.assign(figures, { ratioToRead, ratioToStore, walsender: cpuUs.walsender })
  if (name !== 'pg_recvlogical') {
    assert.ok(rest.peakMib.max > 10, `${name} has memory`)
    assert.ok(rest.runs[0]!.bytes > ROWS, `${name} moved bytes`)
    for (const [figure, { median }] of Object.entries(figures)) {
      assert.ok(Number.isFinite(median), `${name}: ${figure} is a number`)
    }
  }
  assert.equal(rest.runs.length, 1)
  if (kind === 'daemon') assert.match(rest.message?.subject ?? '', /^fraiseql\.mutation\./)
}

function checkOthers(result: BenchResult) {
  const { steady, steadyLimits, memory, idle, machine, backlogs } = result
  assert.ok(machine.processor !== '' && machine.cores > 0)
  assert.equal(steady.length, 4)
  for (const { rate, runs } of steady) {
    assert.equal(runs[0]!.messages, rate * 3)
    for (const latency of Object.values(runs[0]!.latencies)) {
      assert.ok(latency.p50 <= latency.p99 && latency.p99 <= latency.max && Number.isFinite(latency.max))
    }
    assert.ok(runs[0]!.latencies.commitToAck.p50 > 0)
  }
  assert.deepEqual(
    steadyLimits.map(({ rate }) => rate),
    [...new Set(steady.map(({ rate }) => rate))],
  )
  for (const { toRead, toAck } of steadyLimits) {
    for (const { p50, max } of [toRead[0]!, toAck[0]!]) assert.ok(p50 > 0 && p50 <= max)
  }
  assert.deepEqual(
    memory.map(({ scenario, rows, runs }) => [scenario, rows, runs.length]),
    [
      ['huge-tx', 5000, 2],
      ['large-rows', ROWS / 30, 2],
      ['stalled', ROWS, 2],
    ],
  )
  for (const { runs } of memory) for (const { peakMib } of runs) assert.ok(peakMib > 10)
  assert.ok(idle[0]!.busy.walBytes > idle[0]!.quiet.walBytes)
  const text = [
    ...backlogs.map(backlogTable),
    steadyTable(steady, steadyLimits),
    ...memory.map(memoryTable),
  ].join('\n')
  assert.doesNotMatch(text + idle.map(idleTable).join('\n'), /NaN|Infinity|undefined/)
  // And `steady` and `scale`.
  assert.equal(new Set(SCENARIOS).size, backlogs.length + memory.length + idle.length + 2)
}

test('many tables with a rule each, on three servers, beside another variant', {
  timeout: 240_000,
}, async () => {
  const args = ['--runs', '1', '--rows', '1000', '--entity', 'omit', '--no-limits', '--no-fsync']
  const variant = ['--store', 'replicated', '--variant', 'batches,FRAISEQL_PUBLISH_ATOMIC=transactions']
  const options = parse([...args, ...variant])
  const servers = await startServers(options)
  try {
    const { measured } = await runBacklog(servers, 'scale', manyTables(20, true), options, () => {})
    assert.deepEqual(
      measured.map(({ name }) => name),
      ['daemon, omit', 'batches, omit'],
    )
    for (const { message, eventsPerSecond } of measured) {
      assert.match(message!.subject, /^fraiseql\.mutation\.part_\d+$/)
      assert.ok(Number.isFinite(eventsPerSecond.median))
    }
  } finally {
    await servers.stop()
  }
})

test('percentiles are values that were seen', () => {
  const values = Float64Array.from({ length: 1000 }, (_, index) => 1000 - index)
  assert.deepEqual(percentiles(values), { p50: 500, p90: 900, p99: 990, p999: 999, max: 1000 })
  assert.deepEqual(spread([3, Number.NaN, 1, 2, 4]), { min: 1, median: 2.5, max: 4 })
})

test('options that mean nothing are refused', () => {
  assert.throws(() => parse(['--scenario', 'fast']), /--scenario takes .* not "fast"/)
  assert.throws(() => parse(['--rows', '-1']))
  assert.throws(() => parse(['--unknown']))
})
