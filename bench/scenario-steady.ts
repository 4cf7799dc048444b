/**
 * Latency at a steady rate. Writers inside PostgreSQL commit at intended times, whatever the daemon does, so a stall
 * shows in every event that fell into it (no coordinated omission). Up to 5,000 events a second each is a transaction
 * of its own, above that ten share one. The first two seconds are not counted.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSchema, createSlot, dropSlot, orderRow } from './backlog.ts'
import { type DaemonSettings, deleteStreams, STREAM, startDaemon } from './daemon-run.ts'
import type { LatencyResult } from './latency-consumer.ts'
import type { Options } from './options.ts'
import { startProgram, until } from './program.ts'
import { findResult } from './report-line.ts'
import { openSession, type Servers, streamState } from './servers.ts'
import { median } from './statistics.ts'
import { cpuSeconds, memoryMib } from './usage.ts'

export interface SteadyRun extends LatencyResult {
  /** Cores kept busy, 1 being one of them. */
  readonly load: { readonly daemon: number; readonly nats: number }
  readonly peakMib: number
}

export interface SteadyResult {
  readonly rate: number
  readonly name: string
  readonly runs: readonly SteadyRun[]
}

const WARM_UP_SECONDS = 2
const ALONE_UP_TO = 5_000
const ROWS_TOGETHER = 10
const ONE_WRITER_UP_TO = 1_000
const WRITERS = 4
const HERE = dirname(fileURLToPath(import.meta.url))

const WRITER = `
  CREATE PROCEDURE write_steadily(start timestamptz, first int, step int, total int, each int, seconds float8)
  LANGUAGE plpgsql AS $$
  DECLARE due timestamptz; early float8;
  BEGIN
    FOR k IN first .. total - 1 BY step LOOP
      due := start + k * seconds * interval '1 second';
      early := extract(epoch FROM due - clock_timestamp());
      IF early > 0 THEN PERFORM pg_sleep(early); END IF;
      INSERT INTO tb_order ${orderRow('n', 'due')} FROM generate_series(k * each, k * each + each - 1) n;
      COMMIT;
    END LOOP;
  END $$`

export async function runSteady(
  servers: Servers,
  options: Options,
  say: (text: string) => void,
): Promise<readonly SteadyResult[]> {
  const cases = options.rates.flatMap(rate =>
    options.builds.flatMap(build =>
      options.entities.map(entity => {
        const name = `${build.name}, ${entity}`
        return { settings: { build, entity, options }, result: { rate, name, runs: [] as SteadyRun[] } }
      }),
    ),
  )
  for (let run = 1; run <= options.runs; run++) {
    for (const { settings, result } of cases) {
      const measured = await runOnce(servers, settings, result.rate, options.seconds)
      result.runs.push(measured)
      const { p50, p99 } = measured.latencies.commitToAck
      const text = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`
      say(`steady ${result.rate}/s ${run}/${options.runs}: ${result.name} ${text}`)
    }
  }
  return cases.map(({ result }) => result)
}

/** The median of each percentile over the runs. */
export function medianLatency(
  runs: readonly SteadyRun[],
  which: keyof LatencyResult['latencies'],
  percentile: 'p50' | 'p90' | 'p99' | 'p999' | 'max',
): number {
  return median(runs.map(run => run.latencies[which][percentile]))
}

async function runOnce(
  servers: Servers,
  settings: DaemonSettings,
  rate: number,
  seconds: number,
): Promise<SteadyRun> {
  const { postgres, nats, nc } = servers
  await deleteStreams(servers)
  const url = await postgres.createDatabase()
  await createSchema(url)
  const session = await openSession(url)
  await session.query(WRITER)
  const slot = `bench_${url.split('/').at(-1)}`
  await createSlot(session, slot)
  const daemon = await startDaemon(servers, url, slot, settings)
  const total = rate * (seconds + WARM_UP_SECONDS)
  const args = [nats.url, STREAM, String(total), String(rate * WARM_UP_SECONDS)]
  try {
    await until(daemon, 60_000, 20, () => streams(daemon.httpPort))
    await until(daemon, 60_000, 20, () => streamState(nc, STREAM))
    const program = join(HERE, 'latency-consumer.js')
    const consumer = await startProgram({ program: process.execPath, args: [program, ...args] })
    try {
      await until(consumer, 30_000, 20, () => (consumer.log().includes('ready') ? true : undefined))
      const before = { daemon: cpuSeconds(daemon.pid)!, nats: servers.natsCpuSeconds() }
      const began = performance.now()
      await writeSteadily(url, rate, total)
      const result = await until(consumer, 60_000, 20, () => findResult<LatencyResult>(consumer.log()))
      const span = (performance.now() - began) / 1000
      const load = {
        daemon: (cpuSeconds(daemon.pid)! - before.daemon) / span,
        nats: (servers.natsCpuSeconds() - before.nats) / span,
      }
      return { ...result, load, peakMib: memoryMib(daemon.pid).peak }
    } finally {
      await consumer.stop('SIGKILL')
    }
  } finally {
    await daemon.stop()
    await dropSlot(session, slot)
    await session.end()
  }
}

/** `total` rows in all, from a moment on. */
export async function writeSteadily(url: string, rate: number, total: number): Promise<void> {
  const each = rate <= ALONE_UP_TO ? 1 : ROWS_TOGETHER
  const writers = rate <= ONE_WRITER_UP_TO ? 1 : WRITERS
  const sessions = await Promise.all(Array.from({ length: writers }, () => openSession(url)))
  const start = new Date(Date.now() + 200).toISOString()
  const transactions = Math.floor(total / each)
  await Promise.all(
    sessions.map((session, index) =>
      session.query('CALL write_steadily($1, $2, $3, $4, $5, $6)', [
        ...[start, index, writers, transactions, each, each / rate],
      ]),
    ),
  )
  await Promise.all(sessions.map(session => session.end()))
}

export async function streams(port: number): Promise<true | undefined> {
  const answer = await fetch(`http://127.0.0.1:${port}/readiness`).catch(() => undefined)
  await answer?.arrayBuffer()
  return answer?.ok === true ? true : undefined
}
