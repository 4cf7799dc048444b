/**
 * The composition root: Config -> services. Two of them: the bridge, which runs again and again until it is told to
 * stop, and the HTTP server, which answers all the while. When one ends, so does the daemon.
 */
import type { Config } from '../config/config.ts'
import { messageOf } from '../errors.ts'
import { createHttpServer } from '../http/server.ts'
import { backoff } from '../lifecycle/retry.ts'
import type { Service } from '../lifecycle/service.ts'
import { supervise } from '../lifecycle/supervise.ts'
import type { Logger } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { parseNatsServers } from '../nats-url.ts'
import { describeTarget, parseDatabaseUrl } from '../postgres-url.ts'
import { Board } from './board.ts'
import { runBridge } from './bridge.ts'
import type { Context } from './context.ts'

export interface DaemonOptions {
  readonly config: Config
  readonly log: Logger
  readonly version: string
}

const FIRST_DELAY_MS = 200
const LONGEST_DELAY_MS = 10_000
const TURN_MS = 1000
/** object_in_use: the slot was free when we looked, and another daemon has it now. The next run stands by. */
const SLOT_TAKEN = '55006'
/** Different failures of one outage that are told once each. */
const TOLD_LIMIT = 100

/** Resolves after an orderly stop; rejects with the error that ended the daemon. */
export async function runDaemon({ config, log, version }: DaemonOptions, signal: AbortSignal): Promise<void> {
  const metrics = createMetrics({ version })
  const board = new Board(config, version, metrics, {
    postgres: describeTarget(parseDatabaseUrl(config.database.url)),
    nats: parseNatsServers(config.nats.servers).addresses.join(', '),
  })
  const context: Context = {
    config,
    log,
    metrics,
    board,
    version,
    lateFilters: new Set(),
    publication: null,
    toldOfTables: new Set(),
    toldOfEntities: '',
    meantOutside: new Set(),
    toldOnce: new Set(),
    typesReread: new Map(),
    toldOfStreams: new Set(),
  }
  log.info({ version, slot: config.replication.slot_name, prefix: config.stream.subject_prefix }, 'starting')
  for (const { channel, origin } of config.rules) {
    if (channel === null) continue
    const at = `${origin.file}:${origin.line}`
    log.warn(
      { channel, rule: at },
      'NOTIFY on this channel needs the notify source; logical messages are published',
    )
  }
  const turning = setInterval(() => board.turned(), TURN_MS)
  try {
    await runAll([httpService(context), bridgeService(context)], signal)
    log.info('stopped')
  } finally {
    clearInterval(turning)
  }
}

function bridgeService(context: Context): Service {
  const { board, log } = context
  // What was told of this outage: further attempts that fail as before are no change of state.
  const told = new Set<string>()
  return {
    name: 'bridge',
    run: signal =>
      supervise(
        {
          run: (stop, progressed) => runBridge(context, stop, progressed),
          backoff: backoff({ baseMs: FIRST_DELAY_MS, maxMs: LONGEST_DELAY_MS, random: Math.random }),
          onRestart: (error, delayMs) => {
            if (error.code === SLOT_TAKEN) {
              board.state = 'standby'
              log.info({ retry_in_ms: delayMs }, 'another session was quicker to take the slot')
              return
            }
            const text = messageOf(error)
            board.state = 'reconnecting'
            board.failed(error)
            if (board.wasStreaming()) {
              board.reconnected('postgres')
              told.clear()
            }
            log[told.has(text) ? 'debug' : 'error']({ err: error, retry_in_ms: delayMs }, text)
            if (told.size < TOLD_LIMIT) told.add(text)
          },
        },
        signal,
      ),
  }
}

function httpService({ config, metrics, board, log }: Context): Service {
  return createHttpServer({
    ...config.http,
    metrics,
    status: () => board.status(),
    onListening: ({ address, port }) => log.info({ address, port }, `metrics and status on port ${port}`),
    onError: error => log.error({ err: error }, 'a request could not be answered'),
  })
}

/** Runs them side by side; the first that settles stops the others. */
async function runAll(services: readonly Service[], signal: AbortSignal): Promise<void> {
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  const runs = services.map(service => service.run(stop.signal).finally(abort))
  const results = await Promise.allSettled(runs)
  signal.removeEventListener('abort', abort)
  const failed = results.find(result => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
