/**
 * What most tests of the whole way need: a database, a slot, a stream and a subject prefix of their own on servers
 * that a file's tests share, the configuration that binds them, and the daemons that run on it.
 */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectNats } from '../../src/nats.ts'
import { Daemon, until } from './daemon.ts'
import type { NatsServer } from './nats.ts'
import type { PostgresServer, Row } from './postgres.ts'
import { payload, readStream, type StreamMessage } from './stream-reader.ts'

type Value = string | number | boolean | readonly string[]
export type Sections = Readonly<Record<string, Readonly<Record<string, Value>>>>

export interface SceneOptions {
  readonly name: string
  /** Run in the new database. */
  readonly schema?: string
  /** `[[observers]]` entries, as TOML. */
  readonly rules?: string
  /** Over the scene's own keys. */
  readonly settings?: Sections
}

export interface Servers {
  readonly postgres: PostgresServer
  readonly nats: NatsServer
  /** Of the test itself. */
  readonly nc: NatsConnection
}

export async function connectForTest(nats: NatsServer): Promise<NatsConnection> {
  const auth = { type: 'none' } as const
  return connectNats({ servers: [nats.url], connect_timeout_ms: 5_000, auth, tls: null }, { name: 'test' })
}

export async function setScene(servers: Servers, options: SceneOptions): Promise<Scene> {
  const url = await servers.postgres.createDatabase(options.name)
  if (options.schema !== undefined) await servers.postgres.sql(options.schema, undefined, url)
  return new Scene(servers, url, options)
}

export class Scene {
  readonly url: string
  readonly slot: string
  readonly stream: string
  readonly prefix: string
  readonly servers: Servers
  rules: string
  settings: Sections
  readonly #daemons: Daemon[] = []

  constructor(servers: Servers, url: string, { name, rules = '', settings = {} }: SceneOptions) {
    this.servers = servers
    this.url = url
    this.slot = name
    this.stream = name
    this.prefix = `p_${name}`
    this.rules = rules
    this.settings = settings
  }

  sql<R extends Row = Row>(text: string, values?: readonly unknown[]): Promise<R[]> {
    return this.servers.postgres.sql<R>(text, values, this.url)
  }

  toml(): string {
    const { slot, prefix, servers } = this
    const sections: Record<string, Record<string, Value>> = {
      database: { url: this.url },
      replication: { slot_name: slot, publication_name: slot },
      nats: { servers: [servers.nats.url] },
      stream: { name: this.stream, subject_prefix: prefix, max_bytes: 100_000_000 },
      http: { host: '127.0.0.1', port: 0 },
    }
    for (const [name, keys] of Object.entries(this.settings)) sections[name] = { ...sections[name], ...keys }
    const lines = Object.entries(sections).flatMap(([name, keys]) => [
      `[${name}]`,
      ...Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
    ])
    return `${lines.join('\n')}\n${this.rules}\n`
  }

  /** A daemon, from its start to its changes flowing. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<Daemon> {
    return this.launch(env).streaming()
  }

  /** Without waiting. */
  launch(env: Readonly<Record<string, string>> = {}): Daemon {
    const daemon = new Daemon({ config: this.toml(), env })
    this.#daemons.push(daemon)
    return daemon
  }

  jsm(): Promise<JetStreamManager> {
    return jetstreamManager(this.servers.nc)
  }

  read(stream = this.stream): Promise<StreamMessage[]> {
    return readStream(this.servers.nc, stream)
  }

  /** Every change that is committed now is stored, and PostgreSQL knows. */
  async caughtUp(): Promise<void> {
    const [now] = await this.sql<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
    await until(
      async () => {
        const [slot] = await this.sql<{ done: boolean }>(
          'SELECT confirmed_flush_lsn >= $2::pg_lsn AS done FROM pg_replication_slots WHERE slot_name = $1',
          [this.slot, now!.lsn],
        )
        return slot?.done === true
      },
      () => `not caught up with ${now!.lsn}:\n${this.#daemons.at(-1)?.lastLines()}`,
    )
  }

  /** All messages, when everything committed until now is among them. */
  async messages(stream = this.stream): Promise<StreamMessage[]> {
    await this.caughtUp()
    return this.read(stream)
  }

  /** The same, as their payloads. */
  async events(stream = this.stream): Promise<Record<string, unknown>[]> {
    return (await this.messages(stream)).map(payload)
  }

  async killDaemons(): Promise<void> {
    await Promise.all(this.#daemons.map(daemon => daemon.kill()))
  }

  /** Ends the daemons, and drops the slot and the stream, so that the servers have room for the next. */
  async end(): Promise<void> {
    await this.killDaemons()
    await until(
      async () => {
        await this.sql(
          'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
          [this.slot],
        )
        return true
      },
      () => `slot ${this.slot} can't be dropped`,
    )
    const { streams } = await this.jsm()
    await streams.delete(this.stream).catch(() => {})
  }
}
