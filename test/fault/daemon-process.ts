/**
 * The daemon as a process of the bench: started, frozen, thawed, killed. Its memory is looked at all the time, and an
 * end that nobody asked for is remembered.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startWatchdog, type Watchdog } from '../kit/server-process.ts'

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))
/** Lines of the log that are kept of each. */
const LINES = 400

export interface LogEntry {
  readonly at: number
  readonly text: string
}

export class DaemonProcess {
  readonly name: string
  readonly log: LogEntry[] = []
  /** Resolves with what it ended by, as text. */
  readonly exit: Promise<string>
  /** null: it runs. */
  ended: string | null = null
  /** Its end was asked for. */
  asked = false
  frozen = false
  /** Most resident memory that was seen, bytes. */
  peakBytes = 0
  readonly #child: ChildProcess
  readonly #watchdog: Watchdog

  /** `tell`: is given each line of its log. */
  constructor(name: string, config: string, tell: (line: string) => void) {
    this.name = name
    const home = mkdtempSync(join(tmpdir(), 'fraiseql-test-fault-'))
    this.#watchdog = startWatchdog(home, 'KILL')
    writeFileSync(join(home, 'fraiseql.toml'), config)
    const env = { PATH: process.env.PATH, HOME: home }
    this.#child = spawn(process.execPath, [MAIN, 'run', '--config', home], {
      ...{ cwd: home, env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#watchdog.guard(this.#child.pid)
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      createInterface({ input: stream }).on('line', text => {
        this.log.push({ at: Date.now(), text })
        tell(`${name} ${text}`)
        if (this.log.length > LINES) this.log.shift()
      })
    }
    this.exit = new Promise(resolve => {
      this.#child.once('exit', (code, signal) => {
        this.ended = signal ?? `exit code ${code}`
        this.#watchdog.guard(undefined)
        resolve(this.ended)
      })
    })
  }

  get running(): boolean {
    return this.ended === null
  }

  /** Ended by itself. */
  get failed(): boolean {
    return this.ended !== null && !this.asked
  }

  /** Has streamed, at some time. */
  get streams(): boolean {
    return this.says('"msg":"streaming"')
  }

  says(text: string): boolean {
    return this.log.some(line => line.text.includes(text))
  }

  freeze(): void {
    this.frozen = true
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
    this.frozen = false
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<string> {
    if (this.ended === null) {
      this.asked = true
      this.#child.kill(signal)
      if (this.frozen) this.thaw()
    }
    return this.exit
  }

  /** Linux only; elsewhere nothing is seen. */
  lookAtMemory(): void {
    if (!this.running) return
    try {
      const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')
      const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? '0'
      this.peakBytes = Math.max(this.peakBytes, Number(kilobytes) * 1024)
    } catch {
      // Ended in between.
    }
  }

  tell(last = 60): string {
    return this.log
      .slice(-last)
      .map(({ at, text }) => `    ${this.name} ${new Date(at).toISOString()} ${text}`)
      .join('\n')
  }
}
