/**
 * The disk of a server: a file system of its own in memory, which can be made full and be given room again. Needs the
 * right to mount one, which a test run seldom has; without it there is no such fault. It goes with the process that made
 * it, whatever becomes of that.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, statfsSync } from 'node:fs'

/** At the end of its stdin it takes the file system away. */
const UNMOUNT = `while read -r line; do :; done; umount -l "$1"`
const ROOM_BYTES = 12 * 2 ** 30
const TRIES = 30

export class Disk {
  readonly path: string
  readonly #watchdog: ChildProcess

  private constructor(path: string) {
    this.path = path
    this.#watchdog = spawn('/bin/sh', ['-c', UNMOUNT, 'watchdog', path], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#watchdog.stdin!.on('error', () => {})
    this.#watchdog.unref()
    ;(this.#watchdog.stdin as unknown as { unref?(): void }).unref?.()
  }

  /** At `path`, whose content is out of sight while it is there. null: not allowed. */
  static mount(path: string): Disk | null {
    mkdirSync(path, { recursive: true })
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${ROOM_BYTES}`, 'tmpfs', path])
    return status === 0 ? new Disk(path) : null
  }

  /** Leaves room for some `leftBytes`: the server goes on writing meanwhile, and what is there must have room. */
  fill(leftBytes: number): void {
    let error = ''
    for (let tries = 1; tries <= TRIES; tries++) {
      const { blocks, bfree, bsize } = statfsSync(this.path)
      error = this.#resize((blocks - bfree) * bsize + leftBytes * tries)
      if (error === '') return
    }
    throw new Error(`${this.path} could not be made full: ${error}`)
  }

  free(): void {
    const error = this.#resize(ROOM_BYTES)
    if (error !== '') throw new Error(`${this.path} could not be given room: ${error}`)
  }

  async end(): Promise<void> {
    if (this.#watchdog.exitCode !== null) return
    const gone = once(this.#watchdog, 'exit')
    this.#watchdog.ref()
    this.#watchdog.stdin!.end()
    await gone
  }

  /** The error; '' if there is none. */
  #resize(bytes: number): string {
    const { status, stderr } = spawnSync('mount', ['-o', `remount,size=${bytes}`, this.path])
    return status === 0 ? '' : `${stderr}`
  }
}
