/** What zod found wrong with a value, in words that follow the name of the key. Never the value: it may be a secret. */
import type { z } from 'zod'
import { closest } from './closest.ts'
import type { KeyMeta } from './schema.ts'

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  int: 'a whole number',
  number: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a table',
  record: 'a table',
}

/** `value`: what was checked, only used to name its type and for "did you mean". */
export function issueText(issue: z.core.$ZodIssue, { unit }: Pick<KeyMeta, 'unit'>, value: unknown): string {
  const units = unit === undefined || unit === 'messages' ? '' : ` (${unit === 'ms' ? 'milliseconds' : unit})`
  switch (issue.code) {
    case 'invalid_type':
      if (typeof value === 'bigint' && EXPECTED[issue.expected] === 'a whole number') return 'is out of range'
      return `must be ${EXPECTED[issue.expected] ?? issue.expected}, not ${typeText(value)}`
    case 'too_small':
      return issue.origin === 'array' ? issue.message : `must be at least ${issue.minimum}${units}`
    case 'too_big':
      return `must be at most ${issue.maximum}${units}`
    case 'invalid_value':
      return choiceText(issue.values.map(String), value)
    case 'invalid_union':
      return 'must be text or a list of texts'
    default:
      return issue.message
  }
}

function choiceText(choices: readonly string[], value: unknown): string {
  const meant = typeof value === 'string' ? closest(value, choices) : null
  const quoted = choices.map(choice => `"${choice}"`)
  const list = quoted.length === 1 ? quoted[0] : `one of ${quoted.join(', ')}`
  return `must be ${list}${meant === null ? '' : `; did you mean "${meant}"?`}`
}

function typeText(value: unknown): string {
  if (typeof value === 'string') return 'text'
  if (typeof value === 'bigint') return 'a number'
  if (typeof value === 'number') return Number.isInteger(value) ? 'a number' : 'a fraction'
  if (typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return 'a list'
  return value instanceof Date ? 'a date' : 'a table'
}
