/**
 * Which code a program ran, by V8's own block coverage: programs are run with NODE_V8_COVERAGE, what they leave behind
 * is added up, and what none of them reached is told by its line in the source. A block is what V8 counts: a function,
 * an arm of a condition, the right side of `&&`, `||` and `??`, a case, a loop, and what follows a branch that leaves.
 * https://v8.dev/blog/javascript-code-coverage
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface Run {
  readonly code: number | null
  readonly output: string
}

/** As V8 writes it: ranges are nested, and the first one is the whole function. */
interface ScriptCoverage {
  readonly url: string
  readonly functions: readonly { readonly ranges: readonly Range[] }[]
}

interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}

/** Coverage of the scripts, by URL, summed over programs. 1: this character was reached. */
export type Coverage = Map<string, Uint8Array>

const LIMIT_MS = 60_000

/** Runs the program and adds what it reached. */
export async function runCovered(args: readonly string[], coverage: Coverage): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'fraiseql-test-coverage-'))
  try {
    const run = await execute(args, folder)
    for (const name of await readdir(folder)) {
      const { result } = JSON.parse(await readFile(join(folder, name), 'utf8')) as {
        result: readonly ScriptCoverage[]
      }
      for (const script of result) add(script, coverage)
    }
    return run
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export interface Gap {
  /** Of the source. */
  readonly line: number
  /** The part of the line that was not reached. */
  readonly code: string
}

/** What was not reached of a script, line by line; of one that was never loaded, all of it. */
export async function unreached(scriptFile: string, coverage: Coverage): Promise<Gap[]> {
  const text = await readFile(scriptFile, 'utf8')
  const reached = coverage.get(pathToFileURL(scriptFile).href)
  if (reached === undefined) return [{ line: 1, code: 'all of it: the file was not loaded' }]
  const map = new SourceMap(JSON.parse(await readFile(`${scriptFile}.map`, 'utf8')) as SourceMapPayload)
  const found: Gap[] = []
  let at = 0
  for (const [index, line] of text.split('\n').entries()) {
    const missing = [...line].map((_, i) => (reached[at + i] === 1 ? '' : line[i])).join('')
    at += line.length + 1
    if (!isCode(missing)) continue
    const { originalLine } = map.findEntry(index, line.search(/\S/)) as { originalLine?: number }
    found.push({ line: (originalLine ?? index) + 1, code: missing.trim() })
  }
  return found
}

/** Braces and semicolons behind a `return` are no code that could be reached. */
function isCode(text: string): boolean {
  return /[^\s{}();,]/.test(text.replace(/\/\/.*|\/?\*.*/, ''))
}

function execute(args: readonly string[], folder: string): Promise<Run> {
  return new Promise((resolve, reject) => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const child = spawn(process.execPath, args, {
      env: { ...env, NODE_V8_COVERAGE: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.once('error', reject)
    child.once('close', code => resolve({ code, output }))
  })
}

/** A character is reached when the innermost range around it was: ranges are painted from the outside in. */
function add({ url, functions }: ScriptCoverage, coverage: Coverage): void {
  const ranges = functions.flatMap(({ ranges: own }) => own)
  const size = Math.max(0, ...ranges.map(({ endOffset }) => endOffset))
  const painted = new Uint8Array(size)
  const outsideIn = ranges.toSorted((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset)
  for (const { startOffset, endOffset, count } of outsideIn)
    painted.fill(count > 0 ? 1 : 0, startOffset, endOffset)
  const before = coverage.get(url)
  coverage.set(url, before === undefined ? painted : painted.map((bit, i) => bit | (before[i] ?? 0)))
}
