/**
 * What the bench plays on: real servers, a proxy before each, the daemon (sometimes two), and connections of the
 * bench's own that go past the proxies.
 */
import { appendFileSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type NatsRelease, type NatsServer, startNats, startNatsCluster } from '../kit/nats.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'
import { DaemonProcess } from './daemon-process.ts'
import { Disk } from './disk.ts'
import { ProxyThread, type RemoteProxy } from './proxy-thread.ts'
import { SCHEMA } from './schema.ts'

export interface WorldOptions {
  readonly major: number | undefined
  readonly release: NatsRelease | undefined
  readonly cluster: boolean
  /** Of the daemon: most messages in flight. */
  readonly window: number
  /** Of the daemon: when messages go in atomic batches. */
  readonly atomic: 'auto' | 'transactions' | 'off'
  /** Gives the servers disks of their own that can be made full, where that is allowed. */
  readonly disks: boolean
}

export const SLOT = 'fault'
export const STREAM = 'fault'
export const PREFIX = 'fault.mutation'
/** Small, so that a frozen or silent daemon is given up within seconds. */
export const WAL_SENDER_TIMEOUT_MS = 3_000
/** Short, so that JetStream's own memory hides nothing. */
export const DUPLICATE_WINDOW_SECONDS = 1

const POSTGRES_SETTINGS = {
  wal_sender_timeout: `${WAL_SENDER_TIMEOUT_MS}ms`,
  // Transactions of some hundred rows are spilled to disk already.
  logical_decoding_work_mem: '64kB',
  max_wal_size: '4GB',
}

export class World {
  readonly postgres: PostgresServer
  readonly servers: readonly NatsServer[]
  /** One for each server; none where none may be made. */
  readonly disks: readonly Disk[]
  readonly pgProxy: RemoteProxy
  readonly natsProxies: readonly RemoteProxy[]
  readonly nc: NatsConnection
  readonly manager: JetStreamManager
  readonly options: WorldOptions
  /** Past the proxy. */
  readonly url: string
  /** All that were ever started. */
  readonly daemons: DaemonProcess[] = []
  /** File of all that happened: faults, and the logs of all daemons. */
  readonly journal = join(mkdtempSync(join(tmpdir(), 'fraiseql-fault-')), 'journal.log')
  /** What went wrong beside the stream. */
  readonly complaints: string[] = []
  #inCharge: DaemonProcess | null = null
  readonly #proxies: ProxyThread

  private constructor(
    options: WorldOptions,
    url: string,
    servers: { postgres: PostgresServer; nats: readonly NatsServer[]; disks: readonly Disk[] },
    proxies: { thread: ProxyThread; postgres: RemoteProxy; nats: readonly RemoteProxy[] },
    nats: { nc: NatsConnection; manager: JetStreamManager },
  ) {
    this.options = options
    this.url = url
    this.postgres = servers.postgres
    this.servers = servers.nats
    this.disks = servers.disks
    this.#proxies = proxies.thread
    this.pgProxy = proxies.postgres
    this.natsProxies = proxies.nats
    this.nc = nats.nc
    this.manager = nats.manager
  }

  static async make(options: WorldOptions): Promise<World> {
    const { major, release, cluster } = options
    const postgres = await startPostgres({
      ...(major === undefined ? {} : { major }),
      settings: POSTGRES_SETTINGS,
    })
    const choice = release === undefined ? {} : { release }
    const nats = cluster
      ? (await startNatsCluster({ ...choice, advertise: false })).servers
      : [await startNats(choice)]
    const disks = options.disks ? await withDisks(nats) : []
    const url = await postgres.createDatabase('fault')
    await postgres.sql(SCHEMA, undefined, url)
    const thread = new ProxyThread()
    const [pgProxy, ...natsProxies] = await thread.open([postgres.port, ...nats.map(({ port }) => port)])
    const proxies = { thread, postgres: pgProxy!, nats: natsProxies }
    const nc = await connect({
      servers: nats.map(server => server.url),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      pingInterval: 2_000,
    })
    const manager = await jetstreamManager(nc, { timeout: 3_000 })
    return new World(options, url, { postgres, nats, disks }, proxies, { nc, manager })
  }

  /** The one in charge: the one started last, unless said otherwise. */
  get daemon(): DaemonProcess {
    return this.#inCharge!
  }

  startDaemon(): DaemonProcess {
    const daemon = new DaemonProcess(`daemon ${this.daemons.length + 1}`, this.#config(), line =>
      this.note(line),
    )
    this.daemons.push(daemon)
    this.#inCharge = daemon
    return daemon
  }

  inCharge(daemon: DaemonProcess): void {
    this.#inCharge = daemon
  }

  complain(text: string): void {
    this.complaints.push(`${new Date().toISOString()} ${text}`)
    this.note(`VIOLATION ${text}`)
  }

  /** Into the journal. */
  note(line: string): void {
    appendFileSync(this.journal, `${new Date().toISOString()} ${line}\n`)
  }

  /** On a connection of its own, past the proxy. */
  sql<R extends Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<R[]> {
    return this.postgres.sql<R>(text, values, this.url)
  }

  async end(): Promise<void> {
    await Promise.all(this.daemons.map(daemon => daemon.end('SIGKILL')))
    await this.nc.close()
    await this.#proxies.end()
    await Promise.all([this.postgres.stop('immediate'), ...this.servers.map(server => server.kill())])
    await Promise.all(this.disks.map(disk => disk.end()))
  }

  #config(): string {
    const { cluster, window, atomic } = this.options
    const servers = this.natsProxies.map(({ port }) => `"nats://127.0.0.1:${port}"`)
    return `
[database]
url = "postgresql://postgres@127.0.0.1:${this.pgProxy.port}/fault"
connect_timeout_ms = 5000
[replication]
slot_name = "${SLOT}"
publication_name = "${SLOT}"
[nats]
servers = [${servers.join(', ')}]
connect_timeout_ms = 3000
[stream]
name = "${STREAM}"
subject_prefix = "${PREFIX}"
max_bytes = 8000000000
duplicate_window_seconds = ${DUPLICATE_WINDOW_SECONDS}
replicas = ${cluster ? 3 : 1}
[publish]
max_in_flight_messages = ${window}
atomic = "${atomic}"
[http]
host = "127.0.0.1"
port = 0
[log]
format = "json"
`
  }
}

/** New servers, with nothing stored yet, start again on disks of their own. */
async function withDisks(servers: readonly NatsServer[]): Promise<Disk[]> {
  await Promise.all(servers.map(server => server.stop()))
  const disks = servers.map(({ storeDir }) => Disk.mount(storeDir)).filter(disk => disk !== null)
  await Promise.all(servers.map(server => server.start()))
  return disks.length === servers.length ? disks : []
}
