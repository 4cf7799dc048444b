/**
 * `validate-config`: the effective configuration, each value with where it came from, the rules as table -> subject ->
 * stream, and every problem with file and line. Touches no server; exit code 0, or 78 where there is a problem.
 */
import type { Config, Rule } from '../config/config.ts'
import type { Environment } from '../config/expand.ts'
import { formatProblem, type Inspected, inspectConfig } from '../config/load.ts'
import { isWorkers } from '../config/no-effect.ts'
import { type ShownValue, shownValues } from '../config/redact.ts'
import { type ConfigurationProblem, EXIT } from '../errors.ts'
import { planStreams } from '../publish/stream-plan.ts'
import { createRouter } from '../route/router.ts'
import { missingSource } from './source.ts'

export interface ValidateOptions {
  readonly config?: string
  readonly format: 'human' | 'json'
  readonly env: Environment
  readonly write: (text: string) => void
}

const SOURCE_KEY = 'observers.source'

interface ShownRoute {
  /** null: no rule says so, it is the default. */
  readonly origin: string | null
  readonly what: string
  readonly subject: string
  /** null: there is a problem. */
  readonly stream: string | null
  readonly note: string | null
}

export async function validateConfig({
  config: configPath,
  format,
  env,
  write,
}: ValidateOptions): Promise<number> {
  const found = inspectConfig({ configPath, env })
  const inspected = { ...found, problems: [...found.problems, ...sourceProblem(found)] }
  const values = shownValues(inspected.config, inspected.sources)
  // What a refused subject or prefix falls back to would only mislead.
  const routed = inspected.problems.length > 0 ? { routes: [], problems: [] } : route(inspected.config)
  const report = { ...inspected, problems: [...inspected.problems, ...routed.problems] }
  write(format === 'json' ? json(report, values, routed.routes) : human(report, values, routed.routes))
  return report.problems.length > 0 ? EXIT.configuration : EXIT.ok
}

function sourceProblem({ config, sources }: Inspected): ConfigurationProblem[] {
  const missing = missingSource(config.observers.source)
  if (missing === null) return []
  const [, file = null, line = null] = /^(.*):(\d+)$/.exec(sources.get(SOURCE_KEY) ?? '') ?? []
  const place = { file, line: line === null ? null : Number(line) }
  return [{ ...place, key: SOURCE_KEY, message: `${missing.message}. ${missing.remedy}` }]
}

function route(config: Config): { routes: ShownRoute[]; problems: ConfigurationProblem[] } {
  const described = config.rules.some(rule => !isWorkers(rule))
    ? config.rules.map(rule => ({ rule, subjects: subjectsOf(config, rule) }))
    : []
  const defaults = described.length === 0 ? [`${config.stream.subject_prefix}.*.*`] : []
  const plan = planStreams(config, [...described.flatMap(({ subjects }) => subjects), ...defaults], [])
  const ownerOf = 'ownerOf' in plan ? plan.ownerOf : new Map<string, string>()
  const rules = described.flatMap(({ rule, subjects }) => {
    const common = {
      origin: `${rule.origin.file}:${rule.origin.line}`,
      what: whatOf(rule),
      note: noteOf(rule),
    }
    if (subjects.length === 0) return [{ ...common, subject: 'none', stream: null }]
    return subjects.map(subject => ({ ...common, subject, stream: ownerOf.get(subject) ?? null }))
  })
  const everything = defaults.map(filter => ({
    origin: null,
    what: 'every table, every event',
    subject: `${config.stream.subject_prefix}.{Entity}.{OPERATION}`,
    stream: ownerOf.get(filter) ?? null,
    note: null,
  }))
  const problems = 'problems' in plan ? plan.problems : []
  return {
    routes: [...rules, ...everything],
    problems: problems.map(({ message, remedy }) => ({
      file: null,
      line: null,
      key: null,
      message: `${message}. ${remedy}`,
    })),
  }
}

/** As far as the name of the table tells: a column's value and a partition stand as `*`, the schema as `public`. */
function subjectsOf(config: Config, rule: Rule): readonly string[] {
  if (isWorkers(rule)) return []
  const router = createRouter({
    rules: [rule],
    prefix: config.stream.subject_prefix,
    partitions: config.partitions,
    defaultFormat: config.event.format,
  })
  if (rule.table === null) return router.filters([])
  const dot = rule.table.lastIndexOf('.')
  return router.filters([
    { schema: dot < 0 ? 'public' : rule.table.slice(0, dot), table: rule.table.slice(dot + 1) },
  ])
}

function whatOf({ table, channel, entity, operations }: Rule): string {
  if (channel !== null) return `channel ${channel}`
  return `${table ?? `entity ${entity}`} ${operations.length === 0 ? '*' : operations.join(', ')}`
}

/** What keeps the rule from working as written; of a channel the words of the daemon's own warning. */
function noteOf(rule: Rule): string | null {
  if (isWorkers(rule)) return "a worker's rule; nothing is published"
  const { channel, condition = null, actions = [] } = rule
  if (channel !== null)
    return 'NOTIFY on this channel needs the notify source; logical messages are published'
  const ignored = [...(condition === null ? [] : ['condition']), ...(actions.length === 0 ? [] : ['actions'])]
  return ignored.length === 0 ? null : `${ignored.join(' and ')} ignored: see the warnings`
}

function json(report: Inspected, values: readonly ShownValue[], shown: readonly ShownRoute[]): string {
  const { files, problems, warnings } = report
  return `${JSON.stringify({ ok: problems.length === 0, files, values, rules: shown, warnings, problems }, null, 2)}\n`
}

function human(report: Inspected, values: readonly ShownValue[], shown: readonly ShownRoute[]): string {
  const { files, problems, warnings } = report
  const sections = [
    files.length === 0 ? 'No file: environment and defaults only' : `Files: ${files.join(', ')}`,
    columns(values.map(({ key, value, source }) => [key, `= ${JSON.stringify(value)}`, source])),
    heading('Rules', columns(shown.map(routeLine))),
    heading('Warnings', list(warnings)),
    heading('Problems', list(problems)),
  ]
  return `${sections.filter(section => section !== '').join('\n\n')}\n\n${verdict(problems.length)}\n`
}

function routeLine({ origin, what, subject, stream, note }: ShownRoute): string[] {
  return [origin ?? 'no rules', what, `-> ${subject}`, `-> ${stream ?? 'no stream'}`, note ?? '']
}

function verdict(problems: number): string {
  if (problems === 0) return 'The configuration is valid.'
  return problems === 1 ? '1 problem.' : `${problems} problems.`
}

function heading(title: string, body: string): string {
  return body === '' ? '' : `${title}\n${body}`
}

function list(problems: readonly ConfigurationProblem[]): string {
  return problems.map(problem => `  ${formatProblem(problem)}`).join('\n')
}

/** No column grows beyond what a terminal shows; a longer cell only pushes its own line. */
const WIDEST = 60

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(...rows.map(row => (row[i]!.length > WIDEST ? 0 : row[i]!.length))),
  )
  return rows.map(row => `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd()).join('\n')
}
