/**
 * The demo's own PostgreSQL: the newest major, `wal_level = logical`, a new data folder for each run, reachable on
 * this machine only. Run as root it switches to a user without rights, since PostgreSQL refuses to run as root.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chownSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { projectRoot } from '../tools/project-root.ts'
import { freePort, ServerProcess, startWatchdog } from '../tools/server-process.ts'
import { demoHome, newFolder, removeFolder } from './folder.ts'

export interface DemoPostgres {
  readonly version: string
  /** Of the demo's database. */
  readonly url: string
  stop(): Promise<void>
}

interface Programs {
  readonly binDir: string
  readonly version: string
  readonly runAs: { readonly uid?: number; readonly gid?: number }
  /** A folder below which `runAs` can have folders. */
  readonly workDir: string
}

const DATABASE = 'shop'
const STOP_LIMIT_MS = 10_000

export async function startPostgres(say: (text: string) => void): Promise<DemoPostgres> {
  const programs = await findPrograms()
  const folder = newFolder('postgres', homeFor(programs, say))
  const watchdog = startWatchdog(folder, 'QUIT')
  const { runAs, binDir, version } = programs
  if (runAs.uid !== undefined && runAs.gid !== undefined) chownSync(folder, runAs.uid, runAs.gid)
  const dataDir = join(folder, 'data')
  await initialize(dataDir, programs)
  const port = await freePort()
  const settings = ['wal_level = logical', "listen_addresses = '127.0.0.1'", "unix_socket_directories = ''"]
  appendFileSync(join(dataDir, 'postgresql.conf'), `${[...settings, `port = ${port}`].join('\n')}\n`)
  const program = join(binDir, 'postgres')
  const logFile = join(folder, 'log')
  const server = new ServerProcess(
    { program, args: ['-D', dataDir], logFile, runAs, detached: true },
    watchdog,
  )
  const url = `postgresql://postgres@127.0.0.1:${port}`
  await server.start(() => answers(`${url}/postgres`))
  await createDatabase(url)
  return { version, url: `${url}/${DATABASE}`, stop: () => stop(server).finally(() => removeFolder(folder)) }
}

async function findPrograms(): Promise<Programs> {
  const tool: { findPostgres(): Promise<Programs> } = await import(
    pathToFileURL(join(projectRoot, 'tools', 'postgres.mjs')).href
  )
  return tool.findPostgres()
}

/** A folder of the project, unless the user that PostgreSQL runs as can't get there. */
function homeFor({ runAs, workDir }: Programs, say: (text: string) => void): string {
  const home = demoHome()
  if (spawnSync('/bin/sh', ['-c', 'cd "$0"', home], { ...runAs, cwd: '/' }).status === 0) return home
  say(
    `  PostgreSQL does not run as root, and uid ${runAs.uid} can't enter ${projectRoot}; its data is in ${workDir}`,
  )
  return workDir
}

/** In a process group of its own, so that Ctrl-C meets the demo alone, which then stops in an orderly way. */
async function initialize(dataDir: string, { binDir, runAs }: Programs): Promise<void> {
  const args = ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const env = { PATH: process.env.PATH, TZ: 'UTC' }
  const child = spawn(join(binDir, 'initdb'), args, {
    ...runAs,
    ...{ cwd: '/', env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  })
  let said = ''
  child.stderr!.on('data', chunk => (said += chunk))
  const [code, signal] = await once(child, 'close')
  if (code !== 0) throw new Error(`initdb failed (${code ?? signal}): ${said.trim()}`)
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

async function createDatabase(url: string): Promise<void> {
  await execute(`${url}/postgres`, `CREATE DATABASE ${DATABASE}`)
  await execute(`${url}/${DATABASE}`, readFileSync(join(projectRoot, 'demo', 'schema.sql'), 'utf8'))
}

async function execute(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

/** A fast shutdown; an immediate one when a session does not let go. */
async function stop(server: ServerProcess): Promise<void> {
  const timer = setTimeout(() => server.signal('SIGQUIT'), STOP_LIMIT_MS)
  await server.end('SIGINT').finally(() => clearTimeout(timer))
}
