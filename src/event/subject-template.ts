/**
 * The subject of a rule, split once into text and placeholders: `events.{entity}.{column:region}`. What the
 * placeholders become is the router's affair; whether the text can be a subject at all is decided here, so
 * that the configuration is refused before anything starts. https://docs.nats.io/nats-concepts/subjects
 */

/** `prefix` is a subject of its own and may have dots; every other value becomes one token. */
export const PLACEHOLDERS = ['prefix', 'entity', 'table', 'schema', 'operation', 'op', 'partition'] as const
export type Placeholder = (typeof PLACEHOLDERS)[number]

export type SubjectPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'placeholder'; readonly name: Placeholder }
  | { readonly kind: 'column'; readonly column: string }

export interface SubjectTemplate {
  readonly text: string
  readonly parts: readonly SubjectPart[]
}

export type ParsedTemplate = SubjectTemplate | { readonly problem: string }

/** Where every rule without a subject, and every table without a rule, goes. */
export const DEFAULT_TEMPLATE: SubjectTemplate = {
  text: '{prefix}.{entity}.{operation}',
  parts: [
    { kind: 'placeholder', name: 'prefix' },
    { kind: 'text', text: '.' },
    { kind: 'placeholder', name: 'entity' },
    { kind: 'text', text: '.' },
    { kind: 'placeholder', name: 'operation' },
  ],
}

/** Leaves room for values in what a subject may have. */
const MAX_BYTES = 1_000

export function parseTemplate(text: string): ParsedTemplate {
  const parts: SubjectPart[] = []
  let at = 0
  for (const match of text.matchAll(/\{([^{}]*)\}/g)) {
    if (match.index > at) parts.push({ kind: 'text', text: text.slice(at, match.index) })
    const part = placeholder(match[1]!)
    if (part === null) return { problem: unknownPlaceholder(match[0]) }
    parts.push(part)
    at = match.index + match[0].length
  }
  if (at < text.length) parts.push({ kind: 'text', text: text.slice(at) })
  const problem = problemOf(text, parts)
  return problem === null ? { text, parts } : { problem }
}

function placeholder(name: string): SubjectPart | null {
  if (name.startsWith('column:')) {
    const column = name.slice('column:'.length)
    return column === '' ? null : { kind: 'column', column }
  }
  const known = PLACEHOLDERS.find(candidate => candidate === name)
  return known === undefined ? null : { kind: 'placeholder', name: known }
}

function unknownPlaceholder(written: string): string {
  const known = [...PLACEHOLDERS.map(name => `{${name}}`), '{column:NAME}'].join(' ')
  return `unknown placeholder ${written}; there are ${known}`
}

/** Placeholders never give an empty token, so one letter stands for each while the whole is looked at. */
function problemOf(text: string, parts: readonly SubjectPart[]): string | null {
  const literal = parts.map(part => (part.kind === 'text' ? part.text : ''))
  const subject = parts.map(part => (part.kind === 'text' ? part.text : 'x')).join('')
  if (text === '') return 'a subject must not be empty'
  if (Buffer.byteLength(text) > MAX_BYTES) return `a subject must not be longer than ${MAX_BYTES} bytes`
  if (literal.some(piece => /[{}]/.test(piece))) return 'a brace in a subject must be part of a placeholder'
  if (literal.some(piece => /[\s\p{Cc}]/u.test(piece))) return 'a subject must not have white space'
  if (literal.some(piece => /[*>]/.test(piece)))
    return 'a subject to publish to must not have wildcards (* or >)'
  if (subject.split('.').includes(''))
    return 'a subject must not start or end with a dot, nor have two in a row'
  if (subject.startsWith('$')) return 'subjects that start with $ belong to the server'
  return null
}
