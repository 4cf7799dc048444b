/** `[observers]` beside `[[observers]]`: what is renamed, what is not touched, and that no text breaks it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { readDocument } from '../../src/config/document.ts'
import { SETTINGS_KEY, splitToml } from '../../src/config/split-toml.ts'

const NEW = JSON.stringify(SETTINGS_KEY)
const RULE = '[[observers]]\ntable = "a"\n'

/** Title, text, and the text that must come of it; undefined: the same. */
const CASES: readonly [string, string, string?][] = [
  ['rules first', `${RULE}[observers]\nx = 1\n`, `${RULE}[${NEW}]\nx = 1\n`],
  ['settings first', `[observers]\nx = 1\n${RULE}`, `[${NEW}]\nx = 1\n${RULE}`],
  ['settings between rules', `${RULE}[observers]\n${RULE}`, `${RULE}[${NEW}]\n${RULE}`],
  ['spaces', `${RULE}[\tobservers  ] # why\n`, `${RULE}[\t${NEW}  ] # why\n`],
  ['double quotes', `${RULE}[ "observers" ]\n`, `${RULE}[ ${NEW} ]\n`],
  ['single quotes', `${RULE}['observers']\n`, `${RULE}[${NEW}]\n`],
  ['an escape', `${RULE}["observ\\u0065rs"]\n`, `${RULE}[${NEW}]\n`],
  ['rules with quotes and spaces', '[[ "observers" ]]\n[observers]\n', `[[ "observers" ]]\n[${NEW}]\n`],
  ['CRLF', '[[observers]]\r\n[observers]\r\n', `[[observers]]\r\n[${NEW}]\r\n`],
  ['a byte order mark', '\ufeff[observers]\n[[observers]]\n', `\ufeff[${NEW}]\n[[observers]]\n`],
  ['no line break at the end', '[[observers]]\n[observers]', `[[observers]]\n[${NEW}]`],
  ['indented', '  [[observers]]\n  [observers]\n', `  [[observers]]\n  [${NEW}]\n`],
  ['a part of the settings', `[observers.x]\n${RULE}`, `[${NEW}.x]\n${RULE}`],
  ['a part after the settings', `${RULE}[observers]\n[observers.x]\n`, `${RULE}[${NEW}]\n[${NEW}.x]\n`],
  ['a list in the settings', `${RULE}[observers]\n[[observers.x]]\n`, `${RULE}[${NEW}]\n[[${NEW}.x]]\n`],
  ['a key before the tables', `observers.x = 1\n${RULE}`, `${NEW}.x = 1\n${RULE}`],
  ['a part of a rule', `${RULE}[observers.x]\n`],
  ['a list in a rule', `${RULE}[[observers.actions]]\n`],
  [
    'a list in a rule after the settings',
    `[observers]\n${RULE}[[observers.actions]]\n`,
    `[${NEW}]\n${RULE}[[observers.actions]]\n`,
  ],
  ['settings alone', '[observers]\n[[observers.handlers]]\n'],
  ['rules alone', RULE],
  ['a key of that name elsewhere', `${RULE}[x]\nobservers.y = 1\n[z.observers]\n`],
  ['in a comment', `${RULE}# [observers]\n`],
  ['in a text', `${RULE}x = "[observers]"\ny = '[observers]'\n`],
  ['in a text of several lines', `${RULE}x = """\n[observers]\n"""\ny = '''\n[observers]'''\n`],
  [
    'after quotes at the end of such a text',
    `${RULE}x = """a"""""\n[observers]\n`,
    `${RULE}x = """a"""""\n[${NEW}]\n`,
  ],
  ['after an escaped quote', `${RULE}x = "\\"\\\\"\n[observers]\n`, `${RULE}x = "\\"\\\\"\n[${NEW}]\n`],
  ['in an array', `${RULE}x = [\n[\n"observers"\n]\n]\n`],
  ['rules in a comment only', '# [[observers]]\n[observers]\n'],
  ['rules in a text only', 'x = """\n[[observers]]\n"""\n[observers]\n'],
]

describe('splitToml', () => {
  for (const [title, text, expected] of CASES) {
    it(title, () => {
      const { text: result, split } = splitToml(text)
      assert.equal(result, expected ?? text)
      assert.equal(split, expected !== undefined)
      parse(result)
    })
  }

  it('gives each rule and each setting its own, in any order of the blocks', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(blocks, { minLength: 2 }), order => {
        const result = readDocument('f.toml', 'fraiseql.toml', order.map(({ text }) => text).join(''))
        assert.ok('document' in result)
        const { rules, tables, placeOf } = result.document
        const wanted = order.flatMap(({ rule }) => (rule === undefined ? [] : [rule]))
        assert.deepEqual(plain(rules), wanted)
        const settings = order.find(({ setting }) => setting !== undefined)
        assert.deepEqual(plain(tables.observers), settings?.setting)
        // Every `id` stands in the last line of its block.
        let line = 0
        let n = 0
        for (const { text, rule, setting } of order) {
          line += text.split('\n').length - 1
          if (rule !== undefined) assert.equal(placeOf(['observers', n++, 'id']).line, line)
          if (setting !== undefined) assert.equal(placeOf(['observers', 'id']).line, line)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('keeps every line and throws at nothing, whatever the text', () => {
    const piece = fc.oneof(
      fc.constantFrom('[observers]', '[[observers]]', '[ "observers" ]', "['observers']", '[observers.x]'),
      fc.constantFrom(
        '\n',
        '\r\n',
        '\r',
        '"',
        "'",
        '"""',
        "'''",
        '\\',
        '#',
        '=',
        '.',
        ',',
        '[',
        ']',
        '{',
        '}',
      ),
      fc.constantFrom(
        'a = 1\n',
        'table = "t"\n',
        'x = """\n',
        'observers.a = 1\n',
        '\ufeff',
        '\0',
        ' ',
        '\t',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), pieces => {
        const text = pieces.join('')
        const { text: result } = splitToml(text)
        assert.equal(result.split('\n').length, text.split('\n').length)
        readDocument('f.toml', 'fraiseql.toml', text)
      }),
      { numRuns: 1_500 },
    )
  })

  it('survives nesting that would exhaust the stack', () => {
    const result = readDocument('f.toml', 'fraiseql.toml', `x = ${'['.repeat(100_000)}`)
    assert.ok('problem' in result)
  })
})

interface Block {
  readonly text: string
  readonly rule?: object
  readonly setting?: object
}

const decoys = [
  '',
  '# [observers]\n',
  'decoy = """\n[[observers]]\n[observers]\n"""\n',
  "decoy = '''[observers]'''\n",
]

const blocks: Block[] = [
  ...decoys.map((decoy, id) => ({
    text: `[[observers]]\n${decoy}id = ${id}\n`,
    rule: decoy.startsWith('decoy') ? { decoy: plain(parse(decoy)).decoy, id } : { id },
  })),
  {
    text: '[ "observers" ] # [[observers]]\nlist = [\n  "[observers]", # ]\n]\nid = 99\n',
    setting: { list: ['[observers]'], id: 99 },
  },
  { text: '[foreign]\nx = [ "[[observers]]" ]\n' },
  { text: '[[foreign2]]\n"observers" = { observers = 1 }\n' },
]

/** Tables of the parser have no prototype. */
function plain<T>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value))
}
