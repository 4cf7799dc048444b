/**
 * Settings from the environment and from flags. Every key has a variable, `FRAISEQL_` and its path in capitals; so
 * have the other spellings, and FraiseQL's double underscore between table and key is taken too.
 */
import type { ConfigurationProblem } from '../errors.ts'
import { closest } from './closest.ts'
import { type Conversion, SPELLINGS, VARIABLES, variableOf } from './dialects.ts'
import type { Environment } from './expand.ts'
import { KEYS, type Key, keyAt } from './keys.ts'
import type { Setting } from './setting.ts'

interface Variable {
  readonly key: Key
  readonly convert: Conversion | undefined
}

/** By name. Keys below a name that the person chooses have none. */
export const ENVIRONMENT: ReadonlyMap<string, Variable> = variables()

export function environmentSettings(env: Environment): {
  settings: Setting[]
  warnings: ConfigurationProblem[]
} {
  const settings: Setting[] = []
  const warnings: ConfigurationProblem[] = []
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '') continue
    const variable = ENVIRONMENT.get(name) ?? ENVIRONMENT.get(name.replaceAll('__', '_'))
    if (variable !== undefined) settings.push(setting(name, variable, value))
    else if (name.startsWith('FRAISEQL_')) warnings.push(...suspect(name))
  }
  return { settings, warnings }
}

/** `flags`: by path of the key, `http.port`; undefined values are flags that were not given. */
export function flagSettings(flags: Readonly<Record<string, unknown>>): Setting[] {
  return Object.entries(flags).flatMap(([path, value]) => {
    if (value === undefined) return []
    const target = path.split('.')
    const key = keyAt(target)
    if (key === undefined) throw new Error(`a flag is declared for ${path}, which is no key`)
    const place = { file: null, line: null, written: path }
    return [{ key, target, value, convert: undefined, layer: 'flag' as const, place, placeOf: () => place }]
  })
}

function variables(): Map<string, Variable> {
  const map = new Map<string, Variable>()
  for (const { from, to, convert } of SPELLINGS) {
    if (to === null || from.includes('*')) continue
    map.set(variableOf(from), { key: keyAt(to.split('.'))!, convert })
  }
  for (const [name, path] of Object.entries(VARIABLES)) {
    map.set(name, { key: keyAt(path.split('.'))!, convert: undefined })
  }
  for (const key of KEYS) {
    if (!key.path.includes('*')) map.set(variableOf(key.path.join('.')), { key, convert: undefined })
  }
  return map
}

function setting(name: string, { key, convert }: Variable, value: string): Setting {
  const place = { file: null, line: null, written: name }
  const layer = name.startsWith('FRAISEQL_') ? 'own environment' : 'environment'
  return { key, target: key.path, value, convert, layer, place, placeOf: () => place }
}

/** FraiseQL has variables of its own, so only a near miss is worth a word. */
function suspect(name: string): ConfigurationProblem[] {
  const meant = closest(name, ENVIRONMENT.keys(), 2)
  if (meant === null) return []
  return [{ file: null, line: null, key: name, message: `has no effect; did you mean ${meant}?` }]
}
