/**
 * Short runs of the fault bench with fixed seeds: the daemon under a workload, with servers killed, frozen and cut off,
 * and the stream compared with an independent capture of the same WAL. docs/reliability.md has the long runs.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BenchOptions, runBench } from '../fault/bench.ts'
import { report } from '../fault/report.ts'

const SHORT: BenchOptions = {
  seed: 0,
  minutes: 0.35,
  major: undefined,
  release: undefined,
  cluster: false,
  bigRows: 0,
  only: [],
  window: 1024,
  atomic: 'auto',
  disks: false,
  say: () => {},
}
/** At least; a slow machine gets through fewer. */
const LEAST_FAULTS = 4

async function keeps(options: Partial<BenchOptions>): Promise<void> {
  const said: string[] = []
  const result = await runBench({ ...SHORT, ...options, say: text => said.push(text) })
  const { lines, kept } = report(result)
  assert.ok(kept, [...said.slice(-40), ...lines].join('\n'))
  assert.ok(result.faults.size >= LEAST_FAULTS, `only ${[...result.faults.keys()].join(', ')}`)
  assert.ok(result.verdict.events > 1_000, `only ${result.verdict.events} events`)
}

test('faults of a single server: nothing lost, doubled or out of place', async () => {
  await keeps({ seed: 21 })
})

test('faults of a cluster of three: nothing lost, doubled or out of place', async () => {
  await keeps({ seed: 3, cluster: true })
})

test('faults with transactions in atomic batches: nothing lost, doubled or out of place', async () => {
  await keeps({ seed: 19, atomic: 'transactions' })
})
