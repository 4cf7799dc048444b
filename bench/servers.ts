/**
 * The servers of a run: PostgreSQL and nats-server as processes of their own on loopback, with the settings that a
 * server has in production unless the options say otherwise; and a client of each for the benchmark's own questions.
 */
import { spawnSync } from 'node:child_process'
import { connect, type NatsConnection, TimeoutError } from '@nats-io/transport-node'
import pg from 'pg'
import { API_PREFIX } from '../src/nats-api.ts'
import { type NatsServer, startNats, startNatsCluster } from '../test/kit/nats.ts'
import { type PostgresServer, startPostgres } from '../test/kit/postgres.ts'
import type { Options, StoreName } from './options.ts'
import { cpuSeconds } from './usage.ts'

export interface Servers {
  readonly postgres: PostgresServer
  /** The one that is connected to. */
  readonly nats: NatsServer
  /** Processor time of nats-server, all servers of the cluster together. */
  natsCpuSeconds(): number
  readonly nc: NatsConnection
  /** Version numbers, as the servers give them. */
  readonly versions: { readonly postgres: string; readonly nats: string }
  stop(): Promise<void>
}

/**
 * Autovacuum is off, so that it does not fall into one run and not into the next; a checkpoint is asked for before each
 * backlog is read. Everything else is what a fresh server has.
 */
export async function startServers({
  fsync,
  workMem,
  store,
}: Pick<Options, 'fsync' | 'workMem' | 'store'>): Promise<Servers> {
  const onOff = fsync ? 'on' : 'off'
  const postgres = await startPostgres({
    settings: {
      fsync: onOff,
      full_page_writes: onOff,
      autovacuum: 'off',
      checkpoint_timeout: '1h',
      max_wal_size: '32GB',
      ...(workMem === null ? {} : { logical_decoding_work_mem: workMem }),
    },
  })
  try {
    const all = await startStore(store)
    const nats = all[0]!
    const nc = await connect({ servers: nats.url, noAsyncTraces: true })
    const [row] = await postgres.sql<{ server_version: string }>('SHOW server_version')
    return {
      ...{ postgres, nats, nc },
      natsCpuSeconds: () => all.reduce((sum, { pid }) => sum + cpuSeconds(pid)!, 0),
      versions: { postgres: row!.server_version, nats: nats.version },
      async stop() {
        await nc.close()
        await Promise.all(all.map(server => server.stop()))
        await postgres.stop()
      },
    }
  } catch (error) {
    await postgres.stop()
    throw error
  }
}

async function startStore(store: StoreName): Promise<readonly NatsServer[]> {
  switch (store) {
    case 'default':
      return [await startNats()]
    case 'sync-always':
      return [await startNats({ syncInterval: 'always' })]
    case 'replicated':
      return (await startNatsCluster()).servers
  }
}

export interface StreamState {
  readonly messages: number
  readonly bytes: number
  readonly first_seq: number
  readonly last_seq: number
  readonly first_ts: string
  readonly last_ts: string
}

/** undefined: there is no such stream. */
export async function streamState(nc: NatsConnection, stream: string): Promise<StreamState | undefined> {
  const answer = await ask<{ state?: StreamState }>(nc, `STREAM.INFO.${stream}`)
  return answer.state
}

/** Header and payload bytes of one message, and its subject. */
export async function messageSize(nc: NatsConnection, stream: string, seq: number): Promise<MessageSize> {
  const { message } = await ask<{ message: { subject: string; hdrs: string; data: string } }>(
    nc,
    `STREAM.MSG.GET.${stream}`,
    { seq },
  )
  const bytes = (base64: string) => Buffer.from(base64, 'base64').length
  return { subject: message.subject, header: bytes(message.hdrs), payload: bytes(message.data) }
}

export interface MessageSize {
  readonly subject: string
  readonly header: number
  readonly payload: number
}

/** In a cluster nobody answers while a leader is elected; then it is asked once more, so ask nothing that may not come twice. */
export async function ask<T>(nc: NatsConnection, question: string, body: object = {}): Promise<T> {
  for (let left = 5; ; left--) {
    try {
      const answer = await nc.request(`${API_PREFIX}.${question}`, JSON.stringify(body), { timeout: 5_000 })
      return answer.json<T>()
    } catch (error) {
      if (!(error instanceof TimeoutError) || left === 0) throw error
    }
  }
}

/** RFC 3339 with nanoseconds, as nats-server writes it, to milliseconds since 1970. */
export function milliseconds(time: string): number {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? ''
  return Date.parse(time.replace(/\.\d+/, '')) + Number(`0.${fraction || 0}`) * 1000
}

/** A session of the superuser that stays open. */
export async function openSession(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** The program of PG_BIN_DIR or PATH; null: not there. */
export function findPgRecvlogical(): string | null {
  const folder = process.env.PG_BIN_DIR
  const candidates = [...(folder ? [`${folder}/pg_recvlogical`] : []), 'pg_recvlogical']
  return candidates.find(program => spawnSync(program, ['--version']).status === 0) ?? null
}
