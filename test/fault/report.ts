/** What a run found, in lines for people. */
import type { Result } from './bench.ts'

export interface Report {
  readonly lines: readonly string[]
  /** Every promise was kept. */
  readonly kept: boolean
}

export function report(result: Result): Report {
  const { verdict, faults, actions, recoveries, takeovers, peakBytes, complaints } = result
  const { counts } = verdict
  const broken = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const kept = broken === 0 && complaints.length === 0
  const longest = recoveries.reduce((most, one) => (one.ms > most.ms ? one : most), { fault: 'none', ms: 0 })
  const total = [...faults.values()].reduce((sum, count) => sum + count, 0)
  return {
    kept,
    lines: [
      `events ${verdict.events}, stored ${verdict.stored}, of strangers ${verdict.strangers}`,
      `losses ${counts.loss}, duplicates ${counts.duplicate}, misorders ${counts.misorder}, early confirmations ${counts['early confirmation']} (${verdict.samples} samples)`,
      `rows that differ ${counts.difference}, never committed ${counts.invention}, false floors ${counts['false floor']}, without a fence for no reason ${counts['no fence']}`,
      `late by a stranger's message ${verdict.lateByStranger}, again after a purge or deletion ${verdict.againAfterPurge}`,
      `without the fence: stored again after the duplicate window ${verdict.doubledUnfenced}, late ${verdict.lateUnfenced}`,
      `longest recovery ${longest.ms} ms (${longest.fault}) of ${recoveries.length}; longest takeover ${Math.max(0, ...takeovers)} ms of ${takeovers.length}`,
      `most memory of the daemon ${(peakBytes / 2 ** 20).toFixed(0)} MiB`,
      `faults ${total}`,
      ...table(faults),
      `workload ${table(actions)
        .map(line => line.trim())
        .join(', ')}`,
      ...verdict.violations.map(({ text }) => `VIOLATION ${text}`),
      ...complaints.map(text => `VIOLATION ${text}`),
      ...result.lostByBroker.slice(0, 5).map(text => `the broker lost: ${text}`),
      kept ? 'every promise was kept' : `what happened: ${result.journal}`,
    ],
  }
}

function table(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `  ${name}: ${count}`)
}
