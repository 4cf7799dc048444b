/** The name that a person most likely meant, for "did you mean": the closest by edits, unless it is far off. */
/** `within`: edits at most; without it, a third of the name, and two in short names. */
export function closest(name: string, candidates: Iterable<string>, within?: number): string | null {
  const wanted = name.toLowerCase()
  let best: string | null = null
  let least = (within ?? Math.max(2, Math.floor(wanted.length / 3))) + 1
  for (const candidate of candidates) {
    const distance = edits(wanted, candidate.toLowerCase(), least)
    if (distance < least && distance < candidate.length) {
      best = candidate
      least = distance
    }
  }
  return best
}

/** Insertions, deletions, substitutions and swaps of neighbours; `limit` where there are as many or more. */
export function edits(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let least = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) least = Math.min(least, before[j - 2]! + 1)
      row.push(least)
    }
    before = previous
    previous = row
  }
  return Math.min(previous[b.length]!, limit)
}
