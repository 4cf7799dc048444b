/**
 * A latency recorder for hot paths: one addition per observation into a typed array, no label maps, no
 * allocation. prom-client's histogram costs some thirty times as much and can't be filled from counts, so
 * the text that Prometheus reads is written here too.
 */

/**
 * Upper bounds in seconds. From a commit on the same machine (under a millisecond) to a backlog after an
 * outage.
 */
export const BOUNDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
  300,
] as const

export class Latency {
  /** Per bucket, the last one for everything above the highest bound; not cumulative. */
  readonly counts = new Float64Array(BOUNDS.length + 1)
  sum = 0

  /** Clocks of two machines may disagree: below zero counts as zero; what is no number counts as nothing. */
  observe(seconds: number): void {
    if (!Number.isFinite(seconds)) return
    let bucket = seconds > 0.01 ? 7 : 0
    while (bucket < BOUNDS.length && seconds > BOUNDS[bucket]!) bucket++
    this.counts[bucket]!++
    if (seconds > 0) this.sum += seconds
  }

  get count(): number {
    return this.counts.reduce((total, count) => total + count, 0)
  }

  /** Estimated within its bucket; null before the first observation. `share`: 0.99 for p99. */
  quantile(share: number): number | null {
    const total = this.count
    if (total === 0) return null
    let rest = share * total
    for (let bucket = 0; bucket < BOUNDS.length; bucket++) {
      const count = this.counts[bucket]!
      const low = bucket === 0 ? 0 : BOUNDS[bucket - 1]!
      if (count > 0 && rest <= count) return low + (BOUNDS[bucket]! - low) * (rest / count)
      rest -= count
    }
    return BOUNDS.at(-1)!
  }
}

/** A histogram in the text format: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function histogramText(name: string, help: string, { counts, sum }: Latency): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`]
  let total = 0
  for (let bucket = 0; bucket < counts.length; bucket++) {
    total += counts[bucket]!
    lines.push(`${name}_bucket{le="${BOUNDS[bucket] ?? '+Inf'}"} ${total}`)
  }
  lines.push(`${name}_sum ${sum}`, `${name}_count ${total}`)
  return `${lines.join('\n')}\n`
}
