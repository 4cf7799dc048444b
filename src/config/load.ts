/**
 * The configuration from files, environment and flags, as one `Config` or as one error with everything that is wrong.
 * The order of precedence: fraiseql.toml, fraiseql-observer.toml beside it, environment, flags; later wins.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve as resolvePath } from 'node:path'
import { ConfigurationError, type ConfigurationProblem, messageOf } from '../errors.ts'
import { assemble } from './assemble.ts'
import { collect } from './collect.ts'
import type { Config } from './config.ts'
import { type Document, readDocument } from './document.ts'
import { environmentSettings, flagSettings } from './environment.ts'
import type { Environment } from './expand.ts'
import { formatKeyPath } from './key-path.ts'
import { KEYS, keyAt } from './keys.ts'
import { settingsWithoutEffect } from './no-effect.ts'
import { type Resolved, resolve } from './resolve.ts'
import { parseRules } from './rules.ts'
import { describePlace, type Layer } from './setting.ts'

export interface LoadOptions {
  /** Either file, or the folder they are in. Without it, the current folder. */
  readonly configPath?: string | undefined
  readonly env: Environment
  /** By path of the key (`http.port`); undefined: not given. */
  readonly flags?: Readonly<Record<string, unknown>>
  /** false for commands that never ask PostgreSQL; then `database.url` may be empty. */
  readonly needsDatabase?: boolean
}

export interface Loaded {
  readonly config: Config
  /** Where each key got its value: `default`, `fraiseql.toml:3`, `env NATS_URL`, `flag`. */
  readonly sources: ReadonlyMap<string, string>
  readonly warnings: readonly ConfigurationProblem[]
}

/** `config` holds defaults where values have problems; only `validate-config` may look at it then. */
export interface Inspected extends Loaded {
  readonly problems: readonly ConfigurationProblem[]
  /** The files that were read. */
  readonly files: readonly string[]
}

export function loadConfig(options: LoadOptions): Loaded {
  const { problems, files, ...loaded } = inspectConfig(options)
  if (problems.length === 0) return loaded
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  const lines = problems.map(problem => `\n  ${formatProblem(problem)}`).join('')
  throw new ConfigurationError(`the configuration has ${count}:${lines}`, {
    code: 'CONFIGURATION',
    remedy:
      'Correct the above; "fraiseql-observer validate-config" shows what each value is and where it comes from.',
    problems,
  })
}

export function inspectConfig(options: LoadOptions): Inspected {
  const { env } = options
  const { documents, problems } = readFiles(options.configPath)
  const collected = documents.map(collect)
  const environment = environmentSettings(env)
  const resolved = resolve(
    [
      ...collected.flatMap(({ settings }) => settings),
      ...environment.settings,
      ...flagSettings(options.flags ?? {}),
    ],
    env,
  )
  const parsed = parseRules(documents, env, {
    partitioned: resolved.values.get('partitions.enabled') === true,
    format: resolved.values.get('event.format') ?? keyAt(['event', 'format'])!.default,
  })
  const assembled = assemble(resolved, parsed.rules, {
    directoryOf: path => dirname(resolved.winners.get(formatKeyPath(path))?.place.file ?? '.'),
    read,
  })
  const all = [
    ...problems,
    ...collected.flatMap(each => each.problems),
    ...resolved.problems,
    ...parsed.problems,
    ...assembled.problems,
  ]
  const warnings = [
    ...collected.flatMap(each => each.warnings),
    ...environment.warnings,
    ...resolved.warnings,
    ...settingsWithoutEffect(resolved.winners.values()),
    ...parsed.warnings,
  ]
  // A file that can't be read may well hold it.
  if (options.needsDatabase !== false && problems.length === 0 && !resolved.winners.has('database.url'))
    all.push(databaseMissing(documents))
  return {
    config: assembled.config,
    sources: sourcesOf(resolved),
    warnings: inOrder(warnings, documents),
    problems: inOrder(all, documents),
    files: documents.map(({ file }) => file),
  }
}

/** `fraiseql.toml:3: stream.max_age: what is wrong`. */
export function formatProblem({ file, line, key, message }: ConfigurationProblem): string {
  const where = file === null ? [] : [line === null ? file : `${file}:${line}`]
  return [...where, ...(key === null ? [] : [key]), message].join(': ')
}

const MAIN = 'fraiseql.toml'
const OWN = 'fraiseql-observer.toml'

/** The files there are, in order of precedence; a file that was asked for and is not there is kept, to be an error. */
function filesOf(configPath: string | undefined): string[] {
  const isFolder =
    configPath === undefined || (statSync(configPath, { throwIfNoEntry: false })?.isDirectory() ?? false)
  if (isFolder) return [MAIN, OWN].map(name => join(configPath ?? '.', name)).filter(file => existsSync(file))
  const other = join(dirname(configPath), basename(configPath) === OWN ? MAIN : OWN)
  const files = existsSync(other) ? [configPath, other] : [configPath]
  return basename(configPath) === OWN ? files.reverse() : files
}

function readFiles(configPath: string | undefined) {
  const documents: Document[] = []
  const problems: ConfigurationProblem[] = []
  const files = filesOf(configPath)
  if (files.length === 0 && configPath !== undefined) {
    problems.push({
      file: null,
      line: null,
      key: null,
      message: `${configPath} holds neither ${MAIN} nor ${OWN}`,
    })
  }
  for (const file of files) {
    const name = displayName(file)
    const layer: Layer = basename(file) === OWN ? OWN : MAIN
    try {
      const result = readDocument(name, layer, readFileSync(file, 'utf8'))
      if ('problem' in result) problems.push(result.problem)
      else documents.push(result.document)
    } catch (error) {
      problems.push({ file: name, line: null, key: null, message: `can't be read: ${reasonOf(error)}` })
    }
  }
  return { documents, problems }
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'this user may not read it'
  return code ?? messageOf(error)
}

function displayName(file: string): string {
  if (file === '') return '""'
  const short = relative('', resolvePath(file))
  return short.startsWith('..') ? resolvePath(file) : short
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

function databaseMissing(documents: readonly Document[]): ConfigurationProblem {
  const places = documents.map(document => document.placeOf(['database']))
  const { file = null, line = null } = places.find(place => place.line !== null) ?? places[0] ?? {}
  const message = 'is not set; set the environment variable DATABASE_URL, or write url under [database]'
  return { file, line, key: 'database.url', message }
}

/** Below names that the person chose only what is written; a stream is listed by its name, as in `Config`. */
function sourcesOf({ winners, values }: Resolved): Map<string, string> {
  const sources = new Map<string, string>()
  for (const { path } of KEYS) if (!path.includes('*')) sources.set(formatKeyPath(path), 'default')
  for (const setting of winners.values()) {
    const [table, name = '', ...rest] = setting.target
    const renamed = table === 'streams' ? values.get(formatKeyPath([table, name, 'name'])) : undefined
    const path = typeof renamed === 'string' ? [table!, renamed, ...rest] : setting.target
    sources.set(formatKeyPath(path), describePlace(setting))
  }
  return sources
}

function inOrder(problems: ConfigurationProblem[], documents: readonly Document[]): ConfigurationProblem[] {
  const files = documents.map(({ file }) => file)
  const rank = ({ file }: ConfigurationProblem) => (file === null ? files.length : files.indexOf(file))
  return problems.sort((a, b) => rank(a) - rank(b) || (a.line ?? 0) - (b.line ?? 0))
}
