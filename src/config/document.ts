/**
 * One configuration file as read: its rules, its tables, and the line of every key. Syntax errors become problems
 * with their line; the parser's own text is cut, because it quotes the file, and with it passwords.
 */
import { parse, TomlError } from 'smol-toml'
import type { ConfigurationProblem } from '../errors.ts'
import { formatKeyPath, type KeyPath } from './key-path.ts'
import { keyLines } from './positions.ts'
import type { Layer, Place } from './setting.ts'
import { SETTINGS_KEY, splitToml } from './split-toml.ts'

export interface Document {
  readonly file: string
  readonly layer: Layer
  /** What stands under `[[observers]]`. */
  readonly rules: readonly unknown[]
  /** All other tables. */
  readonly tables: Readonly<Record<string, unknown>>
  readonly placeOf: (path: KeyPath) => Place
}

export function readDocument(
  file: string,
  layer: Layer,
  source: string,
): { document: Document } | { problem: ConfigurationProblem } {
  const { text, split } = splitToml(source)
  let root: Record<string, unknown>
  try {
    root = parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const reason = error.message.replace(/^Invalid TOML document: /, '').split('\n')[0]!
    return { problem: { file, line: error.line, key: null, message: `not TOML: ${reason}` } }
  }
  const lines = keyLines(text)
  const { observers, [SETTINGS_KEY]: settings, ...others } = root
  const rules = Array.isArray(observers) ? observers : []
  const own = split ? settings : Array.isArray(observers) ? undefined : observers
  const placeOf = (path: KeyPath): Place => {
    const parsed =
      split && path[0] === 'observers' && typeof path[1] !== 'number'
        ? [SETTINGS_KEY, ...path.slice(1)]
        : path
    return { file, line: lines.get(formatKeyPath(parsed)) ?? null, written: formatKeyPath(path) }
  }
  return {
    document: {
      file,
      layer,
      rules,
      tables: own === undefined ? others : { ...others, observers: own },
      placeOf,
    },
  }
}
