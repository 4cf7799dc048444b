/**
 * A server program started by the demo or by a test. Whatever becomes of the process that started it, the server ends
 * and its folder goes: a watchdog holds the reading end of a pipe, and when that process is gone (even by SIGKILL) it
 * cleans up.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Writable } from 'node:stream'

/** Lines on its stdin are the pid to end ('' for none); at the end of its stdin it does so and removes the folder. */
const WATCHDOG = `
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
  kill -CONT $pid; kill -$2 $pid
  n=0; while kill -0 $pid && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
  kill -KILL $pid
fi
rm -rf "$1"
`

export interface Watchdog {
  /** The process to end when this one is gone; undefined when there is none. */
  guard(pid: number | undefined): void
}

/** `signal` is the one that makes the server end at once and leave nothing behind. */
export function startWatchdog(folder: string, signal: 'QUIT' | 'KILL'): Watchdog {
  const child = spawn('/bin/sh', ['-c', WATCHDOG, 'watchdog', folder, signal], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  const stdin = child.stdin as Writable & { unref?(): void }
  // Somebody ended the watchdog itself: we go on without one.
  stdin.on('error', () => {})
  stdin.unref?.()
  return { guard: pid => void stdin.write(`${pid ?? ''}\n`) }
}

export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly logFile: string
  readonly runAs?: { readonly uid?: number; readonly gid?: number }
  /** In a process group of its own, which Ctrl-C on the terminal does not reach. */
  readonly detached?: boolean
}

const running = new Set<ServerProcess>()

/** What runs now. */
export function runningServers(): readonly ServerProcess[] {
  return [...running]
}

/** The running program. Who forgets to stop it does not hang: the watchdog ends it. */
export class ServerProcess {
  readonly #command: Command
  readonly #watchdog: Watchdog
  #child: ChildProcess | undefined

  constructor(command: Command, watchdog: Watchdog) {
    this.#command = command
    this.#watchdog = watchdog
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#command.program} is not running`)
    return this.#child.pid
  }

  get program(): string {
    return this.#command.program
  }

  /** Resolves when `ready` does; rejects with the end of the log when the program ends before, or after 30 s. */
  async start(ready: () => Promise<boolean>): Promise<void> {
    if (this.#child !== undefined) throw new Error(`${this.#command.program} is running already`)
    const { program, args, logFile, runAs, detached = false } = this.#command
    const log = openSync(logFile, 'a')
    const child = spawn(program, args, { ...runAs, detached, cwd: '/', stdio: ['ignore', log, log] })
    closeSync(log)
    child.unref()
    this.#child = child
    running.add(this)
    child.once('exit', () => this.#ended(child))
    child.once('error', () => this.#ended(child))
    this.#watchdog.guard(child.pid)
    const deadline = Date.now() + 30_000
    while (!(await ready())) {
      if (this.#child === undefined) throw new Error(`${program} ended at start:\n${this.log()}`)
      if (Date.now() > deadline) {
        await this.end('SIGKILL')
        throw new Error(`${program} was not ready within 30 s:\n${this.log()}`)
      }
      await new Promise(resolve => setTimeout(resolve, 25))
    }
  }

  /** Sends the signal and waits for the end; fine when nothing runs. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    child.ref()
    const gone = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await gone
    this.#ended(child)
  }

  #ended(child: ChildProcess): void {
    if (this.#child !== child) return
    this.#child = undefined
    running.delete(this)
    this.#watchdog.guard(undefined)
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal)
  }

  /** The last lines of what the program said. */
  log(): string {
    return readFileSync(this.#command.logFile, 'utf8').split('\n').slice(-40).join('\n')
  }
}

/**
 * A free port below the range the system gives to outgoing connections. A client that keeps trying to reach a stopped
 * server on a port of that range is sooner or later given the very port as its own, and connects to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 10_000 + Math.floor(Math.random() * 22_000)
    if (await canListen(port)) return port
  }
  throw new Error('no free port found')
}

/** Whether this port of 127.0.0.1 is free now. */
export function canListen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
