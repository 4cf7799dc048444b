/**
 * `[[observers]]` entries to rules: `table, event, subject`, `channel, nats_subject`, or `entity, event_type,
 * condition, actions`. Each entry is checked for what its keys mean together, and against the rules before it.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ConfigurationProblem } from '../errors.ts'
import { parseTemplate } from '../event/subject-template.ts'
import { closest } from './closest.ts'
import { problemAt } from './collect.ts'
import type { Rule, RuleOperation } from './config.ts'
import type { Document } from './document.ts'
import { type Environment, expandVariables } from './expand.ts'
import { issueText } from './issue-text.ts'
import { formatKeyPath, type KeyPath } from './key-path.ts'
import { ruleWithoutEffect } from './no-effect.ts'
import { OPERATIONS, ruleSchema } from './schema.ts'
import { describePlace, type Place } from './setting.ts'

type WrittenRule = ReturnType<typeof ruleSchema.parse>

export interface ParsedRules {
  readonly rules: Rule[]
  readonly problems: ConfigurationProblem[]
  readonly warnings: ConfigurationProblem[]
}

/** `partitioned`: subjects may have {partition}. `format`: that of rules which name none, as it is set. */
export function parseRules(
  documents: readonly Document[],
  env: Environment,
  { partitioned, format }: { readonly partitioned: boolean; readonly format: unknown },
): ParsedRules {
  const rules: Rule[] = []
  const problems: ConfigurationProblem[] = []
  const warnings: ConfigurationProblem[] = []
  for (const document of documents) {
    document.rules.forEach((written, i) => {
      const before = problems.length
      const report: Report = (message, ...part) =>
        problems.push(problemAt(document.placeOf(['observers', i, ...part]), message))
      const entry = read(written, env, report)
      if (entry === null) return
      const place = document.placeOf(['observers', i])
      const rule = ruleOf(
        { entry, names: new Set(Object.keys(written as object)), partitioned, report },
        place,
      )
      // What is left of a rule with problems says nothing about its rivals, nor about what it is for.
      if (problems.length === before) {
        const rival = rules.find(other => collides(rule, other))
        if (rival !== undefined) report(collisionText(rule, rival, format))
        const placeOf = (...part: string[]) => document.placeOf(['observers', i, ...part])
        warnings.push(...ruleWithoutEffect(rule, placeOf))
      }
      rules.push(rule)
    })
  }
  return { rules, problems, warnings }
}

type Report = (message: string, ...part: KeyPath) => void

interface Reading {
  /** Without the keys that were refused. */
  readonly entry: WrittenRule
  /** All keys that are written. */
  readonly names: ReadonlySet<string>
  readonly partitioned: boolean
  readonly report: Report
}

/** The entry with variables expanded; wrong keys are reported and left out, so that the others are still checked. */
function read(written: unknown, env: Environment, report: Report): WrittenRule | null {
  if (typeof written !== 'object' || written === null) {
    report('must be a table, [[observers]]')
    return null
  }
  const entry: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(written)) {
    // Actions are the worker's: it expands them where they run.
    const expanded =
      name === 'actions' ? value : expand(value, env, (message, ...part) => report(message, name, ...part))
    if (expanded !== undefined) entry[name] = expanded
  }
  for (const name of Object.keys(entry).filter(key => !Object.hasOwn(ruleSchema.shape, key))) {
    report(unknownText(name), name)
    delete entry[name]
  }
  for (const issue of ruleSchema.safeParse(entry).error?.issues ?? []) {
    const [name, ...part] = issue.path as [string, ...(string | number)[]]
    report(issueText(issue, {}, entry[name]), name, ...part)
    delete entry[name]
  }
  return ruleSchema.parse(entry)
}

function expand(value: unknown, env: Environment, report: Report): unknown {
  if (Array.isArray(value)) return value.map((item, i) => expand(item, env, message => report(message, i)))
  if (typeof value !== 'string') return value
  const result = expandVariables(value, env)
  if ('text' in result) return result.text
  report(result.problem)
  return undefined
}

function unknownText(name: string): string {
  const known = Object.keys(ruleSchema.shape)
  const meant = closest(name, known)
  if (meant !== null) return `is not a known key of a rule; did you mean ${meant}?`
  return `is not a known key of a rule; there are ${known.join(', ')}`
}

function ruleOf(reading: Reading, { file, line }: Place): Rule {
  const { entry, names, report } = reading
  const { table, channel, entity } = entry
  if (!['table', 'channel', 'entity'].some(name => names.has(name))) {
    report('a rule needs table, channel or entity')
  }
  if (channel !== undefined) {
    const other = ['table', 'entity', 'event', 'event_type', 'condition', 'actions'].find(name =>
      names.has(name),
    )
    if (other !== undefined) report(`a rule with channel can not have ${other}`, other)
    if (!names.has('subject') && !names.has('nats_subject')) report('a rule with channel needs nats_subject')
  }
  return {
    table: table ?? null,
    channel: channel ?? null,
    entity: entity ?? null,
    operations: operationsOf(reading),
    subject: subjectOf(reading),
    format: entry.format ?? null,
    condition: entry.condition ?? null,
    actions: entry.actions ?? [],
    origin: { file: file ?? '', line: line ?? 0 },
  }
}

/** Empty means all, as `*` does. */
function operationsOf({ entry: { event, event_type }, report }: Reading): RuleOperation[] {
  if (event !== undefined && event_type !== undefined)
    report('is the same as event; keep one of them', 'event_type')
  const name = event === undefined ? 'event_type' : 'event'
  const written = event ?? event_type ?? '*'
  const list = Array.isArray(written) ? written : [written]
  if (list.length === 0) report('names no event; leave it out for all events', name)
  const operations = new Set<RuleOperation>()
  let all = false
  list.forEach((text, i) => {
    const wanted = text.trim().toUpperCase()
    const operation = OPERATIONS.find(candidate => candidate === wanted)
    if (wanted === '*') all = true
    else if (operation !== undefined) operations.add(operation)
    else report(unknownEvent(text), name, ...(Array.isArray(written) ? [i] : []))
  })
  return all ? [] : [...operations]
}

function unknownEvent(text: string): string {
  const meant = closest(text, OPERATIONS)
  const hint = meant === null ? `there are ${OPERATIONS.join(', ')} and *` : `did you mean ${meant}?`
  return `unknown event ${JSON.stringify(text)}; ${hint}`
}

function subjectOf({ entry: { subject, nats_subject }, partitioned, report }: Reading): string | null {
  if (subject !== undefined && nats_subject !== undefined) {
    report('is the same as subject; keep one of them', 'nats_subject')
  }
  const name = subject === undefined ? 'nats_subject' : 'subject'
  const text = subject ?? nats_subject
  if (text === undefined) return null
  const parsed = parseTemplate(text)
  if ('problem' in parsed) {
    report(parsed.problem, name)
    return null
  }
  const hasPartition = parsed.parts.some(part => part.kind === 'placeholder' && part.name === 'partition')
  if (hasPartition && !partitioned) report('has {partition}, but [partitions] is not enabled', name)
  return text
}

/** Two rules that send one change to one subject would store it twice. */
function collides(a: Rule, b: Rule): boolean {
  const same = (['table', 'channel', 'entity', 'subject', 'condition'] as const).every(
    name => a[name] === b[name],
  )
  return same && shared(a, b) && isDeepStrictEqual(a.actions, b.actions)
}

function shared(a: Rule, b: Rule): boolean {
  if (a.operations.length === 0 || b.operations.length === 0) return true
  return a.operations.some(operation => b.operations.includes(operation))
}

function collisionText(rule: Rule, rival: Rule, format: unknown): string {
  const { file, line } = rival.origin
  const where = describePlace({
    layer: 'fraiseql.toml',
    place: { file, line, written: formatKeyPath(['observers']) },
  })
  if ((rule.format ?? format) !== (rival.format ?? format)) {
    return `sends the same change to the same subject in another format as the rule at ${where}; give it a subject of its own`
  }
  const equal = [...rule.operations].sort().join() === [...rival.operations].sort().join()
  if (equal) return `is equal to the rule at ${where}; remove one of them`
  return `sends the same events to the same subject as the rule at ${where}; give each event to one of them`
}
