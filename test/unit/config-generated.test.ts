/** What the table of keys generates is what is committed, and the example files say what the defaults are. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'smol-toml'
import { SPELLINGS } from '../../src/config/dialects.ts'
import { KEYS } from '../../src/config/keys.ts'
import { generatedFiles } from '../../tools/generate-config-docs.ts'
import { ENV, inspectFiles } from '../kit/config-files.ts'
import { projectRoot } from '../kit/project-root.ts'

const committed = (path: string) => readFileSync(join(projectRoot, path), 'utf8')

describe('generated files', () => {
  for (const [path, text] of generatedFiles(projectRoot)) {
    it(`${path} is not stale`, () => {
      assert.equal(committed(path), text, 'run: npm run build && node dist/tools/generate-config-docs.js')
    })
  }
})

describe('the example files', () => {
  const main = committed('config/fraiseql.toml')
  const own = committed('config/fraiseql-observer.toml')
  const env = { ...ENV, NATS_URL: 'nats://nats:4222' }
  const defaults = inspectFiles('', { env }).config

  it('load as they are and change nothing', () => {
    const { config, messages, warned } = inspectFiles(
      { 'fraiseql.toml': main, 'fraiseql-observer.toml': own },
      { env },
    )
    assert.deepEqual([messages, warned], [[], []])
    assert.deepEqual(config, defaults)
  })

  it('change nothing with every default uncommented', () => {
    const text = own.replace(/^#(?=[a-z]|\[nats|\[consumers)/gm, '')
    const { config, messages } = inspectFiles(text, { env })
    assert.deepEqual(messages, [])
    const { consumers, nats, ...others } = config
    assert.deepEqual({ ...others, consumers: {}, nats: { ...nats, tls: null } }, defaults)
    assert.deepEqual(Object.keys(consumers), ['order-processor'])
    assert.deepEqual(nats.tls, inspectFiles('[nats.tls]\n').config.nats.tls)
    const written = new Set(text.match(/^[a-z_]+(?= =)/gm))
    for (const { path, default: value } of KEYS) {
      if (value !== undefined && value !== null && path[0] !== 'database')
        assert.ok(written.has(path.at(-1)!), path.join('.'))
    }
  })

  it('hold rules that load', () => {
    const { config, messages } = inspectFiles(main.replace(/^#(?=[a-z[])/gm, ''), { env })
    assert.deepEqual(messages, [])
    assert.equal(config.rules.length, 2)
  })
})

describe('the JSON Schema', () => {
  const schema = JSON.parse(committed('config/fraiseql-observer.schema.json'))

  it('knows every key and every other spelling', () => {
    for (const path of [...KEYS.map(key => key.path), ...SPELLINGS.map(({ from }) => from.split('.'))]) {
      assert.ok(at(schema, path), path.join('.'))
    }
  })

  it('has every name of the documentation', () => {
    for (const file of ['a/fraiseql-observer.toml', 'd/fraiseql.toml']) {
      const { observers: _, ...tables } = parse(committed(`test/fixtures/documentation/${file}`))
      for (const path of leaves(tables)) assert.ok(at(schema, path), path.join('.'))
    }
  })
})

interface Schema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly anyOf?: readonly Schema[]
}

/** The schema of a path, through its properties, named tables and alternatives. */
function at(schema: Schema, path: readonly string[]): Schema | undefined {
  const [name, ...rest] = path
  if (name === undefined) return schema.description === undefined ? undefined : schema
  for (const { properties, additionalProperties } of [schema, ...(schema.anyOf ?? [])]) {
    const named = typeof additionalProperties === 'object' ? additionalProperties : undefined
    const next = properties?.[name] ?? named
    const found = next === undefined ? undefined : at(next, rest)
    if (found !== undefined) return found
  }
  return undefined
}

function leaves(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[...path]]
  return Object.entries(value).flatMap(([name, child]) => leaves(child, [...path, name]))
}
