/**
 * The commented example files, from the table of keys. Every key stands there with its default, commented out, so that
 * uncommenting a line changes nothing until its value is changed.
 */
import { KEYS, type Key } from '../../src/config/keys.ts'

const SCHEMA = '#:schema ./fraiseql-observer.schema.json'
const WIDTH = 100

/** What both files leave to variables, so that the same files serve the image, compose and a laptop. */
const GIVEN: Readonly<Record<string, string>> = {
  'database.url': `"\${DATABASE_URL}"`,
  'nats.servers': `"\${NATS_URL}"`,
}

/** Kept beside FraiseQL's own tables; the rest is in a file of its own. */
const IN_MAIN = ['database']

export function mainExample(): string {
  const lines = [
    SCHEMA,
    ...comment(
      'What fraiseql-observer reads of fraiseql.toml: the database and the rules. The tables of FraiseQL itself',
    ),
    ...comment('may stand beside them. All other settings: fraiseql-observer.toml, in the same folder.'),
    '',
    ...table('database'),
    '',
    ...comment(
      'Rules: which change goes to which subject. Without any rule, every table of the publication goes to',
    ),
    ...comment('{subject_prefix}.{Entity}.{OPERATION}, such as fraiseql.mutation.Order.INSERT.'),
    '#',
    ...[
      '[[observers]]',
      'table = "tb_order"',
      'event = "INSERT" # or a list, or "*"',
      'subject = "order_created"',
    ].map(off),
    '#',
    ...[
      '[[observers]]',
      'table = "tb_order"',
      'event = ["UPDATE", "DELETE"]',
      'subject = "orders.{op}.{column:region}"',
    ].map(off),
  ]
  return `${lines.join('\n')}\n`
}

export function observerExample(): string {
  const tables = [...new Set(KEYS.map(({ path }) => tableOf(path)))]
  const lines = [
    SCHEMA,
    ...comment(
      `The settings of fraiseql-observer, each with its default. \${VAR} and \${VAR:-default} are environment`,
    ),
    ...comment(
      'variables. Every key has a variable of its own, too, which wins: FRAISEQL_HTTP_PORT for [http] port.',
    ),
    ...comment(
      'docs/configuration.md explains all of them; "fraiseql-observer validate-config" shows what is in force.',
    ),
    '',
    ...KEYS.filter(({ path }) => path.length === 1).flatMap(key => entry(key)),
    ...tables.filter(name => name !== '' && !IN_MAIN.includes(name)).flatMap(name => ['', ...table(name)]),
  ]
  return `${lines.join('\n')}\n`
}

function table(name: string): string[] {
  const keys = KEYS.filter(({ path }) => tableOf(path) === name)
  if (name === 'streams.*') return streamTable(keys)
  const header = `[${name.replace('*', 'order-processor')}]`
  // An empty [nats.tls] would ask for TLS, and an empty stream is an error.
  const asked = name.includes('*') || name === 'nats.tls'
  return [asked ? off(header) : header, ...keys.flatMap(key => entry(key))]
}

/** Its limits are those of [stream], which stand above it with all their comments. */
function streamTable(keys: readonly Key[]): string[] {
  return [
    off('[streams.orders]'),
    ...keys.filter(({ example }) => example !== undefined).flatMap(key => entry(key)),
    ...comment(
      'From max_age_seconds on, the keys of [stream] may stand here, too; what does not is as it is there.',
    ),
  ]
}

function entry(key: Key): string[] {
  const name = key.path.at(-1)!
  const given = GIVEN[key.path.join('.')]
  const unit = key.unit === undefined ? '' : ` [${key.unit}]`
  const lines = comment(`${key.doc.replaceAll('`', '')}${unit}`)
  if (given !== undefined) return [...lines, `${name} = ${given}`]
  if (key.default === undefined || key.default === null)
    return [...lines, `# e.g. ${name} = ${key.example ?? '...'}`]
  return [...lines, off(`${name} = ${toml(key.default)}`)]
}

function off(line: string): string {
  return `#${line}`
}

function tableOf(path: readonly string[]): string {
  return path.slice(0, -1).join('.')
}

/** Defaults are texts, numbers, booleans and lists of texts, for which TOML writes what JSON does. */
function toml(value: unknown): string {
  if (typeof value === 'number' && value >= 10_000) return String(value).replace(/\B(?=(\d{3})+$)/g, '_')
  return JSON.stringify(value)
}

function comment(text: string): string[] {
  const lines: string[] = []
  let line = '#'
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > WIDTH + 10) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  return [...lines, line]
}
