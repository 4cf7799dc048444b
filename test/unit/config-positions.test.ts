/** The line of every key, held against texts whose lines are known because the test wrote them one by one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { formatKeyPath, type KeyPath } from '../../src/config/key-path.ts'
import { keyLines } from '../../src/config/positions.ts'

const CASES: readonly [string, string, Readonly<Record<string, number>>][] = [
  ['plain keys', 'a = 1\n\nb = 2\n', { a: 1, b: 3 }],
  ['a table', '[t]\n# c\na = 1\n', { t: 1, 't.a': 3 }],
  ['a dotted header', '[a.b]\nc = 1\n', { a: 1, 'a.b': 1, 'a.b.c': 2 }],
  ['a dotted key', '[t]\na.b.c = 1\na.b.d = 1\n', { 't.a': 2, 't.a.b': 2, 't.a.b.c': 2, 't.a.b.d': 3 }],
  [
    'quoted keys',
    '"a b" = 1\n\'c.d\'.e = 2\n["f\\"g"]\nh = 1\n',
    { '"a b"': 1, '"c.d".e': 2, '"f\\"g".h': 4 },
  ],
  ['spaces around dots', '[ a . "b" ]\nc . d = 1\n', { 'a.b': 1, 'a.b.c.d': 2 }],
  ['an inline table', 'a = { b = 1, c.d = [ { e = 2 } ] }\n', { a: 1, 'a.b': 1, 'a.c.d[0].e': 1 }],
  [
    'an array of several lines',
    'a = [ # [\n  1,\n  "]", 3,\n]\nb = 1\n',
    { 'a[0]': 2, 'a[1]': 3, 'a[2]': 3, b: 5 },
  ],
  [
    'arrays of tables',
    '[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 1\n',
    { 'a[0]': 1, 'a[0].b': 2, 'a[1]': 3, 'a[1].c.d': 6 },
  ],
  [
    'arrays in arrays of tables',
    '[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\nx = 1\n[[a]]\n[[a.b]]\nx = 1\n',
    { 'a[0].b[1].x': 5, 'a[1].b[0].x': 8 },
  ],
  ['texts of several lines', 'a = """\nb = 1\n\\"""\n"""\nc = 1\n', { a: 1, c: 5 }],
  ['CRLF', 'a = 1\r\n[t]\r\nb = 2\r\n', { a: 1, 't.b': 3 }],
  ['a byte order mark', '\ufeffa = 1\n', { a: 1 }],
  ['dates with a space', 'a = 1979-05-27 07:32:00Z # x\nb = 1\n', { a: 1, b: 2 }],
]

describe('keyLines', () => {
  for (const [title, text, expected] of CASES) {
    it(title, () => {
      parse(text)
      const lines = keyLines(text)
      for (const [path, line] of Object.entries(expected)) assert.equal(lines.get(path), line, path)
    })
  }

  it('knows the line of every leaf of any text', () => {
    let leaves = 0
    fc.assert(
      fc.property(fc.array(statement, { minLength: 1, maxLength: 25 }), statements => {
        const { text, lineOf } = write(statements)
        const lines = keyLines(text)
        for (const { path, value } of leavesOf(parse(text))) {
          leaves++
          assert.equal(
            lines.get(formatKeyPath(path)),
            lineOf.get(value),
            `${formatKeyPath(path)} in\n${text}`,
          )
        }
      }),
      { numRuns: 400 },
    )
    assert.ok(leaves > 1_000)
  })
})

/** Every leaf is a number used once; writing it notes the line. */
type Value =
  | 'number'
  | { readonly array: readonly Value[]; readonly breaks: boolean }
  | { readonly table: readonly Value[] }

interface Statement {
  readonly kind: 'table' | 'list' | 'again' | 'part' | 'key' | 'dotted' | 'decoy'
  readonly quote: 'bare' | 'basic' | 'literal'
  readonly value: Value
  readonly decoy: string
}

const value = fc.letrec<{ value: Value }>(tie => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.constant('number' as const),
    fc.record({ array: fc.array(tie('value'), { maxLength: 3 }), breaks: fc.boolean() }),
    fc.record({ table: fc.array(tie('value'), { maxLength: 3 }) }),
  ),
})).value

const statement: fc.Arbitrary<Statement> = fc.record({
  kind: fc.constantFrom('table', 'list', 'again', 'part', 'key', 'key', 'dotted', 'decoy'),
  quote: fc.constantFrom('bare', 'basic', 'literal'),
  value,
  decoy: fc.constantFrom(
    '# a = 1 [b]',
    '',
    '   ',
    's = "[x] \\" # = "',
    "s = '[x] \" \\'",
    's = """\na = 1\n[b]\n\\"" # ""\n"""',
    "s = '''\na = 1\n'' '''''",
    's = 07:32:00.5',
    's = [ "]", \'[\', # ]\n "#" ]',
  ),
})

/** Names are never used twice but for lists that go on, so that every text is TOML. */
function write(statements: readonly Statement[]): { text: string; lineOf: Map<number, number> } {
  const lineOf = new Map<number, number>()
  let text = ''
  let names = 0
  let numbers = 0
  let list: string | null = null
  const name = (quote: Statement['quote']) => {
    const n = names++
    if (quote === 'bare') return `k${n}`
    return quote === 'basic' ? `"k.\\u0041 ${n}"` : `'k#=[${n}]'`
  }
  const put = (written: Value) => {
    if (written === 'number') {
      lineOf.set(numbers, text.split('\n').length)
      text += numbers++
    } else if ('array' in written) {
      text += '['
      for (const item of written.array) {
        text += written.breaks ? '\n  # , ]\n  ' : ' '
        put(item)
        text += ' ,'
      }
      text += ']'
    } else {
      text += '{'
      written.table.forEach((item, i) => {
        text += `${i === 0 ? '' : ','} ${name(i % 2 === 0 ? 'bare' : 'basic')} = `
        put(item)
      })
      text += '}'
    }
  }
  for (const { kind, quote, value: written, decoy } of statements) {
    if (kind === 'table') text += `[ ${name(quote)} . ${name('bare')} ]`
    else if (kind === 'list') {
      list = name(quote)
      text += `[[${list}]] # x`
    } else if (kind === 'again' && list !== null) text += `[[${list}]]`
    else if (kind === 'part' && list !== null) text += `[${list}.${name(quote)}]`
    else if (kind === 'decoy') text += decoy.replace(/^s/, `d${names++}`)
    else {
      text += kind === 'dotted' ? `${name(quote)}.${name('basic')} = ` : `\t${name(quote)}= `
      put(written)
    }
    text += '\n'
  }
  return { text, lineOf }
}

function leavesOf(value: unknown, path: KeyPath = []): { path: KeyPath; value: number }[] {
  if (typeof value === 'number') return [{ path, value }]
  if (Array.isArray(value)) return value.flatMap((item, i) => leavesOf(item, [...path, i]))
  if (typeof value !== 'object' || value === null || value instanceof Date) return []
  return Object.entries(value).flatMap(([name, child]) => leavesOf(child, [...path, name]))
}
