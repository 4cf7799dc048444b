/**
 * FraiseQL's documentation writes rules as `[[observers]]` and settings as `[observers]` in one file, which TOML
 * forbids. Where both stand, the headers of the settings get another name before parsing, each on its line, so that
 * every line number stays right. Strings and comments that only look like headers are not touched.
 */
import { type Statement, scanToml } from './toml-scan.ts'

/** No one has a table of this name: as a key it must be quoted. */
export const SETTINGS_KEY = '[observers]'

const QUOTED = JSON.stringify(SETTINGS_KEY)

export interface SplitToml {
  readonly text: string
  /** true: the settings are under SETTINGS_KEY, the rules under `observers`. */
  readonly split: boolean
}

export function splitToml(text: string): SplitToml {
  const statements = scanToml(text)
  const renamed = statements.some(isRules) ? settingsOf(statements) : []
  let result = ''
  let at = 0
  for (const { start, end } of renamed) {
    result += text.slice(at, start) + QUOTED
    at = end
  }
  return { text: result + text.slice(at), split: renamed.length > 0 }
}

function isRules(statement: Statement): boolean {
  return statement.kind === 'array of tables' && statement.path.length === 1 && isObservers(statement)
}

function isObservers(statement: Statement): boolean {
  return statement.path[0] === 'observers'
}

/**
 * `[observers]` is settings, and so is `observers.x = ...` before the first header. A header of a part
 * (`[observers.x]`, `[[observers.x]]`) belongs to what was opened last: a rule, as TOML says, or the settings.
 */
function settingsOf(statements: readonly Statement[]): Statement[] {
  const settings: Statement[] = []
  let atTop = true
  let inRules = false
  for (const statement of statements) {
    if (statement.kind === 'key') {
      if (atTop && statement.path.length > 1 && isObservers(statement)) settings.push(statement)
      continue
    }
    atTop = false
    if (!isObservers(statement)) continue
    if (statement.path.length === 1) inRules = isRules(statement)
    if (!inRules) settings.push(statement)
  }
  return settings
}
