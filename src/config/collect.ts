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
import { SETTINGS_TEXT } from './schema-text.ts'
import type { Place, Setting } from './setting.ts'

export interface Collected {
  readonly settings: readonly Setting[]
  readonly problems: readonly ConfigurationProblem[]
  readonly warnings: readonly ConfigurationProblem[]
}

export function collect(document: Document): Collected {
  const collector = new Collector(document)
  for (const [name, value] of Object.entries(document.tables)) {
    const names = NAMES.children.get(name)
    if (names === undefined) collector.suspect(name)
    else collector.walk({ path: [name], chosen: [] }, value, names)
  }
  return collector
}

export function problemAt(place: Place, message: string): ConfigurationProblem {
  return { file: place.file, line: place.line, key: place.written, message }
}

/** Where in the file; `chosen` are the names on the way that the person chose. */
interface Spot {
  readonly path: readonly string[]
  readonly chosen: readonly string[]
}

/** The tables that ask for TLS by being there. */
const TLS = [tableOf('nats', 'tls'), tableOf('transport', 'nats', 'tls')]

function tableOf(...path: string[]): Names | undefined {
  return path.reduce<Names | undefined>((names, segment) => names?.children.get(segment), NAMES)
}

class Collector implements Collected {
  readonly settings: Setting[] = []
  readonly problems: ConfigurationProblem[] = []
  readonly warnings: ConfigurationProblem[] = []
  readonly #document: Document

  constructor(document: Document) {
    this.#document = document
  }

  /** Another program's table, unless it is one letter away from ours: then it was probably meant. */
  suspect(name: string): void {
    const meant = name.length < 5 ? null : closest(name, NAMES.children.keys(), 1)
    if (meant === null) return
    const message = `is not a table of the observer and has no effect; did you mean ${meant}?`
    this.warnings.push(problemAt(this.#document.placeOf([name]), message))
  }

  walk(spot: Spot, value: unknown, names: Names): void {
    if (!isTable(names) && names.meaning !== null) {
      this.#take(spot, value, names.meaning)
      return
    }
    if (!isPlainTable(value)) {
      this.#problem(spot.path, `must be a table, [${spot.path.join('.')}]`)
      return
    }
    for (const [name, child] of Object.entries(value)) this.#child(spot, name, child, names)
    if (TLS.includes(names)) this.#imply(spot.path, ['nats', 'tls', 'enabled'], true)
    const [name] = spot.chosen
    if (name !== undefined && names.children.has('subjects')) {
      this.#imply(spot.path, ['streams', name, 'name'], name)
    }
  }

  #child({ path, chosen }: Spot, name: string, value: unknown, names: Names): void {
    const below = [...path, name]
    const next = names.children.get(name)
    if (next !== undefined) this.walk({ path: below, chosen }, value, next)
    else if (names.named === null) this.#problem(below, unknownText(name, path, names))
    else if (name !== '__proto__' && SETTINGS_TEXT.streamName.safeParse(name).success) {
      this.walk({ path: below, chosen: [...chosen, name] }, value, names.named)
    } else this.#problem(below, 'the name of the table must not have spaces, dots, slashes, * or >')
  }

  /** Two tables say something by being there: `[nats.tls]` asks for TLS, and the table of a stream names it. */
  #imply(path: readonly string[], target: readonly string[], value: unknown): void {
    const written = formatKeyPath(target)
    if (this.settings.some(setting => formatKeyPath(setting.target) === written)) return
    const place = this.#document.placeOf(path)
    const { layer } = this.#document
    this.settings.push({
      ...{ key: keyAt(target)!, target, value, convert: undefined },
      ...{ layer, place, placeOf: () => place },
    })
  }

  #take({ path, chosen }: Spot, value: unknown, { key, convert, spelling }: Meaning): void {
    const place = this.#document.placeOf(path)
    if (spelling?.note !== undefined) this.warnings.push(problemAt(place, spelling.note))
    if (spelling?.only !== undefined && value !== spelling.only.value) {
      this.#problem(path, `can only be ${spelling.only.value}: ${spelling.only.because}`)
    }
    if (key === null) return
    const names = [...chosen]
    const target = key.path.map(segment => (segment === '*' ? names.shift()! : segment))
    const placeOf: Setting['placeOf'] = part => this.#document.placeOf([...path, ...part])
    this.settings.push({ key, target, value, convert, layer: this.#document.layer, place, placeOf })
  }

  #problem(path: readonly string[], message: string): void {
    this.problems.push(problemAt(this.#document.placeOf(path), message))
  }
}

function unknownText(name: string, table: readonly string[], names: Names): string {
  const meant = closest(name, names.children.keys())
  if (meant !== null) return `is not a known key; did you mean ${meant}?`
  const [elsewhere] = tablesWith(name)
  if (elsewhere !== undefined)
    return `is not a known key of [${table.join('.')}]; it belongs into ${elsewhere}`
  return `is not a known key; [${table.join('.')}] has ${[...names.children.keys()].join(', ')}`
}

function isPlainTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
