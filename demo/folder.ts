/**
 * Folders of a running demo, below .demo/ of the project. Each has a watchdog that removes it when the demo is gone;
 * what a machine that went down left behind is removed by the next demo.
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../tools/project-root.ts'

const HOME = join(projectRoot, '.demo')

/** A new empty folder, named by its purpose and this process. */
export function newFolder(purpose: string, parent = demoHome()): string {
  return mkdtempSync(join(parent, `${purpose}-${process.pid}-`))
}

/** Done with it; the watchdog's turn is only where we do not come to this. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

/** The folder of all demos of this checkout. */
export function demoHome(): string {
  mkdirSync(HOME, { recursive: true })
  // Whatever the umask: the user that PostgreSQL runs as must be able to pass.
  chmodSync(HOME, 0o755)
  return HOME
}

/** Removes the folders of demos that do not run any more. */
export function removeLeftovers(): void {
  for (const name of readdirSync(demoHome())) {
    const pid = Number(/^[a-z]+-(\d+)-/.exec(name)?.[1])
    if (!Number.isNaN(pid) && !isRunning(pid)) rmSync(join(HOME, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
