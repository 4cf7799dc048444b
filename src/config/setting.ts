/**
 * One value somebody wrote, on its way to a key: from a file, the environment or a flag. What it says is not checked
 * yet; `layer` says which of several wins.
 */
import type { Conversion } from './dialects.ts'
import type { KeyPath } from './key-path.ts'
import type { Key } from './keys.ts'

/** Later wins. Two settings of one key in one layer must agree. */
export const LAYERS = [
  'fraiseql.toml',
  'fraiseql-observer.toml',
  'environment',
  'own environment',
  'flag',
] as const
export type Layer = (typeof LAYERS)[number]

export interface Place {
  /** null: not from a file. */
  readonly file: string | null
  readonly line: number | null
  /** The key as it is written there: its path, or the name of the variable or flag. */
  readonly written: string
}

export interface Setting {
  readonly key: Key
  /** The path of the key with names in place of `*`. */
  readonly target: readonly string[]
  readonly value: unknown
  readonly convert: Conversion | undefined
  readonly layer: Layer
  readonly place: Place
  /** The place of a part of the value, such as an element of a list. */
  readonly placeOf: (part: KeyPath) => Place
}

/** For `sources` and messages: `fraiseql.toml:3`, `env NATS_URL`, `flag`. */
export function describePlace({ layer, place }: Pick<Setting, 'layer' | 'place'>): string {
  if (place.file !== null) return place.line === null ? place.file : `${place.file}:${place.line}`
  return layer === 'flag' ? 'flag' : `env ${place.written}`
}
