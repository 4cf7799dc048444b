import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { declarations } from '../../src/metrics/catalogue.ts'
import { projectRoot } from '../kit/project-root.ts'

const BLOCK = /(<!-- metrics: .*-->\n)[\s\S]*?(<!-- \/metrics -->)/

test('the table in docs/metrics.md is that of the catalogue (UPDATE_DOCS=1 writes it)', () => {
  const file = join(projectRoot, 'docs/metrics.md')
  const text = readFileSync(file, 'utf8')
  assert.match(text, BLOCK)
  const wanted = text.replace(BLOCK, (_, open: string, close: string) => `${open}${table()}${close}`)
  if (process.env.UPDATE_DOCS === '1') writeFileSync(file, wanted)
  else assert.equal(text, wanted)
})

test('every metric that the expressions name exists', () => {
  const names = new Set(
    declarations().flatMap(({ name, type }) =>
      type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
  const text = readFileSync(join(projectRoot, 'docs/metrics.md'), 'utf8')
  const used = text.match(/fraiseql_observer_\w+/g) ?? []
  assert.ok(used.length > names.size)
  for (const name of used) assert.ok(names.has(name), name)
})

function table(): string {
  const rows = declarations().map(({ name, type, labels, help }) => {
    const shown = labels.length === 0 ? name : `${name}{${labels.join(', ')}}`
    return `| \`${shown}\` | ${type} | ${help} |\n`
  })
  return `| metric | type | meaning |\n|---|---|---|\n${rows.join('')}`
}
