/**
 * A program that is measured, as a process of its own. Whatever becomes of the benchmark, it ends: the test kit's
 * watchdog sees to that.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ServerProcess, startWatchdog } from '../test/kit/server-process.ts'

export interface ProgramOptions {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Program {
  readonly pid: number
  /** Milliseconds since 1970 when it was started. */
  readonly startedAt: number
  /** The last lines of what it said, on both of its outputs. */
  log(): string
  /** Whether it still runs. */
  readonly runs: boolean
  /** Ends it, if it runs. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export async function startProgram({ program, args, env = {} }: ProgramOptions): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'fraiseql-bench-'))
  const logFile = join(folder, 'log')
  // `env` becomes the program, so the process keeps its number.
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const command = { program: '/usr/bin/env', args: [...settings, program, ...args], logFile }
  const process = new ServerProcess(command, startWatchdog(folder, 'KILL'))
  const startedAt = Date.now()
  await process.start(async () => true)
  const pid = process.pid
  const runs = () => {
    try {
      return process.pid === pid
    } catch {
      return false
    }
  }
  return {
    pid,
    startedAt,
    log: () => process.log(),
    get runs() {
      return runs()
    },
    stop: (signal = 'SIGTERM') => process.end(signal),
  }
}

/** Looks every few milliseconds until `look` gives something. Throws when the program ends before, or time is over. */
export async function until<T>(
  program: Program,
  timeoutMs: number,
  pollMs: number,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const ended = !program.runs
    const found = await look()
    if (found !== undefined) return found
    if (ended) throw new Error(`the program ended too early:\n${program.log()}`)
    if (performance.now() > deadline) throw new Error(`not done within ${timeoutMs} ms:\n${program.log()}`)
    await new Promise(resolve => setTimeout(resolve, pollMs))
  }
}
