/**
 * The run: real servers, the daemon as a process, a steady load, and once a minute the end of a connection: by turns the
 * one to NATS is cut and PostgreSQL's walsender is terminated. Everything is looked at all the time.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { TcpProxy } from '../fault/proxy.ts'
import { type NatsRelease, type NatsServer, startNats } from '../kit/nats.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { freePort, ServerProcess, startWatchdog } from '../kit/server-process.ts'
import { type Gauges, look, page } from './gauges.ts'
import { StreamReader } from './reader.ts'
import { ROWS_TOGETHER, SCHEMA, writeSteadily } from './writer.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly eventsPerSecond: number
  readonly reconnectSeconds: number
  readonly major: number | undefined
  readonly release: NatsRelease | undefined
  /** Of Node, for the daemon. */
  readonly nodeFlags: readonly string[]
  readonly say: (text: string) => void
}

export interface SoakResult {
  readonly written: number
  /** What the stream says it holds, and how many the reader has seen. */
  readonly stored: number
  readonly read: number
  /** What the reader found wrong: the first ones, and how many. */
  readonly wrong: readonly string[]
  readonly wrongs: number
  readonly faults: { readonly nats: number; readonly postgres: number }
  readonly samples: readonly Gauges[]
  /** Idle, before the load, and after it. */
  readonly before: Gauges
  readonly after: Gauges
  readonly seconds: number
  readonly delays: ReadonlyMap<number, number>
  readonly slowestMs: number
  /** The end of its log, if it did not end orderly when it was told to. */
  readonly badEnd: string | null
  readonly versions: string
  readonly logFile: string
}

const NAME = 'soak'
const SAMPLE_MS = 2_000
/** After the load, for what is in flight, timers and sockets that end by themselves. */
const SETTLE_MS = 60_000
const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

interface World {
  readonly postgres: PostgresServer
  readonly nats: NatsServer
  readonly proxy: TcpProxy
  readonly nc: NatsConnection
  readonly url: string
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { major, release } = options
  const postgres = await startPostgres({
    ...(major === undefined ? {} : { major }),
    settings: { max_wal_size: '4GB', autovacuum_naptime: '20s' },
  })
  const nats = await startNats(release === undefined ? {} : { release })
  const proxy = await TcpProxy.open(nats.port)
  const nc = await connect({ servers: nats.url, maxReconnectAttempts: -1 })
  try {
    const url = await postgres.createDatabase(NAME)
    await postgres.sql(SCHEMA, undefined, url)
    return await run({ postgres, nats, proxy, nc, url }, options)
  } finally {
    await nc.close()
    proxy.close()
    await Promise.all([postgres.stop('immediate'), nats.kill()])
  }
}

async function run(world: World, options: SoakOptions): Promise<SoakResult> {
  const { minutes, eventsPerSecond, say } = options
  const { daemon, port, logFile } = await startDaemon(world, options.nodeFlags)
  const reader = new StreamReader()
  const begun = Date.now()
  const gauges = () => look(daemon.pid, port, begun)
  try {
    // Node's own start-up leaves a few things behind that go with the first collections.
    await sleep(5_000)
    const before = await gauges()
    reader.start(world.nc, NAME)
    const written = Math.floor((minutes * 60 * eventsPerSecond) / ROWS_TOGETHER) * ROWS_TOGETHER
    const writing = writeSteadily(world.url, written, eventsPerSecond)
    writing.catch(() => {})
    const samples: Gauges[] = []
    const faults = await watch({ world, options, reader, writing, samples, gauges })
    await writing
    await until(() => reader.last === written, SETTLE_MS)
    const after = await settled(gauges, before)
    const manager = await jetstreamManager(world.nc)
    const { state } = await manager.streams.info(NAME)
    await reader.stop()
    say('the load is over; the daemon is told to end')
    await daemon.end('SIGTERM')
    const badEnd = daemon.log().includes('"msg":"stopped"') ? null : daemon.log()
    const { delays, slowestMs, messages: read, wrong, wrongs } = reader
    return {
      ...{ written, stored: state.messages, read, wrong, wrongs, faults, samples, before, after },
      ...{ seconds: (Date.now() - begun) / 1000, delays, slowestMs, badEnd, logFile },
      versions: `PostgreSQL ${world.postgres.major}, nats-server ${world.nats.version}, Node ${process.version}`,
    }
  } finally {
    await reader.stop()
    await daemon.end('SIGKILL')
  }
}

interface Watched {
  readonly world: World
  readonly options: SoakOptions
  readonly reader: StreamReader
  readonly writing: Promise<void>
  readonly samples: Gauges[]
  readonly gauges: () => Promise<Gauges>
}

/** Looks, and breaks connections, until the load is over. */
async function watch({
  world,
  options,
  reader,
  writing,
  samples,
  gauges,
}: Watched): Promise<SoakResult['faults']> {
  const { reconnectSeconds, say } = options
  const faults = { nats: 0, postgres: 0 }
  let writes = true
  const written = () => {
    writes = false
  }
  writing.then(written, written)
  const begun = Date.now()
  let next = reconnectSeconds
  while (writes) {
    await sleep(SAMPLE_MS)
    const sample = await gauges()
    samples.push(sample)
    const now = (Date.now() - begun) / 1000
    if (now < next || !writes) continue
    // A machine that stood still makes up for nothing.
    while (next <= now) next += reconnectSeconds
    const { rssMib, heapMib, fds, lagBytes } = sample
    const memory = `RSS ${rssMib.toFixed(1)} MiB, heap ${heapMib.toFixed(1)} MiB`
    say(`${reader.last} stored, ${memory}, ${fds} fds, ${(lagBytes / 2 ** 20).toFixed(1)} MiB of WAL behind`)
    await breakOne(world, faults)
  }
  return faults
}

async function breakOne(
  { proxy, postgres, url }: World,
  faults: { nats: number; postgres: number },
): Promise<void> {
  if (faults.nats <= faults.postgres) {
    faults.nats++
    proxy.cut()
    return
  }
  const ended = await postgres.sql(
    'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NOT NULL',
    [NAME],
    url,
  )
  faults.postgres += ended.length
}

/** Waits until as much is open as before the load, or gives up. */
async function settled(gauges: () => Promise<Gauges>, before: Gauges): Promise<Gauges> {
  const deadline = Date.now() + SETTLE_MS
  for (;;) {
    const now = await gauges()
    const same =
      now.fds <= before.fds && sizeOf(now.resources) <= sizeOf(before.resources) && now.lagSeconds === 0
    if (same || Date.now() > deadline) return now
    await sleep(1_000)
  }
}

function sizeOf(resources: ReadonlyMap<string, number>): number {
  return [...resources.values()].reduce((sum, count) => sum + count, 0)
}

async function startDaemon(world: World, nodeFlags: readonly string[]) {
  const home = mkdtempSync(join(tmpdir(), 'fraiseql-test-soak-'))
  const port = await freePort()
  writeFileSync(join(home, 'fraiseql.toml'), config(world, port))
  const logFile = join(mkdtempSync(join(tmpdir(), 'fraiseql-soak-')), 'daemon.log')
  const args = [...nodeFlags, MAIN, 'run', '--config', home]
  const daemon = new ServerProcess({ program: process.execPath, args, logFile }, startWatchdog(home, 'KILL'))
  const streaming = () =>
    page(port, '/readiness').then(
      text => text.includes('"ready": true'),
      () => false,
    )
  await daemon.start(streaming)
  return { daemon, port, logFile }
}

function config({ url, proxy }: World, port: number): string {
  return `
[database]
url = "${url}"
[replication]
slot_name = "${NAME}"
publication_name = "${NAME}"
[nats]
servers = ["nats://127.0.0.1:${proxy.port}"]
[stream]
name = "${NAME}"
max_bytes = 100_000_000_000
max_msgs = 1_000_000_000
[http]
host = "127.0.0.1"
port = ${port}
[log]
format = "json"
`
}

async function until(condition: () => boolean, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs
  while (!condition() && Date.now() < deadline) await sleep(50)
}
