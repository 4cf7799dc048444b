/**
 * The daemon as a process of its own, just as anybody would run it: `fraiseql-observer run --config demo`, with
 * DATABASE_URL and NATS_URL in its environment. Its log lines are handed on.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { projectRoot } from '../tools/project-root.ts'
import { startWatchdog } from '../tools/server-process.ts'
import { newFolder, removeFolder } from './folder.ts'

export interface ObserverOptions {
  readonly databaseUrl: string
  readonly natsUrl: string
  readonly httpPort: number
  /** A line of its log. `level` as pino names it. */
  readonly onLog: (level: string, message: string) => void
  /** It ended although nobody asked it to. */
  readonly onExit: (error: Error) => void
}

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url))
const READY_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 15_000

export class Observer {
  readonly #child: ChildProcess
  readonly #gone: Promise<void>
  readonly #onLog: ObserverOptions['onLog']
  #said = ''
  /** Where it listens by its own word: another program may have been quicker on the port that was free. */
  #httpUrl: string | undefined
  #ended = false
  #stopping = false

  constructor({ databaseUrl, natsUrl, httpPort, onLog, onExit }: ObserverOptions) {
    this.#onLog = onLog
    const folder = newFolder('observer')
    const watchdog = startWatchdog(folder, 'KILL')
    const { PATH, HOME } = process.env
    this.#child = spawn(process.execPath, [MAIN, 'run', '--config', join(projectRoot, 'demo')], {
      // Not the person's own FRAISEQL_* and NATS_* variables: this daemon is the demo's.
      env: {
        ...{ PATH, HOME, DATABASE_URL: databaseUrl, NATS_URL: natsUrl },
        ...{
          FRAISEQL_HTTP_HOST: '127.0.0.1',
          FRAISEQL_HTTP_PORT: `${httpPort}`,
          FRAISEQL_LOG_FORMAT: 'json',
        },
      },
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    watchdog.guard(this.#child.pid)
    createInterface({ input: this.#child.stderr! }).on('line', line => this.#log(line))
    this.#gone = new Promise(resolve => {
      this.#child.once('close', (code, signal) => {
        this.#ended = true
        watchdog.guard(undefined)
        removeFolder(folder)
        if (!this.#stopping) {
          const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
          onExit(new Error(`the daemon ${how}\n${this.#said}`.trim()))
        }
        resolve()
      })
    })
  }

  /** Changes flow. */
  async ready(signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + READY_LIMIT_MS
    while (!this.#ended && !signal.aborted) {
      if (this.#httpUrl !== undefined) {
        const response = await fetch(`${this.#httpUrl}/readiness`).catch(() => undefined)
        await response?.arrayBuffer()
        if (response?.ok === true) return
      }
      if (Date.now() > deadline)
        throw new Error(`the daemon was not ready within 30 s:\n${this.#said.trim()}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  /** The orderly way: what is in flight gets its publish ack. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (!this.#ended) this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS)
    await this.#gone.finally(() => clearTimeout(timer))
  }

  #log(line: string): void {
    const { level, msg, port } = parsed(line)
    if (port !== undefined) this.#httpUrl = `http://127.0.0.1:${port}`
    if (msg === undefined) this.#said += `${line}\n`
    else this.#onLog(level ?? 'info', msg)
  }
}

interface LogLine {
  readonly level?: string
  readonly msg?: string
  readonly port?: number
}

function parsed(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return {}
  }
}
