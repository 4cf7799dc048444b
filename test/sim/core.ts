/**
 * The protocol core under test: as it was built, or with lines of its built code replaced. Replaced code is written to
 * a folder of its own and loaded from there, so src/ needs no switch that turns a safeguard off.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { RetryableError } from '../../src/errors.ts'
import { Publisher } from '../../src/publish/publisher.ts'

export interface Core {
  readonly Publisher: typeof Publisher
  readonly RetryableError: typeof RetryableError
}

export const CORE: Core = { Publisher, RetryableError }

/** In `file` (from src/, built: `publish/lane.js`), `from` becomes `to`. `from` must stand there exactly once. */
export interface Patch {
  readonly file: string
  readonly from: string
  readonly to: string
}

const BUILT = fileURLToPath(new URL('../../src/', import.meta.url))
const PARTS = ['publish', 'event', 'errors.js', 'lsn.js', 'nats-codes.js']

export async function patchedCore(patches: readonly Patch[]): Promise<Core> {
  const parent = join(BUILT, '..', 'sim-patched')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'core-'))
  try {
    for (const part of PARTS) cpSync(join(BUILT, part), join(folder, part), { recursive: true })
    for (const patch of patches) apply(folder, patch)
    const load = (file: string): Promise<unknown> => import(pathToFileURL(join(folder, file)).href)
    const { Publisher } = (await load('publish/publisher.js')) as Pick<Core, 'Publisher'>
    const { RetryableError } = (await load('errors.js')) as Pick<Core, 'RetryableError'>
    return { Publisher, RetryableError }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function apply(folder: string, { file, from, to }: Patch): void {
  const path = join(folder, file)
  const text = readFileSync(path, 'utf8')
  const at = text.indexOf(from)
  if (at === -1 || text.indexOf(from, at + 1) !== -1) {
    throw new Error(`${dirname(file)}: not exactly one place in ${file} to replace: ${from}`)
  }
  writeFileSync(
    path,
    text.replace(from, () => to),
  )
}
