/**
 * A real PostgreSQL server for a test, with a data folder of its own. The first start of a major makes a template
 * folder with initdb; all others copy it. Which major: the option, else TEST_PG_MAJOR, else the newest.
 */
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { projectRoot } from './project-root.ts'
import { freePort, ServerProcess, startWatchdog } from './server-process.ts'

/** What `--pg` of the tools takes. */
export const POSTGRES_MAJORS = ['14', '15', '16', '17', '18'] as const

export interface PostgresOptions {
  readonly major?: number
  /** Over the kit's own settings; PostgreSQL's names and spellings. */
  readonly settings?: Readonly<Record<string, string>>
  /** The whole pg_hba.conf; everybody is trusted unless given. */
  readonly hba?: string
  /** A system identifier of its own; servers made from one template share theirs. Costs an initdb. */
  readonly ownSystemId?: boolean
  /** Fills the data folder in the template's stead. */
  readonly fill?: (dataDir: string) => Promise<void>
}

export type Row = Record<string, unknown>

export interface PostgresServer {
  readonly major: number
  readonly port: number
  /** Superuser, database postgres. */
  readonly url: string
  readonly dataDir: string
  readonly binDir: string
  readonly socketDir: string
  readonly pid: number
  /** An empty database, of a new name unless one is given. Returns its url. */
  createDatabase(name?: string): Promise<string>
  /** On a connection of its own; the rows of the last statement. */
  sql<R extends Row = Row>(text: string, values?: readonly unknown[], url?: string): Promise<R[]>
  /** `fast` ends the sessions and shuts down; `immediate` is a crash. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** Same port, same data. */
  start(): Promise<void>
  /** The last lines of the server's log. */
  log(): string
}

interface Programs {
  readonly binDir: string
  readonly version: string
  readonly major: number
  readonly runAs: { readonly uid?: number; readonly gid?: number }
  readonly workDir: string
}

const SETTINGS = {
  wal_level: 'logical',
  listen_addresses: '127.0.0.1',
  fsync: 'off',
  full_page_writes: 'off',
  max_wal_senders: '20',
  max_replication_slots: '20',
  log_line_prefix: '%m [%p] ',
}

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const programs = await findPrograms(options.major)
  const home = mkdtempSync(join(programs.workDir, 'fraiseql-test-pg-'))
  const watchdog = startWatchdog(home, 'QUIT')
  own(home, programs)
  const dataDir = join(home, 'data')
  if (options.fill !== undefined) await options.fill(dataDir)
  else if (options.ownSystemId === true) initialize(dataDir, programs)
  else copyFolder(template(programs), dataDir)
  const logFile = join(home, 'log')
  const port = await freePort()
  configure({ dataDir, socketDir: home, port, ...options })
  const command = { program: join(programs.binDir, 'postgres'), args: ['-D', dataDir], logFile }
  const server = new ServerProcess({ ...command, runAs: programs.runAs }, watchdog)
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`
  await server.start(() => answers(url))
  return handle(server, {
    major: programs.major,
    port,
    url,
    dataDir,
    binDir: programs.binDir,
    socketDir: home,
  })
}

async function findPrograms(major: number | undefined): Promise<Programs> {
  const wanted = major ?? (process.env.TEST_PG_MAJOR ? Number(process.env.TEST_PG_MAJOR) : undefined)
  const tool: { findPostgres(options: { major?: number | undefined }): Promise<Programs> } = await import(
    pathToFileURL(join(projectRoot, 'tools', 'postgres.mjs')).href
  )
  return tool.findPostgres({ major: wanted })
}

/** Made beside its place and moved there in one step; of two processes that do so at once, the first one wins. */
function template(programs: Programs): string {
  const path = join(programs.workDir, `fraiseql-test-template-${programs.version}-${process.getuid?.() ?? 0}`)
  if (existsSync(join(path, 'data', 'PG_VERSION'))) return join(path, 'data')
  const fresh = mkdtempSync(`${path}-`)
  own(fresh, programs)
  initialize(join(fresh, 'data'), programs)
  try {
    renameSync(fresh, path)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    if (!existsSync(join(path, 'data', 'PG_VERSION'))) throw error
  }
  return join(path, 'data')
}

function initialize(dataDir: string, { binDir, runAs }: Programs): void {
  const args = ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const env = { PATH: process.env.PATH, TZ: 'UTC' }
  const { status, stderr, error } = spawnSync(join(binDir, 'initdb'), args, { ...runAs, cwd: '/', env })
  if (status !== 0) throw new Error(`initdb failed: ${error?.message ?? stderr}`)
}

/** `cp` keeps owner and mode, and is several times as fast as copying file by file from here. */
function copyFolder(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-Rp', from, to])
  if (status !== 0) throw new Error(`cp failed: ${stderr}`)
}

function own(path: string, { runAs }: Programs): void {
  if (runAs.uid !== undefined && runAs.gid !== undefined) chownSync(path, runAs.uid, runAs.gid)
}

interface Place extends PostgresOptions {
  readonly dataDir: string
  readonly socketDir: string
  readonly port: number
}

function configure({ dataDir, socketDir, port, settings, hba }: Place): void {
  const all = { ...SETTINGS, port: String(port), unix_socket_directories: socketDir, ...settings }
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`)
  writeFileSync(join(dataDir, 'postgresql.conf'), `${lines.join('\n')}\n`)
  if (hba !== undefined) writeFileSync(join(dataDir, 'pg_hba.conf'), hba)
}

/** Any answer of the server's own will do: a test's pg_hba.conf may refuse this very connection. */
async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch (error) {
    const code = (error as { code?: string }).code ?? ''
    return code.startsWith('28')
  } finally {
    await client.end().catch(() => {})
  }
}

type Facts = Pick<PostgresServer, 'major' | 'port' | 'url' | 'dataDir' | 'binDir' | 'socketDir'>

function handle(server: ServerProcess, facts: Facts): PostgresServer {
  let databases = 0
  const sql: PostgresServer['sql'] = (text, values, url = facts.url) => query(url, text, values)
  return {
    ...facts,
    get pid() {
      return server.pid
    },
    sql,
    async createDatabase(name = `test_${++databases}`) {
      await sql(`CREATE DATABASE ${pg.escapeIdentifier(name)}`)
      const url = new URL(facts.url)
      url.pathname = `/${encodeURIComponent(name)}`
      return url.href
    },
    stop: (mode = 'fast') => server.end(mode === 'fast' ? 'SIGINT' : 'SIGQUIT'),
    start: () => server.start(() => answers(facts.url)),
    log: () => server.log(),
  }
}

async function query<R extends Row>(url: string, text: string, values?: readonly unknown[]): Promise<R[]> {
  const client = new pg.Client({ connectionString: url })
  // A server stopped in mid-query reports here as well as in the query's own rejection.
  client.on('error', () => {})
  await client.connect()
  try {
    const result = await (values === undefined ? client.query(text) : client.query(text, [...values]))
    const last = Array.isArray(result) ? result.at(-1) : result
    return last.rows
  } finally {
    await client.end().catch(() => {})
  }
}
