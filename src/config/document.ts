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
    // Other programs' tables may hold numbers that no number of JavaScript can.
    root = parse(text, { integersAsBigInt: 'asNeeded' })
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    return { problem: { file, line: error.line, key: null, message: `not TOML: ${reasonOf(error, text)}` } }
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

/** With the column, and with what most likely went wrong; of the text itself not a letter, for it may be a secret. */
function reasonOf(error: TomlError, text: string): string {
  const reason = error.message.replace(/^Invalid TOML document: /, '').split('\n')[0]!
  const where = `${reason}, column ${error.column}`
  if (reason !== 'invalid value') return where
  const value = text.split('\n')[error.line - 1]?.slice(error.column - 1) ?? ''
  if (/^(true|false)\b/i.test(value)) return `${where}; write true and false in small letters`
  if (/^[\p{L}/“”„‟«»‘’‚‛]/u.test(value)) return `${where}; text needs straight double quotes: key = "text"`
  return where
}
