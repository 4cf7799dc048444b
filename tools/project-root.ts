/**
 * Where the project stands, whatever folder this was built into: tools, caches and the demo's files are found from
 * here.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const projectRoot = findRoot(dirname(fileURLToPath(import.meta.url)))

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'tools', 'nats-server.mjs'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('the project root was not found above the built files')
  return findRoot(parent)
}
