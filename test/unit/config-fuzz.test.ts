/** Whatever is written, loading gives a configuration or a ConfigurationError whose problems have their places. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'smol-toml'
import { SPELLINGS } from '../../src/config/dialects.ts'
import { KEYS } from '../../src/config/keys.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ruleSchema } from '../../src/config/schema.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { inspectFiles, withFolder } from '../kit/config-files.ts'

const NAMES = ['a', 'b c', 'x.y', '__proto__', 'constructor', 'toString', '', 'ü', '"', '\n']
const PATHS = [...KEYS.map(({ path }) => path.join('.')), ...SPELLINGS.map(({ from }) => from)]

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    'a',
    `\${A}`,
    `\${`,
    '-1',
    '60s',
    'nats://h',
    'postgresql://h/d',
    'token',
    'a.>',
    '*',
  ),
  fc.constantFrom<unknown>(0, -1, 1, 60, 1e300, 1.5, Number.MAX_SAFE_INTEGER, true, false, new Date(0)),
  fc.constantFrom<unknown>([], [''], ['a', 1], [[]], {}, { a: 1 }, [{ a: 1 }]),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
)

const setting = fc.record({
  path: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...PATHS) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('http.prot', 'nats', 'observers', 'streams', 'foreign.a', 'nats.x.y'),
    },
  ),
  name: fc.oneof({ weight: 3, arbitrary: fc.constant('s') }, fc.constantFrom(...NAMES)),
  value: leaf,
})

const rule = fc.dictionary(fc.constantFrom(...Object.keys(ruleSchema.shape), ...NAMES), leaf, { maxKeys: 4 })

/** Tables as an object without prototype, so that every name can be a key. */
function tables(
  settings: readonly { path: string; name: string; value: unknown }[],
): Record<string, unknown> {
  const root: Record<string, unknown> = Object.create(null)
  for (const { path, name, value } of settings) {
    const segments = path.split('.').map(segment => (segment === '*' ? name : segment))
    let table = root
    for (const segment of segments.slice(0, -1)) {
      const next = table[segment]
      if (typeof next !== 'object' || next === null || Object.getPrototypeOf(next) !== null) {
        table[segment] = Object.create(null)
      }
      table = table[segment] as Record<string, unknown>
    }
    table[segments.at(-1)!] = value
  }
  return root
}

describe('loading', () => {
  it('takes any value of any key, and tells the line of what is wrong', () => {
    let refused = 0
    let loaded = 0
    fc.assert(
      fc.property(
        fc.array(setting, { maxLength: 6 }),
        fc.array(rule, { maxLength: 3 }),
        fc.boolean(),
        (settings, rules, rulesFirst) => {
          const plain = stringify(tables(settings))
          const listed = rules.map(entry => `[[observers]]\n${stringify(entry)}\n`).join('')
          const text = rulesFirst ? `${listed}${plain}` : `${plain}\n${listed}`
          const { problems, messages } = inspectFiles(text)
          for (const { file, line, message } of problems) {
            assert.ok(file !== null && line !== null, `${messages.join('\n')}\n${text}`)
            assert.ok(line <= text.split('\n').length && message !== '')
          }
          if (problems.length > 0) refused++
          else loaded++
        },
      ),
      { numRuns: 500 },
    )
    // Chance decides how many of each; none at all would mean that nothing was tried.
    assert.ok(refused > 50 && loaded > 0, `${refused} refused, ${loaded} loaded`)
  })

  it('throws ConfigurationError and nothing else, whatever the text', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '[observers]\n',
        '[[observers]]\n',
        '[nats.tls]\n',
        '[streams.x]\n',
        '[[observers.x]]\n',
      ),
      fc.constantFrom(
        'table = "t"\n',
        'event = "*"\n',
        `url = "\${A}"\n`,
        'enabled = true\n',
        'subjects = ["x"]\n',
      ),
      fc.string({ unit: 'binary', maxLength: 6 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        withFolder({ 'fraiseql.toml': pieces.join('') }, configPath => {
          try {
            loadConfig({ configPath, env: {} })
          } catch (error) {
            assert.ok(error instanceof ConfigurationError, String(error))
          }
        })
      }),
      { numRuns: 500 },
    )
  })
})
