/**
 * The house rules that a machine can keep: which layer imports which, sizes, names, and calls that belong to one place
 * only. Each rule takes files and gives violations; `test/unit/tidy.test.ts` holds the tree against them.
 */
import { dirname, posix } from 'node:path'
import { masked } from './masked.ts'

export interface SourceFile {
  /** Relative to src/, with slashes. */
  readonly path: string
  readonly text: string
}

export type Rule = (files: readonly SourceFile[]) => string[]

/**
 * An import goes to a lower number or stays in its folder. What has two numbers counts as the lower one when it is
 * imported and as the upper one when it imports. `nats-*.ts` and `postgres-*.ts` are the parts of their namesakes.
 */
const LAYERS: readonly (readonly [prefix: string, low: number, high?: number])[] = [
  ['main.ts', 7],
  ['cli/', 6],
  ['daemon/', 5],
  ['pipeline.ts', 4],
  ['source/', 3],
  ['route/', 3],
  ['publish/', 3],
  ['action/', 3],
  ['http/', 3],
  ['nats.ts', 2],
  ['nats-', 1, 2],
  ['postgres.ts', 2],
  ['postgres-', 1, 2],
  ['config/', 1, 2],
  ['lifecycle/', 1, 2],
  ['event/', 1],
  ['metrics.ts', 1],
  ['metrics/', 0, 1],
  ['log.ts', 1, 2],
  ['heap-limits.ts', 0],
  ['redact.ts', 0],
  ['errors.ts', 0],
  ['lsn.ts', 0],
]

const MAX_FILE_LINES = 400
const MEDIAN_FILE_LINES = 120
const MAX_FUNCTION_LINES = 70

interface Ban {
  readonly what: string
  readonly pattern: RegExp
  /** Files that may, by the beginning of their path. */
  readonly except?: readonly string[]
  /** Where to look; `code` has neither comments nor strings. */
  readonly within?: 'code' | 'code and strings' | 'text'
}

const BANS: readonly Ban[] = [
  { what: 'process.exit, env, argv', pattern: /\bprocess\.(exit|env|argv)/, except: ['main.ts', 'cli/'] },
  { what: 'console', pattern: /\bconsole\b/, except: ['main.ts', 'cli/'] },
  { what: 'any', pattern: /(?<![.\w$'"])any(?![\w$'"(])/ },
  { what: 'export default', pattern: /\bexport default\b/ },
  { what: 're-export of a whole file', pattern: /\bexport \*/ },
  { what: 'a compiler check switched off', pattern: /@ts-(ignore|nocheck|expect-error)/, within: 'text' },
  { what: 'a Manager', pattern: /\b(class|interface|type|function) \w*Manager\b/ },
  {
    what: 'child_process',
    pattern: /['"](node:)?child_process['"]/,
    except: ['cli/'],
    within: 'code and strings',
  },
  { what: 'a PostgreSQL client built', pattern: /\bnew (pg\.)?(Client|Pool)\(/, except: ['postgres.ts'] },
  {
    what: 'a NATS client built',
    pattern: /\bimport \{[^}]*\b(ws)?connect\b[^}]*\} from '@nats-io\//,
    except: ['nats.ts'],
    within: 'code and strings',
  },
]

export const layers: Rule = files =>
  files.flatMap(file => {
    const own = layerOf(file.path)
    if (own === undefined) return [`${file.path}:1 has no layer; give it one in test/tidy/rules.ts`]
    return importsOf(file).flatMap(({ line, target }) => {
      const theirs = layerOf(target)
      if (theirs === undefined || sameFolder(file.path, target) || theirs.low < own.high) return []
      return [`${file.path}:${line} imports ${target}: layer ${own.high} must not import layer ${theirs.low}`]
    })
  })

export const cycles: Rule = files => {
  const graph = new Map(files.map(file => [file.path, importsOf(file)]))
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]) => {
    for (const { line, target } of graph.get(path) ?? []) {
      const start = trail.indexOf(target)
      if (start >= 0)
        found.push(`${path}:${line} closes a cycle: ${[...trail.slice(start), target].join(' -> ')}`)
      else if (!done.has(target)) visit(target, [...trail, target])
    }
    done.add(path)
  }
  for (const file of files) if (!done.has(file.path)) visit(file.path, [file.path])
  return found
}

export const fileSizes: Rule = files =>
  files.flatMap(({ path, text }) => {
    const lines = countLines(text)
    return lines > MAX_FILE_LINES ? [`${path}:${lines} is longer than ${MAX_FILE_LINES} lines`] : []
  })

export const medianSize: Rule = files => {
  const sizes = files.map(file => countLines(file.text)).sort((a, b) => a - b)
  const median = sizes[Math.floor((sizes.length - 1) / 2)] ?? 0
  return median < MEDIAN_FILE_LINES
    ? []
    : [`half of the files have ${median} lines or more, not under ${MEDIAN_FILE_LINES}`]
}

export const functionSizes: Rule = files =>
  files.flatMap(({ path, text }) =>
    functionsOf(text)
      .filter(({ lines }) => lines > MAX_FUNCTION_LINES)
      .map(
        ({ line, lines }) =>
          `${path}:${line} is a function of ${lines} lines, more than ${MAX_FUNCTION_LINES}`,
      ),
  )

export const names: Rule = files =>
  files.flatMap(({ path }) => {
    const name = posix.basename(path, '.ts')
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) return [`${path}:1 is not named in kebab-case`]
    if (name === 'index') return [`${path}:1 is a barrel; import from the files themselves`]
    return /^(utils?|helpers?|common|types|misc)$|manager/.test(name)
      ? [`${path}:1 says nothing by its name`]
      : []
  })

export const openingComment: Rule = files =>
  files.flatMap(({ path, text }) =>
    /^(#!.*\n)?(\/\*\*|\/\/)/.test(text) ? [] : [`${path}:1 does not open with a comment on what it is`],
  )

export const bans: Rule = files =>
  files.flatMap(({ path, text }) => {
    const views = { code: masked(text), 'code and strings': masked(text, { strings: true }), text }
    return BANS.filter(({ except = [] }) => !except.some(prefix => path.startsWith(prefix))).flatMap(ban =>
      matches(views[ban.within ?? 'code'], ban.pattern).map(line => `${path}:${line} has ${ban.what}`),
    )
  })

/** Paths of one machine mean nothing on another. */
export const machinePaths: Rule = files =>
  files.flatMap(({ path, text }) =>
    matches(text, /(?<![\w.~$}/-])\/(root|home|Users|work|tmp\/\w+)\/[\w.-]/).map(
      line => `${path}:${line} has a path of one machine`,
    ),
  )

export const ALL_RULES = {
  layers,
  cycles,
  fileSizes,
  medianSize,
  functionSizes,
  names,
  openingComment,
  bans,
} as const

function layerOf(path: string): { low: number; high: number } | undefined {
  const entry = LAYERS.find(([prefix]) => (/[/-]$/.test(prefix) ? path.startsWith(prefix) : path === prefix))
  if (entry === undefined) return undefined
  const [, low, high = low] = entry
  return { low, high }
}

/** The same folder, the one above or one below; folders side by side, such as two sources, are strangers. */
function sameFolder(a: string, b: string): boolean {
  const [one, other] = [dirname(a), dirname(b)]
  if (one === '.' || other === '.') return false
  return `${one}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${one}/`)
}

/** Relative imports and re-exports, of types as well: a cycle of types is one for the reader. */
function importsOf(file: SourceFile): { line: number; target: string }[] {
  const code = masked(file.text, { strings: true })
  const pattern = /(?:\bfrom|\bimport|\bimport\()\s*'(\.{1,2}\/[^']+)'/g
  return [...code.matchAll(pattern)].map(match => ({
    line: lineAt(code, match.index),
    target: posix.join(posix.dirname(file.path), match[1] as string),
  }))
}

const HEADER =
  /^\s*(export |default |public |private |static |override |async |get |set |\* ?)*[\w$#[\].]+(<.*>)?\(.*\)(: .+)? \{$/
const CONTROL = /^\s*(\}\s*)?(else\s+)?(if|for|while|switch|catch|with|do|try)\b/

/**
 * Formatted code closes a block at the indentation at which it was opened, so a function is found by lines: it opens with
 * `=> {`, `function` or a method's header, of one line or of several, and ends at the next `}` of its own depth.
 */
function functionsOf(text: string): { line: number; lines: number }[] {
  const lines = masked(text).split('\n')
  return lines.flatMap((opener, index) => {
    if (!opener.trimEnd().endsWith('{')) return []
    const start = /^\s*\)/.test(opener) ? headerStart(lines, index) : index
    const header = lines
      .slice(start, index + 1)
      .join(' ')
      .trimEnd()
    if (CONTROL.test(header)) return []
    if (!/=> \{$/.test(header) && !/\bfunction\b/.test(header) && !HEADER.test(header)) return []
    const depth = indentOf(opener)
    const length = lines.slice(index + 1).findIndex(line => indentOf(line) === depth && /^\s*\}/.test(line))
    return [{ line: start + 1, lines: index + 1 + length - start + 1 }]
  })
}

function headerStart(lines: readonly string[], closing: number): number {
  const depth = indentOf(lines[closing] ?? '')
  for (let index = closing - 1; index >= 0; index--) {
    const line = lines[index] ?? ''
    if (line.trim() !== '' && indentOf(line) <= depth) return index
  }
  return closing
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}

function countLines(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

function matches(text: string, pattern: RegExp): number[] {
  return [...text.matchAll(new RegExp(pattern.source, `${pattern.flags}g`))].map(match =>
    lineAt(text, match.index),
  )
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}
