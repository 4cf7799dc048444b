/**
 * A real nats-server for a test, single or as a cluster of three, with a store of its own. Which release: the option,
 * else TEST_NATS_RELEASE, else the newest.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectRoot } from './project-root.ts'
import { freePort, ServerProcess, startWatchdog, type Watchdog } from './server-process.ts'

export const NATS_RELEASES = ['oldest', '2.12', 'newest'] as const
export type NatsRelease = (typeof NATS_RELEASES)[number]

export interface NatsOptions {
  readonly release?: NatsRelease
  /** Appended to the configuration file; what is said twice counts as it is said last. */
  readonly config?: string
  /** Default true. */
  readonly jetstream?: boolean
  /** How often JetStream syncs its files; the server's default is two minutes. */
  readonly syncInterval?: string
}

export interface NatsServer {
  readonly name: string
  readonly port: number
  /** nats://127.0.0.1:port, without credentials. */
  readonly url: string
  /** http://127.0.0.1:port of /varz, /jsz, /healthz. */
  readonly monitorUrl: string
  readonly version: string
  readonly pid: number
  readonly storeDir: string
  /** An orderly end. */
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** After stop or kill: same port, same store. */
  start(): Promise<void>
  /** Kill and start. */
  restart(): Promise<void>
  /** SIGSTOP: connections stay open, and nothing is answered until thaw. */
  freeze(): void
  thaw(): void
  /** Another end of the configuration file, in force from the next start. */
  reconfigure(config: string): void
  /** The last lines of the server's log. */
  log(): string
}

export interface NatsCluster {
  readonly servers: readonly NatsServer[]
  /** All three, comma-separated. */
  readonly url: string
  stop(): Promise<void>
}

export interface ClusterOptions {
  readonly release?: NatsRelease
  readonly size?: number
  /** Of each server. */
  readonly config?: string
  /** Default true. false: clients are not told of the other servers, so that they stay behind their proxies. */
  readonly advertise?: boolean
}

interface Binary {
  readonly path: string
  readonly version: string
}

export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const binary = await findBinary(options.release)
  const server = await prepare({ binary, name: 'n1', ...options })
  await server.start()
  return server
}

/**
 * Resolves when the servers have agreed on a JetStream leader, so that streams can be created at once. Three new servers
 * on a busy machine sometimes elect none within 30 s; they are then thrown away for new ones.
 */
export async function startNatsCluster(options: ClusterOptions = {}): Promise<NatsCluster> {
  const binary = await findBinary(options.release)
  for (let attempt = 1; ; attempt++) {
    const servers = await prepareCluster(binary, options)
    const stop = async () => void (await Promise.all(servers.map(server => server.stop())))
    await Promise.all(servers.map(server => server.start()))
    if (await haveLeader(servers, 30_000)) {
      return { servers, url: servers.map(server => server.url).join(','), stop }
    }
    const logs = servers.map(server => `${server.name}:\n${server.log()}`).join('\n')
    await stop()
    if (attempt === 3) throw new Error(`no JetStream leader within 30 s, three times:\n${logs}`)
  }
}

async function prepareCluster(binary: Binary, options: ClusterOptions): Promise<NatsServer[]> {
  const { size = 3, config = '', advertise = true } = options
  const ports = await Promise.all(Array.from({ length: size }, freePort))
  const routes = ports.map(port => `nats://127.0.0.1:${port}`).join(', ')
  // A name of its own keeps out the servers of another test whose dead peer had one of these ports.
  const name = `test-${ports.join('-')}`
  const quiet = advertise ? '' : ', no_advertise: true'
  return Promise.all(
    ports.map((port, index) => {
      const cluster = `cluster { name: ${name}, listen: "127.0.0.1:${port}", routes: [${routes}]${quiet} }`
      return prepare({ binary, name: `n${index + 1}`, config: `${cluster}\n${config}` })
    }),
  )
}

async function haveLeader(servers: readonly NatsServer[], withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs
  while (!(await Promise.all(servers.map(server => hasLeader(server, servers.length)))).every(Boolean)) {
    if (Date.now() > deadline) return false
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  return true
}

async function findBinary(release: NatsRelease | undefined): Promise<Binary> {
  const wanted = release ?? process.env.TEST_NATS_RELEASE ?? 'newest'
  const tool: { findNatsServer(options: { release: string; quiet: boolean }): Promise<Binary> } =
    await import(pathToFileURL(join(projectRoot, 'tools', 'nats-server.mjs')).href)
  return tool.findNatsServer({ release: wanted, quiet: true })
}

interface Plan extends NatsOptions {
  readonly binary: Binary
  readonly name: string
}

async function prepare({
  binary,
  name,
  config = '',
  jetstream = true,
  syncInterval,
}: Plan): Promise<NatsServer> {
  const home = mkdtempSync(join(tmpdir(), 'fraiseql-test-nats-'))
  const watchdog: Watchdog = startWatchdog(home, 'KILL')
  const [port, monitorPort] = [await freePort(), await freePort()]
  const storeDir = join(home, 'store')
  const sync = syncInterval === undefined ? '' : `, sync_interval: ${syncInterval}`
  const own = [
    `server_name: "${name}"`,
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitorPort}"`,
    ...(jetstream
      ? [`jetstream { store_dir: ${JSON.stringify(storeDir)}, max_file_store: 1TB${sync} }`]
      : []),
  ]
  const configFile = join(home, 'nats.conf')
  const reconfigure = (end: string) => writeFileSync(configFile, `${own.join('\n')}\n${end}\n`)
  reconfigure(config)
  const command = { program: binary.path, args: ['-c', configFile], logFile: join(home, 'log') }
  const server = new ServerProcess(command, watchdog)
  const monitorUrl = `http://127.0.0.1:${monitorPort}`
  const start = () => server.start(() => answers(`${monitorUrl}/healthz?js-enabled-only=true`))
  const end = (signal: NodeJS.Signals) => server.end(signal)
  return {
    ...{ name, port, url: `nats://127.0.0.1:${port}`, monitorUrl, version: binary.version, storeDir },
    get pid() {
      return server.pid
    },
    ...{ start, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') },
    restart: () => end('SIGKILL').then(start),
    freeze: () => server.signal('SIGSTOP'),
    thaw: () => server.signal('SIGCONT'),
    ...{ reconfigure, log: () => server.log() },
  }
}

async function hasLeader(server: NatsServer, size: number): Promise<boolean> {
  const jsz = (await fetch(`${server.monitorUrl}/jsz`).then(response => response.json())) as {
    meta_cluster?: { leader?: string; cluster_size?: number }
  }
  return jsz.meta_cluster?.leader !== undefined && jsz.meta_cluster.cluster_size === size
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined)
  await response?.arrayBuffer()
  return response?.ok === true
}
