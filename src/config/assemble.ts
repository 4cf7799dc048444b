/**
 * From checked values to the one `Config`: defaults, named streams that take after the main one, login, and what can
 * only be seen by looking at several keys together.
 */
import type { ConfigurationProblem } from '../errors.ts'
import { messageOf } from '../errors.ts'
import { parseNatsServers } from '../nats-url.ts'
import { problemAt } from './collect.ts'
import type { Config, NamedStream, Rule, Settings, StreamLimits } from './config.ts'
import { formatKeyPath } from './key-path.ts'
import { type LoginContext, natsAuth, natsTls } from './login.ts'
import type { Resolved } from './resolve.ts'
import { limitsSchema, settingsSchema } from './schema.ts'
import type { Place } from './setting.ts'

export interface Assembled {
  readonly config: Config
  readonly problems: ConfigurationProblem[]
}

type Login = Omit<LoginContext, 'report'>

export function assemble(resolved: Resolved, rules: readonly Rule[], login: Login): Assembled {
  const settings = settingsSchema.parse(nested(resolved)) as Settings
  const check = new Check(resolved)
  const { auth, tls } = settings.nats
  const context = {
    ...login,
    report: (path: readonly string[], message: string) => check.report(path, message),
  }
  const { ssl_mode, ...database } = settings.database
  const config: Config = {
    ...settings,
    database: { ...database, url: withSslMode(database.url, ssl_mode) },
    nats: { ...settings.nats, auth: natsAuth(auth, context), tls: natsTls(tls, context) },
    streams: Object.entries(settings.streams).map(([name, stream]) =>
      namedStream(name, stream, settings.stream, check),
    ),
    rules: [...rules, ...plainRules(settings.replication.tables, rules, check)],
  }
  checkTogether(config, Object.keys(settings.streams), check)
  return { config, problems: check.problems }
}

/** Reports about keys, and knows which were refused already: what follows from their defaults is not worth a word. */
class Check {
  readonly problems: ConfigurationProblem[] = []
  readonly #resolved: Resolved

  constructor(resolved: Resolved) {
    this.#resolved = resolved
  }

  /** A key, or the table that stands for it where the key itself is not written. */
  report(path: readonly string[], message: string): void {
    this.problems.push(problemAt(this.place(path), message))
  }

  place(path: readonly string[]): Place {
    const own = this.#resolved.winners.get(formatKeyPath(path))?.place
    if (own !== undefined) return own
    const table = `${formatKeyPath(path.slice(0, -1))}.`
    const sibling = [...this.#resolved.winners].find(([key]) => key.startsWith(table))?.[1].place
    return { file: sibling?.file ?? null, line: sibling?.line ?? null, written: formatKeyPath(path) }
  }

  refused(path: readonly string[]): boolean {
    const key = formatKeyPath(path)
    return this.#resolved.winners.has(key) && !this.#resolved.values.has(key)
  }

  written(path: readonly string[]): boolean {
    return this.#resolved.winners.has(formatKeyPath(path))
  }
}

function nested({ values, winners }: Resolved): Record<string, unknown> {
  const root: Record<string, unknown> = Object.create(null)
  for (const [key, value] of values) {
    const { target } = winners.get(key)!
    let table = root
    for (const segment of target.slice(0, -1)) {
      table[segment] ??= Object.create(null)
      table = table[segment] as Record<string, unknown>
    }
    table[target.at(-1)!] = value
  }
  return root
}

/** FraiseQL has the mode of TLS beside the URL; here it is part of the URL, where that does not say it already. */
function withSslMode(url: string, mode: string | undefined): string {
  if (url === '' || mode === undefined || /[?&]ssl(mode)?=/.test(url)) return url
  return `${url}${url.includes('?') ? '&' : '?'}sslmode=${mode}`
}

function namedStream(
  name: string,
  written: Settings['streams'][string],
  main: StreamLimits,
  check: Check,
): NamedStream {
  const { name: other, subjects, ...own } = written
  if (subjects === undefined && !check.refused(['streams', name, 'subjects'])) {
    check.report(['streams', name, 'name'], 'must name the subjects that the stream owns: subjects = ["..."]')
  }
  const limits = limitsSchema.parse({ ...pick(main), ...own })
  const { file, line } = check.place(['streams', name, 'name'])
  return {
    ...limits,
    name: other ?? name,
    subjects: subjects ?? [],
    origin: { file: file ?? '', line: line ?? 0 },
  }
}

function pick(main: StreamLimits): Record<string, unknown> {
  const names = Object.keys(limitsSchema.shape) as (keyof StreamLimits)[]
  return Object.fromEntries(names.map(name => [name, main[name]]))
}

/** `replication.tables`, but for those that a rule sends to the default subject already. */
function plainRules(tables: readonly string[], rules: readonly Rule[], check: Check): Rule[] {
  const { file, line } = check.place(['replication', 'tables'])
  return tables
    .filter(table => !rules.some(rule => rule.table === table && rule.subject === null))
    .map(table => ({
      table,
      channel: null,
      entity: null,
      operations: [],
      subject: null,
      format: null,
      origin: { file: file ?? '', line: line ?? 0 },
    }))
}

/** `tables`: the names in `[streams.NAME]`, in the order of `config.streams`. */
function checkTogether(config: Config, tables: readonly string[], check: Check): void {
  checkWindow(['stream'], config.stream, check)
  const names = new Map([[config.stream.name, 'stream.name']])
  if (config.dlq.enabled) {
    if (names.has(config.dlq.stream_name)) check.report(['dlq', 'stream_name'], 'must not be the main stream')
    names.set(config.dlq.stream_name, 'dlq.stream_name')
  }
  config.streams.forEach((stream, i) => {
    const path = ['streams', tables[i]!]
    checkWindow(path, stream, check)
    const rival = names.get(stream.name)
    if (rival !== undefined) check.report([...path, 'name'], `is the name of ${rival} already`)
    names.set(stream.name, formatKeyPath(path))
  })
  checkServers(config, check)
}

/** JetStream refuses it, with an error that names neither key. */
function checkWindow(path: readonly string[], limits: StreamLimits, check: Check): void {
  const { max_age_seconds: age, duplicate_window_seconds: window } = limits
  if (age === 0 || window <= age) return
  const keys = ['duplicate_window_seconds', 'max_age_seconds'].map(key => [...path, key])
  if (keys.some(key => check.refused(key))) return
  const [blamed] = keys.filter(key => check.written(key))
  // A named stream that takes both from the main one has nothing to answer for.
  if (blamed === undefined && path.length > 1) return
  check.report(
    blamed ?? keys[0]!,
    `the duplicate window (${window} s) must not be longer than the age of messages (${age} s)`,
  )
}

function checkServers(config: Config, check: Check): void {
  if (check.refused(['nats', 'servers'])) return
  try {
    parseNatsServers(config.nats.servers)
  } catch (error) {
    check.report(['nats', 'servers'], messageOf(error))
  }
}
