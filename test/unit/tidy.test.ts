/**
 * The house rules, held against the whole of src/, and against small bad samples that show that each rule can fail.
 * Runs before all other tests.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { projectRoot } from '../kit/project-root.ts'
import { masked } from '../tidy/masked.ts'
import { ALL_RULES, fileSizes, machinePaths, type Rule, type SourceFile } from '../tidy/rules.ts'

const IGNORED = new Set(['node_modules', 'dist', '.cache', '.demo', '.git', 'coverage'])

describe('src/', () => {
  const files = readTree(join(projectRoot, 'src')).filter(file => file.path.endsWith('.ts'))

  it('has files', () => assert.ok(files.length > 0))

  for (const [name, rule] of Object.entries(ALL_RULES)) {
    it(`keeps the rule of ${name}`, () => assert.deepEqual(rule(files), []))
  }
})

describe('the project', () => {
  const files = readTree(projectRoot).filter(file => !file.path.startsWith('test/unit/tidy.test'))

  it('holds no path of one machine', () => assert.deepEqual(machinePaths(files), []))

  it('has no test, tool or benchmark file over the limit', () => {
    assert.deepEqual(
      fileSizes(files.filter(({ path }) => /^(test|tools|bench)\/.*\.(ts|mjs)$/.test(path))),
      [],
    )
  })
})

const long = (count: number, line: string) => `${line}\n`.repeat(count)

/** Rule, a path, its text, and what must be found there; undefined: nothing may be. */
const SAMPLES: readonly [keyof typeof ALL_RULES, string, string, RegExp | undefined][] = [
  ['layers', 'lsn.ts', "import { a } from './errors.ts'", /^lsn\.ts:1 imports errors\.ts: layer 0/],
  ['layers', 'route/a.ts', "//\nimport type { A } from '../publish/b.ts'", /^route\/a\.ts:2 .* layer 3/],
  ['layers', 'source/notify/a.ts', "import { b } from '../replication/b.ts'", /source\/replication\/b\.ts/],
  ['layers', 'event/a.ts', "export { b } from '../daemon/daemon.ts'", /layer 1 must not import layer 5/],
  ['layers', 'http/a.ts', "const b = await import('../pipeline.ts')", /layer 3 must not import layer 4/],
  ['layers', 'metrics.ts', "import { b } from './config/b.ts'", /layer 1 must not import layer 1/],
  ['layers', 'stray.ts', '', /has no layer/],
  ['layers', 'source/replication/a.ts', "import { b } from '../source.ts'", undefined],
  ['layers', 'event/encode.ts', "import { b } from './format/b.ts'", undefined],
  ['layers', 'nats.ts', "import { b } from './config/config.ts'", undefined],
  ['layers', 'postgres.ts', "import { b } from './postgres-url.ts'", undefined],
  ['layers', 'postgres-url.ts', "import { b } from './postgres.ts'", /layer 2 must not import layer 2/],
  ['layers', 'config/a.ts', "import { b } from '../lifecycle/b.ts'", undefined],
  ['layers', 'lsn.ts', "// import { a } from './errors.ts'", undefined],
  ['fileSizes', 'log.ts', long(401, 'a()'), /^log\.ts:401/],
  ['fileSizes', 'log.ts', long(400, 'a()'), undefined],
  ['medianSize', 'log.ts', long(120, 'a()'), /half of the files/],
  ['medianSize', 'log.ts', long(119, 'a()'), undefined],
  ['functionSizes', 'a.ts', `function f() {\n${long(69, '  a()')}}\n`, /^a\.ts:1 is a function of 71 lines/],
  ['functionSizes', 'a.ts', `function f() {\n${long(68, '  a()')}}\n`, undefined],
  ['functionSizes', 'a.ts', `\nconst f = (a: A) => {\n${long(69, '  a()')}}\n`, /^a\.ts:2 /],
  [
    'functionSizes',
    'a.ts',
    `class A {\n  async f<T>(a: T): Promise<{ b: T }> {\n${long(69, '    a()')}  }\n}\n`,
    /:2 /,
  ],
  ['functionSizes', 'a.ts', `class A {\n  #f() {\n${long(69, '    a()')}  }\n}\n`, /:2 /],
  [
    'functionSizes',
    'a.ts',
    `export function f(\n  a: A,\n): B {\n${long(67, '  a()')}}\n`,
    /:1 is a function of 71/,
  ],
  ['functionSizes', 'a.ts', `function f() {\n${long(69, '  `\n}\n`')}}\n`, /of 209 lines/],
  [
    'functionSizes',
    'a.ts',
    `class A {\n${long(69, '  a = 1')}}\nconst b = {\n${long(90, '  a: 1,')}}\n`,
    undefined,
  ],
  ['names', 'event/types.ts', '', /says nothing/],
  ['names', 'event/utils.ts', '', /says nothing/],
  ['names', 'event/connection-manager.ts', '', /says nothing/],
  ['names', 'event/index.ts', '', /barrel/],
  ['names', 'event/messageId.ts', '', /kebab-case/],
  ['names', 'event/message-id.ts', '', undefined],
  ['openingComment', 'log.ts', "import { a } from 'a'\n// late", /^log\.ts:1/],
  ['openingComment', 'main.ts', '#!/usr/bin/env node\n/** The way in. */', undefined],
  ['bans', 'log.ts', '\nprocess.exit(1)', /^log\.ts:2 has process\.exit/],
  ['bans', 'config/load.ts', 'const a = process.env.HOME', /process\.exit, env/],
  ['bans', 'cli/run.ts', 'const a = process.env.HOME', undefined],
  ['bans', 'pipeline.ts', 'console.log(1)', /console/],
  ['bans', 'pipeline.ts', "// console.log(1)\nconst a = 'process.env'", undefined],
  ['bans', 'pipeline.ts', `const a = \`$\{console}\``, /console/],
  ['bans', 'log.ts', 'const a = b as any', /has any/],
  ['bans', 'log.ts', 'const a: any[] = []', /has any/],
  ['bans', 'log.ts', "const a = AbortSignal.any([b]) // any\nconst c: 'any' = 'any'", undefined],
  ['bans', 'log.ts', 'export default a', /export default/],
  ['bans', 'log.ts', "export * from './a.ts'", /re-export/],
  ['bans', 'log.ts', `// @ts-${'ignore'}`, /switched off/],
  ['bans', 'log.ts', 'class StreamManager {}', /Manager/],
  ['bans', 'source/a.ts', "import { spawn } from 'node:child_process'", /child_process/],
  ['bans', 'source/a.ts', 'const c = new pg.Client({})', /PostgreSQL client/],
  ['bans', 'postgres.ts', 'const c = new Client({})', undefined],
  [
    'bans',
    'publish/a.ts',
    "import {\n  connect,\n} from '@nats-io/transport-node'",
    /a\.ts:1 has a NATS client/,
  ],
  ['bans', 'nats.ts', "import { connect } from '@nats-io/transport-node'", undefined],
]

describe('each rule', () => {
  for (const [name, path, text, expected] of SAMPLES) {
    const title = `${name}: ${path} ${JSON.stringify(text.slice(0, 60))} ${expected === undefined ? 'passes' : 'fails'}`
    it(title, () => {
      const rule: Rule = ALL_RULES[name]
      const found = rule([{ path, text }])
      assert.equal(found.length, expected === undefined ? 0 : 1, found.join('\n'))
      if (expected !== undefined) assert.match(found[0] as string, expected)
    })
  }

  it('cycles: names the whole cycle, of three files or of one', () => {
    const files = [
      { path: 'event/a.ts', text: "import { b } from './b.ts'" },
      { path: 'event/b.ts', text: "import type { c } from './c.ts'\nimport { d } from './d.ts'" },
      { path: 'event/c.ts', text: "\nimport { a } from './a.ts'" },
      { path: 'event/d.ts', text: "import { d } from './d.ts'" },
    ]
    assert.deepEqual(ALL_RULES.cycles(files), [
      'event/c.ts:2 closes a cycle: event/a.ts -> event/b.ts -> event/c.ts -> event/a.ts',
      'event/d.ts:1 closes a cycle: event/d.ts -> event/d.ts',
    ])
  })

  it('cycles: two ways to one file are none', () => {
    const files = [
      { path: 'event/a.ts', text: "import { b } from './b.ts'\nimport { c } from './c.ts'" },
      { path: 'event/b.ts', text: "import { c } from './c.ts'" },
      { path: 'event/c.ts', text: '' },
    ]
    assert.deepEqual(ALL_RULES.cycles(files), [])
  })

  it('machinePaths: finds home and work folders, not addresses, routes or variables', () => {
    const text = ['see /home/ann/notes', 'x=/root/.cache', '"/work/main/src"', 'in /Users/bob/a'].join('\n')
    assert.equal(machinePaths([{ path: 'README.md', text }]).length, 4)
    const fine =
      'https://a.example/home/x, /app/config, /tmp, src/work/item, ~/work/x, $HOME/work/y, /var/lib/x'
    assert.deepEqual(machinePaths([{ path: 'README.md', text: fine }]), [])
  })
})

describe('masked', () => {
  const cases: readonly [string, string][] = [
    ['a /* b */ c', 'a         c'],
    ["a('it\\'s') // b", 'a(       )     '],
    [`\`a$\{b({ c: \`d\` })}e\` f`, '    b({ c:     })    f'],
    ['a / b / c', 'a / b / c'],
    ['a = /[/"]\\//g.exec(b)', 'a =         g.exec(b)'],
    ["return /'/", 'return    '],
    ['(a) / b["c"] / d', '(a) / b[   ] / d'],
  ]
  for (const [text, expected] of cases) it(text, () => assert.equal(masked(text), expected))
})

/** Every text file below, without what git ignores. */
function readTree(root: string, folder = root): SourceFile[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name)
    if (IGNORED.has(name)) return []
    if (statSync(path).isDirectory()) return readTree(root, path)
    return [{ path: relative(root, path).replaceAll('\\', '/'), text: readFileSync(path, 'utf8') }]
  })
}
