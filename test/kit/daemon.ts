/**
 * The built command-line program as a process of its own, on configuration files of a test: what it logs, what it
 * answers on HTTP, and how it ends. Its folder goes and it ends with the test process, whatever becomes of that.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Status } from '../../src/http/status.ts'
import { startWatchdog } from './server-process.ts'

/** A line of the log; lines that are no JSON are `{ text }`. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string; readonly text?: string }

export interface DaemonOptions {
  /** Text of fraiseql.toml, or files by name. */
  readonly config: string | Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Default: `run --config FOLDER`. The folder is put in front as --config. */
  readonly command?: 'run' | 'validate-config'
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const WAIT_MS = 30_000

export function startDaemon(options: DaemonOptions): Daemon {
  return new Daemon(options)
}

/** Starts the program and waits for its end. */
export async function runCli(options: DaemonOptions): Promise<{ code: number | null; output: string }> {
  const daemon = new Daemon(options)
  const { code } = await daemon.ended()
  return { code, output: daemon.output }
}

export class Daemon {
  readonly logs: LogLine[] = []
  /** All that it wrote, standard output and standard error. */
  output = ''
  readonly exit: Promise<Exit>
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()
  #ended = false

  constructor({ config, env = {}, command = 'run' }: DaemonOptions) {
    const home = mkdtempSync(join(tmpdir(), 'fraiseql-test-daemon-'))
    const watchdog = startWatchdog(home, 'KILL')
    const files = typeof config === 'string' ? { 'fraiseql.toml': config } : config
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(home, name)), { recursive: true })
      writeFileSync(join(home, name), text)
    }
    // --enable-source-maps: a stack that a test shows should name the source.
    this.#child = spawn(process.execPath, ['--enable-source-maps', MAIN, command, '--config', home], {
      cwd: home,
      env: { PATH: process.env.PATH, HOME: home, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    watchdog.guard(this.#child.pid)
    this.exit = new Promise(resolve => {
      this.#child.once('close', (code, signal) => {
        this.#ended = true
        watchdog.guard(undefined)
        for (const look of this.#waiting) look()
        resolve({ code, signal })
      })
    })
    this.#read(this.#child.stdout!)
    this.#read(this.#child.stderr!)
  }

  /** For the message of a test that failed. */
  lastLines(): string {
    return this.output.split('\n').slice(-20).join('\n')
  }

  get pid(): number {
    return this.#child.pid!
  }

  get running(): boolean {
    return !this.#ended
  }

  /** The first line that fits, from `from` on, whether it was there already or comes. */
  waitFor(
    predicate: (line: LogLine) => boolean,
    { from = 0, what = 'a line of the log' } = {},
  ): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      let at = from
      const done = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle()
      }
      const look = () => {
        for (; at < this.logs.length; at++) {
          const line = this.logs[at]!
          if (predicate(line)) return done(() => resolve(line))
        }
        if (this.#ended) done(() => reject(new Error(`ended without ${what}:\n${this.lastLines()}`)))
      }
      const timer = setTimeout(
        () => done(() => reject(new Error(`no ${what} in ${WAIT_MS} ms:\n${this.lastLines()}`))),
        WAIT_MS,
      )
      this.#waiting.add(look)
      look()
    })
  }

  /** A line whose message contains `text`. */
  says(text: string, from = 0): Promise<LogLine> {
    return this.waitFor(line => (line.msg ?? line.text ?? '').includes(text), {
      from,
      what: JSON.stringify(text),
    })
  }

  async port(): Promise<number> {
    const { port } = await this.waitFor(line => typeof line.port === 'number', { what: 'the HTTP port' })
    return port as number
  }

  async get(path: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${await this.port()}${path}`, {
      signal: AbortSignal.timeout(5_000),
    })
    return response.text()
  }

  async status(): Promise<DaemonStatus> {
    return JSON.parse(await this.get('/status')) as DaemonStatus
  }

  metrics(): Promise<string> {
    return this.get('/metrics')
  }

  /** The sum over all labels. */
  async metric(name: string): Promise<number> {
    const lines = (await this.metrics()).split('\n')
    const samples = lines.filter(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  async streaming(): Promise<this> {
    const state = async () => (this.#ended ? 'ended' : (await this.status()).state)
    await until(
      async () => ['streaming', 'ended'].includes(await state()),
      () => `not streaming:\n${this.lastLines()}`,
    )
    if (this.#ended) throw new Error(`ended before streaming:\n${this.lastLines()}`)
    return this
  }

  /** Its end, which must come by itself, or after a signal that was sent. */
  async ended(): Promise<Exit> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#child.kill('SIGKILL')
        reject(new Error(`does not end:\n${this.lastLines()}`))
      }, WAIT_MS)
    })
    return Promise.race([this.exit, late]).finally(() => clearTimeout(timer))
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    if (!this.#ended) this.#child.kill(signal)
    return this.ended()
  }

  /** The orderly way. */
  async stop(): Promise<Exit> {
    const exit = await this.kill('SIGTERM')
    if (exit.code !== 0) throw new Error(`ended with ${exit.code ?? exit.signal}:\n${this.lastLines()}`)
    return exit
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  #read(stream: Readable): void {
    stream.setEncoding('utf8')
    createInterface({ input: stream }).on('line', line => {
      this.output += `${line}\n`
      this.logs.push(parsed(line))
      for (const look of this.#waiting) look()
    })
  }
}

/** What tests read of /status. */
export interface DaemonStatus {
  readonly state: string
  readonly slot: { readonly confirmed_lsn: string | null; readonly tables: number }
  readonly postgres: { readonly state: string }
  readonly nats: { readonly state: string }
  readonly streams: readonly {
    readonly name: string
    readonly last_sequence: number
    readonly fenced: boolean
  }[]
  readonly in_flight: Status['in_flight']
  readonly totals: Readonly<Record<string, number>>
  readonly rules: readonly Readonly<Record<string, unknown>>[]
  readonly standstill: string | null
  readonly last_error: { readonly message: string; readonly remedy: string | null } | null
}

/** Asks again until it is so; an error counts as "not yet". */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: () => string,
  limitMs = WAIT_MS,
): Promise<void> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const fulfilled = await Promise.resolve()
      .then(condition)
      .catch(() => false)
    if (fulfilled) return
    if (Date.now() > deadline) throw new Error(what())
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function parsed(line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as LogLine) : { text: line }
  } catch {
    return { text: line }
  }
}
