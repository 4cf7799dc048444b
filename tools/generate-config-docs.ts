/**
 * Writes what comes from the table of keys: the JSON Schema, the example files, and the tables in
 * docs/configuration.md between their markers. test/unit/config-generated.test.ts fails when one of them is stale.
 *
 *   npm run build && node dist/tools/generate-config-docs.js
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { mainExample, observerExample } from './config/example-files.ts'
import { jsonSchema } from './config/json-schema.ts'
import { generatedParts } from './config/key-table.ts'

const DOCS = 'docs/configuration.md'

/** Text by path in the project. */
export function generatedFiles(projectRoot: string): ReadonlyMap<string, string> {
  return new Map([
    ['config/fraiseql-observer.schema.json', `${JSON.stringify(jsonSchema(), null, 2)}\n`],
    ['config/fraiseql.toml', mainExample()],
    ['config/fraiseql-observer.toml', observerExample()],
    [DOCS, withParts(readFileSync(join(projectRoot, DOCS), 'utf8'))],
  ])
}

/** Each part stands between `<!-- generated: NAME -->` and `<!-- end -->`; a marker that is gone is an error. */
function withParts(text: string): string {
  let result = text
  for (const [name, part] of Object.entries(generatedParts())) {
    const marked = new RegExp(`(<!-- generated: ${name} -->\n)[^]*?(<!-- end -->)`)
    if (!marked.test(result)) throw new Error(`${DOCS} has no place for the part "${name}"`)
    result = result.replace(marked, (_, start: string, end: string) => `${start}\n${part}\n\n${end}`)
  }
  return result
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [path, text] of generatedFiles(process.cwd())) writeFileSync(path, text)
}
