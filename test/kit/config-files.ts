/** Configuration files of a test, in a folder of their own, inspected and forgotten again. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { formatProblem, type Inspected, inspectConfig, type LoadOptions } from '../../src/config/load.ts'

export const ENV = { DATABASE_URL: 'postgresql://observer@localhost/app' }

/** Calls `use` with a folder that holds the files. */
export function withFolder<T>(files: Readonly<Record<string, string>>, use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'observer-config-'))
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    return use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export interface InspectedFiles extends Inspected {
  /** As they are printed, without the folder. */
  readonly messages: readonly string[]
  readonly warned: readonly string[]
}

/** Text alone is fraiseql.toml. */
export function inspectFiles(
  files: string | Readonly<Record<string, string>>,
  options: Partial<LoadOptions> = {},
): InspectedFiles {
  return withFolder(typeof files === 'string' ? { 'fraiseql.toml': files } : files, folder => {
    const look = () => inspectConfig({ env: ENV, configPath: folder, ...options })
    const inspected =
      'configPath' in options && options.configPath === undefined ? inside(folder, look) : look()
    const short = (text: string) => text.replaceAll(`${folder}/`, '')
    return {
      ...inspected,
      sources: new Map([...inspected.sources].map(([key, source]) => [key, short(source)])),
      messages: inspected.problems.map(problem => short(formatProblem(problem))),
      warned: inspected.warnings.map(warning => short(formatProblem(warning))),
    }
  })
}

/** Where no path is given the working folder is looked into, and a person may have a fraiseql.toml in theirs. */
function inside<T>(folder: string, look: () => T): T {
  const home = process.cwd()
  process.chdir(folder)
  try {
    return look()
  } finally {
    process.chdir(home)
  }
}
