/**
 * The line of every key of a TOML text, by key path. The parser gives positions for syntax errors only, and an error
 * about a value is worth little without its line.
 */
import { formatKeyPath, type KeyPath } from './key-path.ts'
import { type ScannedEntry, type ScannedValue, scanToml } from './toml-scan.ts'

/** Lines count from 1. Tables have the line of their header, or of the first key that made them. */
export function keyLines(text: string): ReadonlyMap<string, number> {
  const index = new Index()
  let table: KeyPath = []
  for (const statement of scanToml(text)) {
    if (statement.kind === 'key') index.entry(table, statement)
    else table = index.header(statement.path, statement.kind === 'array of tables', statement.line)
  }
  return index.lines
}

class Index {
  readonly lines = new Map<string, number>()
  /** How many tables an array of tables has so far, by path. */
  readonly #tables = new Map<string, number>()

  /** Headers name arrays of tables without a number and mean the last table of each. */
  header(names: readonly string[], isArray: boolean, line: number): KeyPath {
    let path: KeyPath = []
    names.forEach((name, i) => {
      path = [...path, name]
      this.#note(path, line)
      const key = formatKeyPath(path)
      const count = (this.#tables.get(key) ?? 0) + (isArray && i === names.length - 1 ? 1 : 0)
      if (count === 0) return
      this.#tables.set(key, count)
      path = [...path, count - 1]
      this.#note(path, line)
    })
    return path
  }

  entry(table: KeyPath, { path, line, value }: ScannedEntry): void {
    path.forEach((_, i) => {
      this.#note([...table, ...path.slice(0, i + 1)], line)
    })
    this.#value([...table, ...path], value)
  }

  #value(path: KeyPath, value: ScannedValue): void {
    if (value.kind === 'inline table') for (const entry of value.entries) this.entry(path, entry)
    if (value.kind !== 'array') return
    value.items.forEach((item, i) => {
      this.#note([...path, i], item.line)
      this.#value([...path, i], item.value)
    })
  }

  #note(path: KeyPath, line: number): void {
    const key = formatKeyPath(path)
    if (!this.lines.has(key)) this.lines.set(key, line)
  }
}
