/**
 * From the tables of one file to settings: every value in a table of ours goes to its key, and a name nobody knows is
 * a problem with the name that was probably meant. Tables of other programs are left alone.
 */
import type { ConfigurationProblem } from '../errors.ts'
import { closest } from './closest.ts'
import type { Document } from './document.ts'
import { formatKeyPath } from './key-path.ts'
import { keyAt } from './keys.ts'
import { isTable, type Meaning, NAMES, type Names, tablesWith } from './names.ts'
import type { Place, Setting } from './setting.ts'

/** The tables that ask for TLS by being there. */
const TLS = [tableOf('nats', 'tls'), tableOf('transport', 'nats', 'tls')]

export interface Collected {
  readonly settings: Setting[]
  readonly problems: ConfigurationProblem[]
  readonly warnings: ConfigurationProblem[]
}

export function collect(document: Document): Collected {
  const collected: Collected = { settings: [], problems: [], warnings: [] }
  for (const [name, value] of Object.entries(document.tables)) {
    const names = NAMES.children.get(name)
    if (names !== undefined) walk(document, [name], [], value, names, collected)
    else suspect(document, name, collected)
  }
  return collected
}

/** Another program's table, unless it is one letter away from ours: then it was probably meant. */
function suspect(document: Document, name: string, { warnings }: Collected): void {
  const meant = name.length < 5 ? null : closest(name, NAMES.children.keys(), 1)
  if (meant === null) return
  const place = document.placeOf([name])
  warnings.push(problemAt(place, `is not a table of the observer and has no effect; did you mean ${meant}?`))
}

function walk(
  document: Document,
  path: readonly string[],
  captured: readonly string[],
  value: unknown,
  names: Names,
  collected: Collected,
): void {
  const { meaning } = names
  const place = document.placeOf(path)
  if (!isTable(names) && meaning !== null) {
    take(document, path, captured, value, meaning, collected)
    return
  }
  if (!isPlainTable(value)) {
    collected.problems.push(problemAt(place, `must be a table, [${path.join('.')}]`))
    return
  }
  for (const [name, child] of Object.entries(value)) {
    const next = names.children.get(name)
    const below = [...path, name]
    if (next !== undefined) walk(document, below, captured, child, next, collected)
    else if (names.named !== null) walk(document, below, [...captured, name], child, names.named, collected)
    else collected.problems.push(problemAt(document.placeOf(below), unknown(name, path, names)))
  }
  if (TLS.includes(names)) implied(document, path, ['nats', 'tls', 'enabled'], true, collected)
  const [name] = captured
  if (name !== undefined && names.children.has('subjects')) {
    implied(document, path, ['streams', name, 'name'], name, collected)
  }
}

/** Two tables say something by being there: `[nats.tls]` asks for TLS, and the table of a stream names it. */
function implied(
  document: Document,
  path: readonly string[],
  target: readonly string[],
  value: unknown,
  { settings }: Collected,
): void {
  const formatted = formatKeyPath(target)
  if (
    settings.some(setting => setting.layer === document.layer && formatKeyPath(setting.target) === formatted)
  )
    return
  const place = document.placeOf(path)
  const key = keyAt(target)!
  settings.push({
    key,
    target,
    value,
    convert: undefined,
    layer: document.layer,
    place,
    placeOf: () => place,
  })
}

function take(
  document: Document,
  path: readonly string[],
  captured: readonly string[],
  value: unknown,
  { key, convert, spelling }: Meaning,
  { settings, problems, warnings }: Collected,
): void {
  const place = document.placeOf(path)
  if (spelling?.note !== undefined) warnings.push(problemAt(place, spelling.note))
  if (spelling?.only !== undefined && value !== spelling.only.value) {
    problems.push(problemAt(place, `can only be ${spelling.only.value}: ${spelling.only.because}`))
  }
  if (key === null) return
  const names = [...captured]
  const target = key.path.map(segment => (segment === '*' ? names.shift()! : segment))
  const placeOf: Setting['placeOf'] = part => document.placeOf([...path, ...part])
  settings.push({ key, target, value, convert, layer: document.layer, place, placeOf })
}

function unknown(name: string, table: readonly string[], names: Names): string {
  const meant = closest(name, names.children.keys())
  if (meant !== null) return `is not a known key; did you mean ${meant}?`
  const [elsewhere] = tablesWith(name)
  if (elsewhere !== undefined)
    return `is not a known key of [${table.join('.')}]; it belongs into ${elsewhere}`
  return `is not a known key; [${table.join('.')}] has ${[...names.children.keys()].join(', ')}`
}

function tableOf(...path: string[]): Names | undefined {
  return path.reduce<Names | undefined>((names, segment) => names?.children.get(segment), NAMES)
}

export function problemAt(place: Place, message: string): ConfigurationProblem {
  return { file: place.file, line: place.line, key: place.written, message }
}

function isPlainTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
