/**
 * What is written and does nothing in this release: settings of the worker and of other sources, and what rules say to
 * a worker. FraiseQL's own files hold such things, so they are accepted; but nobody may wait for what never comes.
 */
import type { ConfigurationProblem } from '../errors.ts'
import { problemAt } from './collect.ts'
import type { Rule } from './config.ts'
import type { Missing } from './schema.ts'
import type { Place, Setting } from './setting.ts'

/** One line for each table in which such keys are written; a key alone is named itself. */
export function settingsWithoutEffect(winners: Iterable<Setting>): ConfigurationProblem[] {
  const tables = new Map<string, { readonly needs: Missing; readonly places: Place[] }>()
  for (const { key, place } of winners) {
    if (key.needs === undefined) continue
    const table = JSON.stringify([place.file, key.needs, tableOf(place.written)])
    const found = tables.get(table) ?? { needs: key.needs, places: [] }
    found.places.push(place)
    tables.set(table, found)
  }
  return [...tables.values()].map(({ needs, places }) => {
    const [first, ...others] = places.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)) as [Place, ...Place[]]
    if (others.length === 0) return problemAt(first, `has no effect in this release, which has no ${needs}`)
    const names = places.map(({ written }) => written.slice(tableOf(written).length + 1)).join(', ')
    const message = `${names} have no effect in this release, which has no ${needs}`
    return problemAt({ ...first, written: tableOf(first.written) }, message)
  })
}

function tableOf(written: string): string {
  return written.slice(0, Math.max(0, written.lastIndexOf('.')))
}

/** `placeOf`: of a key of the rule; without one, of the rule itself. */
export function ruleWithoutEffect(rule: Rule, placeOf: (...name: string[]) => Place): ConfigurationProblem[] {
  if (isWorkers(rule)) {
    return [
      problemAt(placeOf(), 'has no effect in this release, which has no worker: nothing is published for it'),
    ]
  }
  const { condition = null, actions = [] } = rule
  return [
    ...(condition === null
      ? []
      : [problemAt(placeOf('condition'), `has no effect in this release: ${unfiltered(rule)}`)]),
    ...(actions.length === 0
      ? []
      : [problemAt(placeOf('actions'), 'has no effect in this release: the rule only publishes')]),
  ]
}

/** A rule without table and channel publishes nothing. */
export function isWorkers({ table, channel }: Rule): boolean {
  return table === null && channel === null
}

/** What a condition is mistaken for: a filter. */
function unfiltered({ table, operations }: Rule): string {
  const what = operations.length === 0 ? 'change' : operations.join(' and ')
  return `every ${what} of ${table} is published, whether the condition holds or not`
}
