/**
 * All names that may stand in our tables, canonical and other spellings alike, as a tree: what the collecting of
 * settings, the did-you-mean and the JSON Schema walk through.
 */
import { type Conversion, SPELLINGS, type Spelling } from './dialects.ts'
import { KEYS, type Key, keyAt } from './keys.ts'

/** What a name stands for: a key (with a conversion), or something of another program's. */
export interface Meaning {
  readonly key: Key | null
  readonly convert: Conversion | undefined
  readonly spelling: Spelling | null
}

export interface Names {
  readonly children: Map<string, Names>
  /** Where the person chooses names. */
  named: Names | null
  meaning: Meaning | null
}

export const NAMES: Names = tree()

export function isTable(names: Names): boolean {
  return names.children.size > 0 || names.named !== null
}

/** Tables in which a name would be known: for a key that was written in the wrong table. */
export function tablesWith(name: string, names: Names = NAMES, path: readonly string[] = []): string[] {
  const here = names.children.get(name)?.meaning && path.length > 0 ? [`[${path.join('.')}]`] : []
  const below = [...names.children].flatMap(([child, next]) => tablesWith(name, next, [...path, child]))
  return [...here, ...below]
}

function tree(): Names {
  const root = empty()
  for (const key of KEYS) at(root, key.path).meaning = { key, convert: undefined, spelling: null }
  for (const spelling of SPELLINGS) {
    const key = spelling.to === null ? null : keyAt(spelling.to.split('.'))
    if (key === undefined) throw new Error(`the spelling ${spelling.from} names no key: ${spelling.to}`)
    at(root, spelling.from.split('.')).meaning = { key, convert: spelling.convert, spelling }
  }
  return root
}

function at(root: Names, path: readonly string[]): Names {
  let names = root
  for (const segment of path) {
    if (segment === '*') {
      names.named ??= empty()
      names = names.named
    } else {
      const next = names.children.get(segment) ?? empty()
      names.children.set(segment, next)
      names = next
    }
  }
  return names
}

function empty(): Names {
  return { children: new Map(), named: null, meaning: null }
}
