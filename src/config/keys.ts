/**
 * The keys of the table as a list: path, type, default and meaning of each, read from the zod schema. Loading, the
 * environment and everything generated go through this list, so that none of them can forget a key.
 */
import type { z } from 'zod'
import { type KeyMeta, settingsSchema } from './schema.ts'

export type ValueKind = 'text' | 'number' | 'boolean' | 'choice' | 'list'

export interface Key extends KeyMeta {
  /** `*` stands for a name that the person chooses: `streams.*.max_bytes`. */
  readonly path: readonly string[]
  readonly kind: ValueKind
  /** undefined: there is none. */
  readonly default: unknown
  readonly choices: readonly string[]
  /** Checks one value of this key. */
  readonly type: z.ZodType
}

const WRAPPERS = ['default', 'prefault', 'optional', 'nullable']

export const KEYS: readonly Key[] = keysOf(settingsSchema)

export function keyAt(path: readonly string[]): Key | undefined {
  return KEYS.find(
    key => key.path.length === path.length && key.path.every((s, i) => s === '*' || s === path[i]),
  )
}

export function keysOf(schema: z.ZodType, path: readonly string[] = []): Key[] {
  const { type, defaultValue } = unwrapped(schema)
  const { def } = type as unknown as { def: Definition }
  if (def.type === 'object') {
    return Object.entries(def.shape!).flatMap(([name, child]) => keysOf(child, [...path, name]))
  }
  if (def.type === 'record') return keysOf(def.valueType!, [...path, '*'])
  const choices = def.type === 'enum' ? Object.keys(def.entries!) : []
  return [{ ...metaOf(schema), path, kind: kindOf(def), default: defaultValue, choices, type: schema }]
}

/** The parts of zod's definitions that the table uses. https://zod.dev/packages/core */
interface Definition {
  readonly type: string
  readonly innerType?: z.ZodType
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly valueType?: z.ZodType
  readonly entries?: Readonly<Record<string, string>>
  readonly defaultValue?: unknown
}

function unwrapped(schema: z.ZodType): { type: z.ZodType; defaultValue: unknown } {
  const { def } = schema as unknown as { def: Definition }
  if (!WRAPPERS.includes(def.type)) return { type: schema, defaultValue: undefined }
  const inner = unwrapped(def.innerType!)
  return def.type === 'default' ? { ...inner, defaultValue: def.defaultValue } : inner
}

/** The outermost says it; limits of named streams say it inside their `optional`. */
function metaOf(schema: z.ZodType): KeyMeta {
  const { def } = schema as unknown as { def: Definition }
  const meta = schema.meta() as KeyMeta | undefined
  if (meta?.doc !== undefined) return meta
  return def.innerType === undefined ? { doc: '' } : metaOf(def.innerType)
}

function kindOf(def: Definition): ValueKind {
  if (def.type === 'string') return 'text'
  if (def.type === 'number' || def.type === 'boolean') return def.type
  if (def.type === 'enum') return 'choice'
  return 'list'
}
