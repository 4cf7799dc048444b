/**
 * Which rules apply to a table or to a logical message, and what each asks for. Rules are sorted into maps
 * once, so that looking a table up costs the same whether there are two rules or two thousand.
 */
import type { MessageFormat, Rule, RuleOperation } from '../config/config.ts'
import { ConfigurationError } from '../errors.ts'
import { entityName } from '../event/entity-name.ts'
import { DEFAULT_TEMPLATE, parseTemplate, type SubjectTemplate } from '../event/subject-template.ts'

/** What one rule, or the lack of any rule, makes of a change. */
export interface Target {
  readonly template: SubjectTemplate
  readonly format: MessageFormat
  readonly entity: string
}

export interface TableName {
  readonly schema: string
  readonly table: string
  /** Where it is known. */
  readonly oid?: number
}

export interface Targets {
  /** No rule routes anything, so that everything goes to its default subject. */
  readonly everything: boolean
  ofTable(name: TableName, operation: RuleOperation): readonly Target[]
  ofMessage(prefix: string): readonly Target[]
  /** Every message prefix and channel that a rule names. */
  messagePrefixes(): readonly string[]
}

interface CompiledRule {
  readonly order: number
  readonly operations: ReadonlySet<RuleOperation>
  readonly template: SubjectTemplate
  readonly format: MessageFormat
  /** The rule's own; null: the table's. */
  readonly entity: string | null
  /** For logical messages, which have no table. */
  readonly messageEntity: string
}

/** `isMeant`: whether a rule that gives the table's name without its schema means this table, and no other. */
export function compileTargets(
  rules: readonly Rule[],
  defaultFormat: MessageFormat,
  isMeant: (name: TableName) => boolean,
): Targets {
  const byTable = new Map<string, CompiledRule[]>()
  const byPrefix = new Map<string, CompiledRule[]>()
  // A rule with neither table nor channel is the worker's: it consumes what is routed and routes nothing.
  const routing = rules.filter(rule => rule.table !== null || rule.channel !== null)
  routing.forEach((rule, order) => {
    const compiled = compileRule(rule, order, defaultFormat)
    if (rule.table !== null) append(byTable, rule.table, compiled)
    for (const prefix of messagePrefixesOf(rule)) append(byPrefix, prefix, compiled)
  })
  const everything = routing.length === 0

  return {
    everything,
    ofTable(name, operation) {
      const { schema, table } = name
      const entity = entityName(table)
      if (everything) return [{ template: DEFAULT_TEMPLATE, format: defaultFormat, entity }]
      const bare = byTable.get(table)
      const named = bare !== undefined && isMeant(name) ? bare : []
      const qualified = byTable.get(`${schema}.${table}`) ?? []
      return [...named, ...qualified]
        .sort((a, b) => a.order - b.order)
        .filter(rule => matches(rule, operation))
        .map(rule => targetOf(rule, entity))
    },
    ofMessage(prefix) {
      if (everything)
        return [{ template: DEFAULT_TEMPLATE, format: defaultFormat, entity: entityName(prefix) }]
      return (byPrefix.get(prefix) ?? []).map(rule => targetOf(rule, rule.messageEntity))
    },
    messagePrefixes: () => [...byPrefix.keys()],
  }
}

function compileRule(rule: Rule, order: number, defaultFormat: MessageFormat): CompiledRule {
  return {
    order,
    operations: new Set(rule.operations),
    template: templateOf(rule),
    format: rule.format ?? defaultFormat,
    entity: rule.entity,
    messageEntity: messageEntityOf(rule),
  }
}

function messageEntityOf({ entity, table, channel }: Rule): string {
  return entity ?? entityName(channel ?? unqualified(table ?? ''))
}

function unqualified(table: string): string {
  return table.slice(table.lastIndexOf('.') + 1)
}

/** The configuration was checked when it was loaded; this is for rules that came another way. */
function templateOf(rule: Rule): SubjectTemplate {
  if (rule.subject === null) return DEFAULT_TEMPLATE
  const parsed = parseTemplate(rule.subject)
  if (!('problem' in parsed)) return parsed
  const where = `${rule.origin.file}:${rule.origin.line}`
  throw new ConfigurationError(`${where}: subject ${JSON.stringify(rule.subject)}: ${parsed.problem}`, {
    code: 'bad_subject',
    remedy: 'Correct the subject of this rule, or leave it out for the default subject.',
  })
}

/** A channel, or, where CUSTOM events are asked for, the table or the entity. */
function messagePrefixesOf(rule: Rule): ReadonlySet<string> {
  if (rule.channel !== null) return new Set([rule.channel])
  if (rule.table === null || !(rule.operations.length === 0 || rule.operations.includes('CUSTOM')))
    return new Set()
  return new Set([rule.table, messageEntityOf(rule)])
}

function matches(rule: CompiledRule, operation: RuleOperation): boolean {
  return rule.operations.size === 0 || rule.operations.has(operation)
}

function targetOf(rule: CompiledRule, entity: string): Target {
  return { template: rule.template, format: rule.format, entity: rule.entity ?? entity }
}

function append(map: Map<string, CompiledRule[]>, key: string, rule: CompiledRule): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [rule])
  else list.push(rule)
}
