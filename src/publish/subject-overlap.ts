/**
 * The algebra of subject filters: `*` stands for one token, `>` for one or more at the end. Two streams of an account
 * must not share a subject, so the plan of streams is made of these questions.
 * https://docs.nats.io/nats-concepts/subjects#wildcards
 */

/** Some subject matches both. */
export function subjectsOverlap(a: string, b: string): boolean {
  const left = a.split('.')
  const right = b.split('.')
  for (let i = 0; i < left.length && i < right.length; i++) {
    const one = left[i]
    const other = right[i]
    if (one === '>' || other === '>') return true
    if (one !== other && one !== '*' && other !== '*') return false
  }
  return left.length === right.length
}

/** Every subject that matches `inner` matches `outer`. */
export function subjectContains(outer: string, inner: string): boolean {
  const wide = outer.split('.')
  const narrow = inner.split('.')
  for (let i = 0; i < wide.length; i++) {
    const token = narrow[i]
    if (token === undefined) return false
    if (wide[i] === '>') return true
    if (token === '>' || (wide[i] !== token && wide[i] !== '*')) return false
  }
  return wide.length === narrow.length
}

/** One of the filters alone has all of `subject`. */
export function containedInAny(filters: readonly string[], subject: string): boolean {
  return filters.some(filter => subjectContains(filter, subject))
}

/** The first of the filters that shares a subject with `subject`. */
export function overlapAmong(filters: readonly string[], subject: string): string | undefined {
  return filters.find(filter => subjectsOverlap(filter, subject))
}

/** The same subjects in as few filters as there are: none is contained in another. Order is kept. */
export function withoutContained(filters: readonly string[]): string[] {
  const distinct = [...new Set(filters)]
  return distinct.filter(
    filter => !distinct.some(other => other !== filter && subjectContains(other, filter)),
  )
}
