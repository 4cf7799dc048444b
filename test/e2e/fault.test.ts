/**
 * A short run of the fault bench with fixed seeds: the daemon under a workload, with servers killed, frozen and cut off,
 * and the stream compared with an independent capture of the same WAL. docs/reliability.md has the long runs.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BenchOptions, runBench } from '../fault/bench.ts'
import { report } from '../fault/report.ts'

const SHORT: BenchOptions = {
  seed: 2,
  minutes: 0.3,
  major: undefined,
  release: undefined,
  cluster: false,
  bigRows: 0,
  only: [],
  window: 1024,
  say: () => {},
}

async function keeps(options: Partial<BenchOptions>): Promise<void> {
  const said: string[] = []
  const result = await runBench({ ...SHORT, ...options, say: text => said.push(text) })
  const { lines, kept } = report(result)
  assert.ok(kept, [...said.slice(-40), ...lines].join('\n'))
}

test('faults of a single server: nothing lost, doubled or out of place', async () => {
  await keeps({ seed: 2 })
})

test('faults of a cluster of three: nothing lost, doubled or out of place', async () => {
  await keeps({ seed: 3, cluster: true })
})
