/**
 * One run of the daemon on a backlog: started as a process, watched until the stream holds every row, measured, ended.
 * The time of the last row is the one that JetStream stamped on it, so that looking does not have to be often.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../test/kit/server-process.ts'
import type { Backlog } from './backlog.ts'
import type { Build, Options } from './options.ts'
import { type Program, startProgram, until } from './program.ts'
import { ask, type MessageSize, messageSize, milliseconds, type Servers, streamState } from './servers.ts'
import { cpuSeconds, memoryMib } from './usage.ts'

export const STREAM = 'fraiseql_events'
export const DAEMON_MAIN = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'main.js')

/** A run that makes no headway is given up; the slowest seen does some 10,000 rows a second. */
export const timeoutMs = (rows: number): number => 60_000 + rows / 2
const POLL_MS = 50

/** What one program did with a backlog, start-up included. */
export interface Cost {
  /** From the start of the process to its last row. */
  readonly seconds: number
  readonly bytes: number
  /** Processor time, seconds; NaN: it could not be read. */
  readonly cpu: { readonly own: number; readonly walsender: number; readonly nats: number }
  readonly peakMib: number
}

export interface DaemonCost extends Cost {
  readonly message: MessageSize
}

export interface DaemonSettings {
  readonly build: Build
  readonly entity: 'omit' | 'copy'
  readonly options: Pick<Options, 'nodeFlags' | 'env' | 'store'>
}

export async function startDaemon(
  servers: Servers,
  url: string,
  slot: string,
  { build, entity, options }: DaemonSettings,
  rules = '',
): Promise<Program & { readonly httpPort: number }> {
  const httpPort = await freePort()
  const program = await startProgram({
    program: process.execPath,
    args: [...options.nodeFlags, build.main, 'run', ...configArgs(rules)],
    env: {
      DATABASE_URL: url,
      NATS_URL: servers.nats.url,
      FRAISEQL_REPLICATION_SLOT_NAME: slot,
      FRAISEQL_EVENT_ENTITY: entity,
      FRAISEQL_HTTP_HOST: '127.0.0.1',
      FRAISEQL_HTTP_PORT: String(httpPort),
      ...(options.store === 'replicated' ? { FRAISEQL_STREAM_REPLICAS: '3' } : {}),
      ...Object.fromEntries([...options.env, ...build.env].map(text => text.split(/=(.*)/s).slice(0, 2))),
    },
  })
  return Object.assign(program, { httpPort })
}

function configArgs(rules: string): string[] {
  if (rules === '') return []
  const folder = mkdtempSync(join(tmpdir(), 'fraiseql-bench-'))
  writeFileSync(join(folder, 'fraiseql.toml'), rules)
  return ['--config', folder]
}

/** The daemon's stream is left as it is afterwards; `deleteStream` makes way for the next run. */
export async function runDaemon(
  servers: Servers,
  backlog: Backlog,
  which: 'all' | 'last',
  settings: DaemonSettings,
  watch: (program: Program, stored: number) => void = () => {},
): Promise<DaemonCost> {
  const { nc } = servers
  const slot = await backlog.slot(which)
  const rows = which === 'all' ? backlog.rows : 1
  const natsBefore = servers.natsCpuSeconds()
  const program = await startDaemon(servers, backlog.url, slot, settings, backlog.rules)
  try {
    const state = await until(program, timeoutMs(rows), POLL_MS, async () => {
      const now = await streamState(nc, STREAM)
      watch(program, now?.messages ?? 0)
      return now !== undefined && now.messages >= rows ? now : undefined
    })
    if (state.messages !== rows) throw new Error(`${state.messages} messages in the stream for ${rows} rows`)
    const walsender = await backlog.walsender(slot)
    return {
      seconds: (milliseconds(state.last_ts) - program.startedAt) / 1000,
      bytes: state.bytes,
      cpu: {
        own: cpuSeconds(program.pid) ?? Number.NaN,
        walsender: (walsender === null ? null : cpuSeconds(walsender)) ?? Number.NaN,
        nats: servers.natsCpuSeconds() - natsBefore,
      },
      peakMib: memoryMib(program.pid).peak,
      message: await messageSize(nc, STREAM, Math.ceil(rows / 2)),
    }
  } finally {
    await program.stop()
    await backlog.drop(slot)
  }
}

export async function deleteStreams({ nc }: Pick<Servers, 'nc'>): Promise<void> {
  const { streams } = await ask<{ streams: readonly string[] | null }>(nc, 'STREAM.NAMES')
  for (const stream of streams ?? []) await ask(nc, `STREAM.DELETE.${stream}`)
}
