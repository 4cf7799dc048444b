/** The tables of docs/configuration.md, from the table of keys: all keys, the keys of a rule, and other spellings. */
import { z } from 'zod'
import { KEYS, type Key, keysOf } from '../../src/config/keys.ts'
import { ruleSchema } from '../../src/config/schema.ts'
import { spellingsOf } from './json-schema.ts'

/** Parts of the file by the name in their markers. */
export function generatedParts(): Readonly<Record<string, string>> {
  return { keys: keyTables(), rules: ruleTable(), spellings: spellingTable() }
}

function keyTables(): string {
  const tableOf = ({ path }: Key) => path.slice(0, -1).join('.')
  return [...new Set(KEYS.map(tableOf))]
    .map(name => {
      const keys = KEYS.filter(key => tableOf(key) === name)
      const title = name === '' ? 'Before the first table' : `\`[${name.replace('*', 'NAME')}]\``
      return `### ${title}\n\n${markdown(['Key', 'Type', 'Default', 'Meaning'], keys.map(keyRow))}`
    })
    .join('\n\n')
}

function keyRow(key: Key): string[] {
  const unit = key.unit === undefined ? '' : `, ${key.unit}`
  return [`\`${key.path.at(-1)}\``, `${typeOf(key)}${unit}${limitsOf(key)}`, defaultOf(key), key.doc]
}

function ruleTable(): string {
  return markdown(
    ['Key', 'Meaning'],
    keysOf(ruleSchema).map(key => [`\`${key.path.join('.')}\``, key.doc]),
  )
}

function spellingTable(): string {
  const rows = KEYS.map(key => [`\`${key.path.join('.')}\``, spellingsOf(key).join('; ')])
  return markdown(
    ['Key', 'Also written'],
    rows.filter(([, spellings]) => spellings !== ''),
  )
}

function typeOf({ kind, choices }: Key): string {
  if (kind === 'choice') return choices.map(choice => `\`${choice}\``).join(' ')
  return { text: 'text', number: 'number', boolean: 'true or false', list: 'list of texts' }[kind]
}

/** Bounds beyond it only keep numbers exact and times within a century; nobody meets them. */
const WIDE = 2 ** 31

/** Of numbers; what else keeps a value within limits is in its meaning. */
function limitsOf({ kind, type }: Key): string {
  if (kind !== 'number') return ''
  const schema = z.toJSONSchema(type, { io: 'input' })
  const number = schema.anyOf?.find(each => each.type === 'integer') ?? schema
  const { minimum: least = 0, maximum: most = WIDE } = number
  if (most < WIDE) return `, ${least} to ${most}`
  return least > 1 ? `, at least ${least}` : ''
}

function defaultOf(key: Key): string {
  if (key.path[0] === 'streams' && key.default === undefined)
    return key.path.at(-1)! in OWN ? '' : 'as `[stream]`'
  if (key.default === undefined || key.default === null || key.default === '') return ''
  return `\`${JSON.stringify(key.default)}\``
}

/** What a named stream does not take from the main one. */
const OWN = { name: true, subjects: true }

function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}
