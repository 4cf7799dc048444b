/**
 * A route: where one event goes and in which form, compiled per table and operation. All that is known
 * beforehand is text already when events arrive; in the usual case the whole subject is one constant string.
 */
import type { MessageFormat } from '../config/config.ts'
import { ConfigurationError } from '../errors.ts'
import type { Event, Operation, Relation } from '../event/event.ts'
import { fnv1a32Text } from '../event/fnv1a.ts'
import type { Placeholder, SubjectPart } from '../event/subject-template.ts'
import { EMPTY_TOKEN, MAX_SUBJECT_BYTES, MIN_TOKEN_BYTES, subjectToken } from '../event/subject-token.ts'
import { columnText } from './column-value.ts'
import { type Partitions, partitionColumns, partitionOf } from './partition.ts'
import type { TableName, Target } from './targets.ts'

export interface Route {
  /** The subject where it is the same for every event; else null. */
  readonly subject: string | null
  subjectOf(event: Event): string
  /** Every subject this route can give, as a NATS filter. */
  readonly filter: string
  /** Tells the messages of one event apart in their Msg-Ids; '' when the event has one route. */
  readonly suffix: string
  readonly format: MessageFormat
  readonly entity: string
}

/**
 * What is known when a route is compiled. `relation` is null for logical messages and where only filters
 * matter.
 */
export interface RouteContext {
  readonly prefix: string
  readonly partitions: Partitions
  readonly name: TableName
  readonly operation: Operation
  readonly relation: Relation | null
}

/**
 * Text, or what makes text of an event. `template` is its spelling, for names that must not change with
 * values. `maxBytes`: of what it makes, where all together would be too much.
 */
type Piece = string | { readonly template: string; of(event: Event, maxBytes?: number): string }

/** Of a UTF-16 unit, in UTF-8. */
const MAX_UNIT_BYTES = 3

/** The routes of one table and operation: duplicates merged, each with its suffix. */
export function compileRoutes(targets: readonly Target[], context: RouteContext): readonly Route[] {
  const distinct = new Map<string, { target: Target; pieces: readonly Piece[]; key: string }>()
  for (const target of targets) {
    const pieces = compilePieces(target, context)
    const key = pieces.map(piece => (typeof piece === 'string' ? piece : `\0${piece.template}\0`)).join('')
    const identity = `${target.format} ${key}`
    if (!distinct.has(identity)) distinct.set(identity, { target, pieces, key })
  }
  const all = [...distinct.values()]
  return all.map(({ target, pieces, key }) => {
    const alone = all.filter(other => other.key === key).length === 1
    const suffix = all.length === 1 ? '' : suffixOf(alone ? key : `${key} ${target.format}`)
    const filter = filterOf(pieces)
    return {
      ...subjectFrom(pieces),
      filter,
      suffix,
      format: target.format,
      entity: target.entity,
    }
  })
}

/** The filter of a target before anything is known of its table but the name. */
export function filterOfTarget(target: Target, context: RouteContext): string {
  return filterOf(compilePieces(target, context))
}

function compilePieces({ template, entity }: Target, context: RouteContext): readonly Piece[] {
  const pieces = template.parts.map(part => compilePart(part, entity, context))
  const placed = template.parts.some(part => part.kind === 'placeholder' && part.name === 'partition')
  // A logical message belongs to no row: its subject stays as it is written.
  const added = context.partitions.enabled && !placed && context.operation !== 'CUSTOM'
  const merged = merge(added ? [...pieces, '.', partitionPiece(context)] : pieces)
  if (shareOf(merged) < MIN_TOKEN_BYTES) throw tooLong(template.text, context.name)
  return merged
}

/** What each value may have, in bytes, in a subject that would be too long with the values as they are. */
function shareOf(pieces: readonly Piece[]): number {
  const texts = pieces.filter(piece => typeof piece === 'string')
  const room = MAX_SUBJECT_BYTES - Buffer.byteLength(texts.join(''))
  return Math.floor(room / Math.max(1, pieces.length - texts.length))
}

function tooLong(template: string, { schema, table }: TableName): ConfigurationError {
  const name = schema === '' ? table : `${schema}.${table}`
  return new ConfigurationError(`subject ${template} is longer than NATS takes, for ${name}`, {
    code: 'bad_subject',
    remedy: `Shorten it, or [stream] subject_prefix: a subject may have ${MAX_SUBJECT_BYTES} bytes.`,
  })
}

function compilePart(part: SubjectPart, entity: string, context: RouteContext): Piece {
  switch (part.kind) {
    case 'text':
      return part.text
    case 'placeholder':
      return compilePlaceholder(part.name, entity, context)
    case 'column':
      return columnPiece(part.column, context)
  }
}

function compilePlaceholder(name: Placeholder, entity: string, context: RouteContext): Piece {
  switch (name) {
    case 'prefix':
      return context.prefix
    case 'entity':
      return subjectToken(entity)
    case 'table':
      return subjectToken(context.name.table)
    case 'schema':
      return subjectToken(context.name.schema)
    case 'operation':
      return context.operation
    case 'op':
      return context.operation.toLowerCase()
    case 'partition':
      return partitionPiece(context)
  }
}

function partitionPiece({ partitions, relation }: RouteContext): Piece {
  const columns = relation === null || !partitions.enabled ? [] : partitionColumns(relation, partitions.key)
  const names = Array.from({ length: partitions.enabled ? partitions.count : 1 }, (_, n) => String(n))
  return { template: '{partition}', of: event => names[partitionOf(event, columns, names.length)]! }
}

function columnPiece(name: string, { relation }: RouteContext): Piece {
  const index = relation?.columns.findIndex(column => column.name === name) ?? -1
  const template = `{column:${name}}`
  return index < 0
    ? { template, of: () => EMPTY_TOKEN }
    : { template, of: (event, maxBytes) => subjectToken(columnText(event, index), maxBytes) }
}

/** Neighbouring texts become one, so that an event joins as few pieces as can be. */
function merge(pieces: readonly Piece[]): readonly Piece[] {
  const merged: Piece[] = []
  for (const piece of pieces) {
    const last = merged.at(-1)
    if (typeof piece === 'string' && typeof last === 'string') merged[merged.length - 1] = last + piece
    else merged.push(piece)
  }
  return merged
}

function subjectFrom(pieces: readonly Piece[]): Pick<Route, 'subject' | 'subjectOf'> {
  const only = pieces.length === 1 ? pieces[0] : undefined
  if (typeof only === 'string') return { subject: only, subjectOf: () => only }
  const share = shareOf(pieces)
  return {
    subject: null,
    subjectOf: event => {
      let subject = ''
      for (const piece of pieces) subject += typeof piece === 'string' ? piece : piece.of(event)
      if (subject.length * MAX_UNIT_BYTES <= MAX_SUBJECT_BYTES) return subject
      if (Buffer.byteLength(subject) <= MAX_SUBJECT_BYTES) return subject
      return pieces.map(piece => (typeof piece === 'string' ? piece : piece.of(event, share))).join('')
    },
  }
}

/** A token with a value in it can be anything, so the whole token becomes a wildcard. */
function filterOf(pieces: readonly Piece[]): string {
  const marked = pieces.map(piece => (typeof piece === 'string' ? piece : '\0')).join('')
  return marked
    .split('.')
    .map(token => (token.includes('\0') ? '*' : token))
    .join('.')
}

/** At most seven characters, the same for the same subject whatever else the rules say. */
function suffixOf(key: string): string {
  return fnv1a32Text(key).toString(36)
}
