/**
 * Of all settings of a key the last layer wins; its text is expanded, read as the key's type and checked. What is
 * overridden is not looked at, so that a variable that is unset in this place does no harm.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ConfigurationProblem } from '../errors.ts'
import { problemAt } from './collect.ts'
import { convert } from './dialects.ts'
import { type Environment, expandVariables, hasVariables } from './expand.ts'
import { issueText } from './issue-text.ts'
import { formatKeyPath } from './key-path.ts'
import type { Key } from './keys.ts'
import { describePlace, LAYERS, type Place, type Setting } from './setting.ts'

export interface Resolved {
  /** Checked values by path of the key; keys with problems are missing. */
  readonly values: ReadonlyMap<string, unknown>
  /** The setting that won, by path of the key, whether its value is good or not. */
  readonly winners: ReadonlyMap<string, Setting>
  readonly problems: ConfigurationProblem[]
  readonly warnings: ConfigurationProblem[]
}

export function resolve(settings: readonly Setting[], env: Environment): Resolved {
  const values = new Map<string, unknown>()
  const winners = new Map<string, Setting>()
  const problems: ConfigurationProblem[] = []
  const warnings: ConfigurationProblem[] = []
  for (const [path, candidates] of byTarget(settings)) {
    const last = Math.max(...candidates.map(rank))
    const [winner, ...rivals] = candidates
      .filter(candidate => rank(candidate) === last)
      .sort((a, b) => (a.place.line ?? 0) - (b.place.line ?? 0)) as [Setting, ...Setting[]]
    winners.set(path, winner)
    const result = evaluate(winner, env)
    if ('problems' in result) {
      problems.push(...result.problems)
      continue
    }
    values.set(path, result.value)
    for (const rival of rivals) problems.push(...disagreement(winner, result.value, rival, env))
    warnings.push(...overridden(winner, result.value, candidates, env))
  }
  return { values, winners, problems, warnings }
}

function rank({ layer }: Setting): number {
  return LAYERS.indexOf(layer)
}

function byTarget(settings: readonly Setting[]): Map<string, Setting[]> {
  const groups = new Map<string, Setting[]>()
  for (const setting of settings) {
    const path = formatKeyPath(setting.target)
    const group = groups.get(path)
    if (group === undefined) groups.set(path, [setting])
    else group.push(setting)
  }
  return groups
}

type Evaluated = { readonly value: unknown } | { readonly problems: ConfigurationProblem[] }

function evaluate(setting: Setting, env: Environment): Evaluated {
  const { key } = setting
  const problems: ConfigurationProblem[] = []
  const expanded = expand(setting, env, problems)
  if (problems.length > 0) return { problems }
  const checked = key.type.safeParse(convert(expanded, setting.convert))
  if (checked.success) return { value: checked.data }
  return { problems: checked.error.issues.map(issue => explain(issue, setting, expanded)) }
}

/** Expands variables and reads text as the type of the key, where it came from a variable or a flag. */
function expand(setting: Setting, env: Environment, problems: ConfigurationProblem[]): unknown {
  const { key, value, layer, placeOf } = setting
  const one = (item: unknown, place: Place): unknown => {
    if (typeof item !== 'string' || layer.endsWith('environment') || layer === 'flag') return item
    const result = expandVariables(item, env)
    if ('text' in result) return result.text
    problems.push(problemAt(place, result.problem))
    return item
  }
  if (Array.isArray(value)) return value.map((item, i) => one(item, placeOf([i])))
  const text = one(value, setting.place)
  if (typeof text !== 'string') return text
  const fromFile = layer.startsWith('fraiseql') && !hasVariables(String(value))
  return fromFile && key.kind !== 'list' && key.kind !== 'choice' ? text : typed(text, key)
}

function typed(text: string, { kind, choices }: Key): unknown {
  switch (kind) {
    case 'number':
      return /^\s*[+-]?\d[\d_]*\s*$/.test(text) ? Number(text.replaceAll('_', '')) : text
    case 'boolean':
      return (
        { true: true, 1: true, yes: true, on: true, false: false, 0: false, no: false, off: false }[
          text.trim().toLowerCase()
        ] ?? text
      )
    case 'choice':
      return choices.find(choice => choice === text.trim().toLowerCase()) ?? text
    case 'list':
      return text.split(',').flatMap(part => (part.trim() === '' ? [] : [part.trim()]))
    case 'text':
      return text
  }
}

function explain(
  issue: Parameters<typeof issueText>[0],
  setting: Setting,
  value: unknown,
): ConfigurationProblem {
  const [part] = issue.path
  const inList = typeof part === 'number' && Array.isArray(setting.value)
  const place = inList ? setting.placeOf([part]) : setting.place
  const checked = typeof part === 'number' && Array.isArray(value) ? value[part] : value
  if (setting.convert === 'duration' && typeof checked === 'string') {
    return problemAt(place, 'must be a duration such as "90s", "5m" or "720h", or a whole number of seconds')
  }
  return problemAt(place, issueText(issue, setting.key, checked))
}

/** The same key in two spellings, in one file: fine while they agree. */
function disagreement(
  winner: Setting,
  value: unknown,
  rival: Setting,
  env: Environment,
): ConfigurationProblem[] {
  const other = evaluate(rival, env)
  if ('problems' in other) return other.problems
  if (isDeepStrictEqual(other.value, value)) return []
  const first = `${winner.place.written} (${describePlace(winner)})`
  return [problemAt(rival.place, `says the same as ${first}, with another value; keep one of them`)]
}

/** DATABASE_URL and NATS_URL are often set for other programs, so that a file they override is worth a word. */
function overridden(
  winner: Setting,
  value: unknown,
  candidates: readonly Setting[],
  env: Environment,
): ConfigurationProblem[] {
  if (winner.layer !== 'environment') return []
  return candidates.flatMap(candidate => {
    if (candidate.layer === winner.layer) return []
    const other = evaluate(candidate, env)
    if ('problems' in other || isDeepStrictEqual(other.value, value)) return []
    return [problemAt(candidate.place, `is overridden by the environment variable ${winner.place.written}`)]
  })
}
