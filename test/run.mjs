#!/usr/bin/env node
/**
 * The whole test run, from a clean clone: install, build, check, get the servers, and run every suite on the newest
 * servers and the integration suite once more on the oldest. Each file is a process of its own, two at a time. The
 * last line is `N passed, N failed`; anything skipped is told there too, and fails the run like a failure.
 *
 *   npm test                              everything
 *   npm test -- unit [part of a name]     one suite: unit, sim, integration or e2e
 *   TEST_PG_MAJOR=14 TEST_NATS_RELEASE=oldest npm test -- integration slot
 */
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNatsServer } from '../tools/nats-server.mjs'
import { findPostgres, findWorkDir, MAJORS, NEWEST_MAJOR } from '../tools/postgres.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SUITES = ['unit', 'sim', 'integration', 'e2e']
const NEWEST = { major: NEWEST_MAJOR, release: 'newest' }
const OLDEST = { major: Math.min(...MAJORS), release: 'oldest' }
const AT_ONCE = 2
const TEST_LIMIT_MS = 180_000
const RUN_LIMIT_MS = 1_500_000

const total = { passed: 0, failed: 0, skipped: 0 }
const children = new Set()
const startedAt = Date.now()
let stopping

async function main([suite, filter = '']) {
  if (suite !== undefined && !SUITES.includes(suite))
    throw new Error(`no suite "${suite}"; there are ${SUITES.join(', ')}`)
  await install()
  await build()
  if (suite === undefined) await check()
  const tmp = await runFolder()
  try {
    for (const step of await plan(suite, filter)) await runStep(step, tmp)
    await checkLeftovers(tmp)
  } finally {
    await rm(tmp, { recursive: true, force: true })
  }
  if (total.passed + total.failed + total.skipped === 0) fail('no test ran')
}

/** `npm ci` unless what is installed is what the lock file says. */
async function install() {
  const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')).packages
  const hidden = await readFile(join(ROOT, 'node_modules', '.package-lock.json'), 'utf8').catch(
    () => '{"packages":{}}',
  )
  const installed = JSON.parse(hidden).packages
  const stale = Object.entries(lock).some(
    ([path, entry]) => path !== '' && entry.optional !== true && installed[path]?.version !== entry.version,
  )
  if (stale) await step('install', npm(['ci', '--no-audit', '--no-fund', '--loglevel=error']))
}

function npm(args) {
  const script = process.env.npm_execpath
  return script === undefined ? ['npm', args] : [process.execPath, [script, ...args]]
}

/** From nothing, so that no test of a deleted source runs. */
async function build() {
  await rm(join(ROOT, 'dist'), { recursive: true, force: true })
  await step('build', [process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', ROOT]])
}

/** A finding fails the run, but doesn't keep the tests from running. */
async function check() {
  const biome = join(ROOT, 'node_modules/@biomejs/biome/bin/biome')
  await step('check', [process.execPath, [biome, 'check', '.']]).catch(error => fail(error.message))
}

async function step(name, [command, args]) {
  say(`${name} ...`)
  const { code, output } = await execute(command, args, { timeout: 600_000 })
  if (code !== 0) throw new Error(`${name} failed (${code}):\n${output}`)
}

/** A folder of temporary files for this run alone, so that what the tests leave behind is seen and goes. */
async function runFolder() {
  const folder = await mkdtemp(join(findWorkDir(), 'fraiseql-run-'))
  await chmod(folder, 0o755)
  process.env.TMPDIR = folder
  return folder
}

/** The steps one after the other: name, files, and which servers; undefined where none are needed. */
async function plan(suite, filter) {
  const files = async name => {
    const folder = join(ROOT, 'dist', 'test', name)
    const names = await readdir(folder, { recursive: true }).catch(() => [])
    const tests = names.filter(file => file.endsWith('.test.js') && file.includes(filter)).sort()
    return tests.map(file => join(folder, file))
  }
  const [unit, sim, integration, e2e] = await Promise.all(SUITES.map(files))
  if (suite === 'unit') return [{ name: 'unit', files: unit }]
  if (suite === 'sim') return [{ name: 'simulation', files: sim }]
  if (suite !== undefined) {
    const { TEST_PG_MAJOR: major, TEST_NATS_RELEASE: release } = process.env
    const servers = { major: major ? Number(major) : NEWEST.major, release: release || NEWEST.release }
    return [{ name: suite, files: suite === 'e2e' ? e2e : integration, servers }]
  }
  const isTidy = file => basename(file) === 'tidy.test.js'
  return [
    { name: 'house rules', files: unit.filter(isTidy) },
    { name: 'unit', files: unit.filter(file => !isTidy(file)) },
    { name: 'simulation', files: sim },
    { name: 'integration and e2e, newest servers', files: [...integration, ...e2e], servers: NEWEST },
    { name: 'integration, oldest servers', files: integration, servers: OLDEST },
  ]
}

async function runStep({ name, files, servers }, tmp) {
  if (files.length === 0) return fail(`${name}: no test file`)
  const env = servers === undefined ? environment() : await serverEnvironment(name, servers)
  if (servers === undefined) say(`\n${name}`)
  const queue = [...files]
  const workers = Array.from({ length: AT_ONCE }, async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await runFile(file, env, tmp)
  })
  await Promise.all(workers)
}

/** Gets the servers before the tests do, so that no test waits for a download. */
async function serverEnvironment(name, { major, release }) {
  const postgres = await findPostgres({ major })
  const nats = await findNatsServer({ release })
  say(`\n${name}: PostgreSQL ${postgres.version}, nats-server ${nats.version}`)
  const chosen = { TEST_PG_MAJOR: String(major), TEST_NATS_RELEASE: release, NATS_SERVER_BIN: nats.path }
  return { ...environment(), ...chosen }
}

/** Without what a person has set for the daemon or for their own database, which would change what is tested. */
function environment() {
  const foreign = /^(DATABASE_URL|FRAISEQL_.*|NATS_(?!SERVER_BIN$).*|PG(?!_BIN_DIR$).*|NODE_TEST_CONTEXT)$/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}

async function runFile(file, env, tmp) {
  const name = relative(join(ROOT, 'dist'), file).replace(/\.js$/, '.ts')
  if (stopping !== undefined) return
  if (timeLeft() <= 0)
    return fail(`${name}: not run, the whole took longer than ${RUN_LIMIT_MS / 60_000} minutes`)
  const results = join(tmp, `${basename(file)}-${Date.now()}.ndjson`)
  const reporter = [
    `--test-reporter=${join(ROOT, 'test', 'reporter.mjs')}`,
    `--test-reporter-destination=${results}`,
  ]
  const began = Date.now()
  const limits = { timeout: timeLeft(), silence: { file: results, limit: TEST_LIMIT_MS } }
  const end = await execute(process.execPath, ['--enable-source-maps', ...reporter, file], { env, ...limits })
  const lines = (await readFile(results, 'utf8').catch(() => '')).split('\n').filter(Boolean)
  await rm(results, { force: true })
  record(name, { ...end, seconds: (Date.now() - began) / 1000, events: lines.map(line => JSON.parse(line)) })
}

function timeLeft() {
  return RUN_LIMIT_MS - (Date.now() - startedAt)
}

function record(name, { code, signal, output, seconds, events }) {
  const tests = events.filter(test => ['passed', 'failed', 'skipped'].includes(test.outcome))
  const ended = events.at(-1)?.outcome === 'end'
  const count = outcome => tests.filter(test => test.outcome === outcome).length
  for (const outcome of ['passed', 'failed', 'skipped']) total[outcome] += count(outcome)
  const crashed = signal !== null || !ended || tests.length === 0 || (code !== 0 && count('failed') === 0)
  const good = !crashed && count('failed') + count('skipped') === 0
  say(`  ${good ? 'ok  ' : 'FAIL'} ${name}  ${count('passed')} of ${tests.length}  ${seconds.toFixed(1)} s`)
  for (const test of tests) {
    if (test.outcome === 'failed') say(`    failed: ${test.name}\n${indent(test.error)}`)
    if (test.outcome === 'skipped') say(`    skipped: ${test.name}`)
  }
  if (crashed) {
    const how =
      signal !== null
        ? `was ended by ${signal}`
        : ended && code === 0
          ? 'holds no test'
          : `exited with ${code}`
    const last = events.findLast(test => test.outcome === 'begun')
    fail(
      `${name} ${how} after ${seconds.toFixed(1)} s${last === undefined ? '' : `; begun last: ${last.name}`}`,
    )
  }
  if (!good && output.trim() !== '')
    say(indent(`its output:\n${output.trim().split('\n').slice(-80).join('\n')}`))
}

/** The watchdogs of the test kit need a moment after the last process has ended. */
async function checkLeftovers(tmp) {
  const left = async () => (await readdir(tmp)).filter(name => /^fraiseql-test-(pg|nats)-/.test(name))
  for (let wait = 0; wait < 100 && (await left()).length > 0; wait++)
    await new Promise(done => setTimeout(done, 100))
  const names = await left()
  if (names.length > 0) fail(`servers or their folders were left behind: ${names.join(', ')}`)
}

/** Kills what takes longer than `timeout`, or adds nothing to the file of `silence` for that file's limit. */
function execute(command, args, { env = process.env, timeout, silence }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
    children.add(child)
    const timers = [setTimeout(() => child.kill('SIGKILL'), timeout)]
    if (silence !== undefined) timers.push(watchSilence(silence, () => child.kill('SIGKILL')))
    let output = ''
    const collect = chunk => {
      output = `${output}${chunk}`.slice(-200_000)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', reject)
    // Not `close`: a grandchild that keeps the pipes open must not hold up the run.
    child.on('exit', (code, signal) => {
      for (const timer of timers) clearInterval(timer)
      children.delete(child)
      setImmediate(() => resolve({ code, signal, output }))
    })
  })
}

/** node:test's own limit of time doesn't hold on Node 20; a test that neither ends nor begins is seen from here. */
function watchSilence({ file, limit }, onSilence) {
  let size = -1
  let since = Date.now()
  return setInterval(async () => {
    const now = await stat(file).then(
      stats => stats.size,
      () => 0,
    )
    if (now !== size) since = Date.now()
    size = now
    if (Date.now() - since > limit) onSilence()
  }, 1_000)
}

function fail(text) {
  total.failed += 1
  say(`  FAIL ${text}`)
}

function indent(text) {
  return text.replace(/^/gm, '      ')
}

function say(text) {
  process.stdout.write(`${text}\n`)
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stopping ??= signal
    for (const child of children) child.kill('SIGTERM')
  })
}

await main(process.argv.slice(2)).catch(error => fail(error.message))
if (stopping !== undefined) fail(`stopped by ${stopping}`)
say(`\n${Math.round((Date.now() - startedAt) / 1000)} s`)
say(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exitCode = total.failed + total.skipped > 0 ? 1 : 0
