/**
 * The demo: its own PostgreSQL and its own nats-server, the daemon between them, a shop that writes orders, and a
 * consumer that prints each event as it arrives. When it ends nothing runs any more and its folders are gone.
 *
 *   npm run demo                          until Ctrl-C
 *   npm run demo -- --once [--orders 50]  so many orders; exit code 0 if every event arrived once and in order, else 1
 */
import { parseArgs } from 'node:util'
import { messageOf } from '../src/errors.ts'
import { Releases } from '../src/lifecycle/releases.ts'
import { sleep } from '../src/lifecycle/sleep.ts'
import { canListen, freePort } from '../tools/server-process.ts'
import { type Arrival, Arrivals } from './arrivals.ts'
import { compare } from './change.ts'
import { removeLeftovers } from './folder.ts'
import { findNats, startNats } from './nats.ts'
import { Observer } from './observer.ts'
import { startPostgres } from './postgres.ts'
import { eventLine, heading, logLine, quantile, type Screen, styled } from './screen.ts'
import { Shop } from './shop.ts'

interface Options {
  readonly once: boolean
  /** Infinity: until Ctrl-C. */
  readonly orders: number
  /** Between two transactions of the shop. */
  readonly pauseMs: number
}

const USAGE = `npm run demo                         orders until Ctrl-C
npm run demo -- --once [--orders N]  N orders (default 20), then the check; exit code 0 or 1`
const METRICS_PORT = 9464
/** So long nothing arrives, and the rest counts as missing. */
const SILENCE_MS = 15_000
/** Ctrl-C comes twice: from the terminal, and handed on by npm. */
const SAME_WISH_MS = 500

async function demo(options: Options, stop: AbortController): Promise<boolean> {
  const releases = new Releases()
  try {
    return await show(options, stop, releases)
  } finally {
    await releases.run()
  }
}

async function show(
  { once, orders, pauseMs }: Options,
  stop: AbortController,
  releases: Releases,
): Promise<boolean> {
  const { signal } = stop
  removeLeftovers()
  print(styled('fraiseql-observer demo', 'bold', screen))
  const binary = await findNats()
  signal.throwIfAborted()
  const postgres = await startPostgres(print)
  releases.push(() => postgres.stop())
  signal.throwIfAborted()
  const nats = await startNats(binary)
  releases.push(() => nats.stop())
  signal.throwIfAborted()
  fact(`PostgreSQL ${postgres.version}`, postgres.url)
  fact(`nats-server ${nats.version}`, nats.url)
  const httpPort = await metricsPort()
  const observer = new Observer({
    databaseUrl: postgres.url,
    natsUrl: nats.url,
    httpPort,
    onLog: (level, message) => print(logLine(level, message, screen)),
    onExit: error => stop.abort(error),
  })
  releases.push(() => observer.stop())
  await observer.ready(signal)
  signal.throwIfAborted()
  fact('daemon', 'demo/fraiseql.toml')
  fact('metrics', `http://127.0.0.1:${httpPort}/metrics  (and for people: http://127.0.0.1:${httpPort}/)`)
  print(once ? `\n${orders} orders:` : '\nOrders are written now. Ctrl-C stops everything.')
  print(heading(screen))

  const arrivals = await Arrivals.open(nats.url, (arrival: Arrival) => print(eventLine(arrival, screen)))
  releases.push(() => arrivals.close())
  const shop = await Shop.open(postgres.url)
  releases.push(() => shop.close())
  const pause = async (): Promise<'go on' | 'stop'> => {
    await sleep(pauseMs, signal)
    return signal.aborted ? 'stop' : 'go on'
  }
  while (!signal.aborted && shop.orders < orders) {
    await shop.order(pause).catch(error => {
      throw new Error(`the shop can't write its orders: ${messageOf(error)}`)
    })
  }
  if (signal.reason instanceof Error && signal.reason.name !== 'AbortError') throw signal.reason
  return verdict(shop, arrivals, observer).catch(error => {
    print(styled(`the check could not be made: ${messageOf(error)}`, 'red', screen))
    return false
  })
}

/** Waits for what is under way, stops the daemon, and compares. */
async function verdict(shop: Shop, arrivals: Arrivals, observer: Observer): Promise<boolean> {
  const { written } = shop
  let last = { count: -1, at: 0 }
  while (arrivals.changes.length < written.length) {
    if (arrivals.changes.length !== last.count) last = { count: arrivals.changes.length, at: Date.now() }
    else if (Date.now() - last.at > SILENCE_MS) break
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  await observer.stop()
  const { good, findings } = compare(written, arrivals.changes)
  const stored = await arrivals.stored()
  const whole = good && stored === written.length
  const [p50, p99] = [0.5, 0.99].map(q => quantile(arrivals.latencies, q).toFixed(2))
  print(`\n${shop.orders} orders, ${written.length} row changes written, ${stored} events in the stream`)
  if (arrivals.latencies.length > 0) print(`commit to arrival: median ${p50} ms, 99 % within ${p99} ms`)
  for (const finding of findings) print(styled(finding, 'red', screen))
  print(
    whole
      ? styled('every event arrived once and in commit order', 'green', screen)
      : styled('NOT every event arrived once and in commit order', 'red', screen),
  )
  return whole
}

/** The usual port, or a free one where that is taken. */
async function metricsPort(): Promise<number> {
  if (await canListen(METRICS_PORT)) return METRICS_PORT
  const port = await freePort()
  print(`  port ${METRICS_PORT} is taken by another program; /metrics will be on port ${port}`)
  return port
}

function fact(name: string, value: string): void {
  print(`  ${name.padEnd(20)} ${value}`)
}

const screen: Screen = {
  colours: process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
  get columns() {
    return process.stdout.isTTY ? process.stdout.columns : 0
  },
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function readOptions(): Options | string {
  const flags = {
    once: { type: 'boolean', default: false },
    orders: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  } as const
  const { values } = parseArgs({ options: flags })
  if (values.help) return USAGE
  const { once } = values
  const orders = Number(values.orders ?? (once ? 20 : Number.POSITIVE_INFINITY))
  if (!(orders >= 1) || (values.orders !== undefined && !Number.isInteger(orders))) {
    throw new Error(`--orders must be a whole number from 1 on, not ${values.orders}`)
  }
  return { once, orders, pauseMs: once ? 20 : 700 }
}

/**
 * Ctrl-C, the end of the terminal, of npm or of whoever reads the output: all of it is a wish to stop. A second Ctrl-C
 * ends the demo at once, and the watchdogs do the rest.
 */
function stopWishes(stop: AbortController): void {
  let first = 0
  const wish = (): void => {
    if (first === 0) {
      first = performance.now()
      print('\nstopping ...')
      stop.abort()
    } else if (performance.now() - first > SAME_WISH_MS) process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, wish)
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop.abort())
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) stop.abort()
  }, 1000).unref()
}

const stop = new AbortController()
stopWishes(stop)
try {
  const options = readOptions()
  if (typeof options === 'string') print(options)
  else process.exitCode = (await demo(options, stop)) ? 0 : 1
} catch (error) {
  // A step that was under way when the wish came may fail in any way; that is no news.
  await new Promise(resolve => setImmediate(resolve))
  const reason: unknown = stop.signal.aborted ? stop.signal.reason : error
  if (!(reason instanceof Error && reason.name === 'AbortError')) {
    process.stderr.write(`demo: ${messageOf(reason)}\n`)
    process.exitCode = 1
  }
}
// A download that was begun, say, must not hold up the end.
process.exit()
