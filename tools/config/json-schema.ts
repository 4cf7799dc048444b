/**
 * The JSON Schema for editors, from the table of keys and their other spellings. It is for completion and for red
 * lines while typing; the program itself checks with zod, which also sees what several keys mean together.
 */
import { z } from 'zod'
import { type Conversion, SPELLINGS } from '../../src/config/dialects.ts'
import type { Key } from '../../src/config/keys.ts'
import { isTable, type Meaning, NAMES, type Names } from '../../src/config/names.ts'
import { ruleSchema } from '../../src/config/schema.ts'

type Json = Readonly<Record<string, unknown>>

export function jsonSchema(): Json {
  const properties = tables(NAMES).properties as Record<string, unknown>
  const rules = { description: 'Rules: what goes to which subject.', type: 'array', items: ruleJson() }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'fraiseql.toml and fraiseql-observer.toml',
    description: 'The tables of fraiseql-observer. Tables of other programs are not looked at.',
    type: 'object',
    additionalProperties: true,
    properties: { ...properties, observers: { anyOf: [rules, properties.observers] } },
  }
}

function tables(names: Names): Json {
  if (!isTable(names)) return leaf(names.meaning!)
  const properties = Object.fromEntries([...names.children].map(([name, child]) => [name, tables(child)]))
  return {
    type: 'object',
    properties,
    additionalProperties: names.named === null ? false : tables(names.named),
  }
}

function leaf({ key, convert, spelling }: Meaning): Json {
  if (key === null)
    return { description: spelling?.note ?? 'Belongs to another program; no effect on the observer.' }
  if (spelling === null) return { ...withVariables(valueJson(key), key), description: key.doc }
  return { ...converted(key, convert), description: `The same as ${key.path.join('.')}${inUnits(convert)}.` }
}

function converted(key: Key, convert: Conversion | undefined): Json {
  if (convert === undefined) return withVariables(valueJson(key), key)
  const number = { type: 'integer' }
  return convert === 'duration' ? { anyOf: [{ type: 'string' }, number] } : number
}

function inUnits(convert: Conversion | undefined): string {
  switch (convert) {
    case 'days':
      return ', in days'
    case 'minutes':
      return ', in minutes'
    case 'seconds to ms':
      return ', in seconds'
    case 'duration':
      return ', as a duration: "90s", "5m", "720h"'
    case 'no limit as -1':
      return '; -1 is no limit'
    case undefined:
      return ''
  }
}

/** Text stands where a variable gives the value, and a list may be text with commas. */
function withVariables(json: Json, { kind }: Key): Json {
  if (kind === 'list') return { anyOf: [json, { type: 'string' }] }
  if (kind === 'text') return json
  return { anyOf: [json, { type: 'string', pattern: '\\$\\{' }] }
}

function valueJson(key: Key): Json {
  const { $schema, ...json } = z.toJSONSchema(key.type, {
    target: 'draft-7',
    io: 'input',
    override: withoutMeta,
  })
  return json
}

function ruleJson(): Json {
  const { $schema, ...json } = z.toJSONSchema(ruleSchema, {
    target: 'draft-7',
    io: 'input',
    override: withoutMeta,
  })
  return json
}

/** zod copies what the table says of a key; editors know `description`. */
function withoutMeta({ jsonSchema }: { jsonSchema: Record<string, unknown> }): void {
  const { doc } = jsonSchema
  if (typeof doc === 'string') jsonSchema.description = doc
  for (const name of ['doc', 'unit', 'secret', 'example', 'needs']) delete jsonSchema[name]
}

/** Spellings by the key they stand for, for the documentation. */
export function spellingsOf(key: Key): string[] {
  const path = key.path.join('.')
  return SPELLINGS.filter(({ to }) => to === path).map(
    ({ from, convert }) => `\`${from}\`${inUnits(convert)}`,
  )
}
