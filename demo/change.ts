/**
 * One row change, as the shop wrote it and as the stream holds it; and the comparison of the two lists, which is the
 * promise of the daemon: each change once, in commit order. Pure.
 */

export interface Change {
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE'
  readonly entity: string
  readonly id: string
  /** A column that tells the changes of one row apart: the order's status, the item's quantity. */
  readonly value: string
}

export interface Verdict {
  readonly good: boolean
  /** One sentence each, the first few. */
  readonly findings: readonly string[]
}

const MOST_FINDINGS = 5

/** `arrived` in the order of the stream. */
export function compare(written: readonly Change[], arrived: readonly Change[]): Verdict {
  const findings: string[] = []
  const wanted = tally(written)
  const got = tally(arrived)
  for (const [change, times] of wanted) {
    const found = got.get(change) ?? 0
    if (found < times) findings.push(`missing: ${change}`)
    if (found > times) findings.push(`arrived ${found} times: ${change}`)
  }
  for (const change of got.keys()) if (!wanted.has(change)) findings.push(`never written: ${change}`)
  const first = written.findIndex((change, i) => nameOf(change) !== nameOf(arrived[i]))
  if (findings.length === 0 && first >= 0) {
    findings.push(
      `out of order from event ${first + 1} on: ${nameOf(arrived[first])} before ${nameOf(written[first])}`,
    )
  }
  return { good: findings.length === 0, findings: findings.slice(0, MOST_FINDINGS) }
}

function tally(changes: readonly Change[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const change of changes) counts.set(nameOf(change), (counts.get(nameOf(change)) ?? 0) + 1)
  return counts
}

function nameOf(change: Change | undefined): string {
  return change === undefined
    ? 'nothing'
    : `${change.operation} ${change.entity} ${change.id} (${change.value})`
}
