/**
 * Latency at a steady rate. Writers inside PostgreSQL commit at intended times, whatever the daemon does, so a stall
 * shows in every event that fell into it (no coordinated omission). Up to 5,000 events a second each is a transaction
 * of its own, above that ten share one. The first seconds are not counted (`--warm-up`): V8 compiles then what runs for
 * each event. The limits of the same run, next to the same writers: a reader that discards, which is what PostgreSQL itself
 * needs from the commit until a client has it; and a bridge that does nothing but read and publish, which is what the two
 * servers need.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSchema, createSlot, dropSlot, orderRow, PUBLICATION, walsenderOf } from './backlog.ts'
import { type DaemonSettings, deleteStreams, STREAM, startDaemon } from './daemon-run.ts'
import type { LatencyResult } from './latency-consumer.ts'
import type { Options } from './options.ts'
import { startProgram, until } from './program.ts'
import type { RawReaderResult } from './raw-reader.ts'
import { findResult } from './report-line.ts'
import { ask, messageSize, openSession, type Servers, streamState } from './servers.ts'
import { median, type Percentiles } from './statistics.ts'
import { cpuSeconds, memoryMib } from './usage.ts'

export interface SteadyRun extends LatencyResult {
  /** Cores kept busy, 1 being one of them. */
  readonly cores: { readonly daemon: number; readonly nats: number }
  readonly peakMib: number
}

export interface SteadyResult {
  readonly rate: number
  readonly name: string
  readonly runs: readonly SteadyRun[]
}

/** Milliseconds from the commit of a row. */
export interface SteadyLimit {
  readonly rate: number
  /** To the read that brought it, where nothing else is done with it. */
  readonly toRead: readonly Percentiles[]
  /** To the publish ack of a message of the daemon's size, by a bridge that does nothing else. */
  readonly toAck: readonly Percentiles[]
}

const ALONE_UP_TO = 5_000
const ROWS_TOGETHER = 10
const ONE_WRITER_UP_TO = 1_000
const WRITERS = 4

/** What is written in one run. */
interface Load {
  /** Rows a second. */
  readonly rate: number
  readonly rows: number
  /** So many of them are not counted, the first ones. */
  readonly skip: number
}

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
): Promise<{ results: readonly SteadyResult[]; limits: readonly SteadyLimit[] }> {
  const rates = options.rates.map(rate => ({
    load: { rate, rows: rate * (options.warmUp + options.seconds), skip: rate * options.warmUp },
    limit: { rate, toRead: [] as Percentiles[], toAck: [] as Percentiles[] },
    cases: options.builds.flatMap(build =>
      options.entities.map(entity => {
        const name = `${build.name}, ${entity}`
        return { settings: { build, entity, options }, result: { rate, name, runs: [] as SteadyRun[] } }
      }),
    ),
  }))
  const tell = (rate: number, run: number, who: string, { p50, p99 }: Percentiles) =>
    say(`steady ${rate}/s ${run}/${options.runs}: ${who} p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`)
  for (const { load, limit, cases } of rates) {
    const { rate } = load
    const daemons = async (run: number) => {
      for (const { settings, result } of cases) {
        const measured = await runOnce(servers, settings, load)
        result.runs.push(measured)
        tell(rate, run, result.name, measured.latencies.commitToAck)
      }
    }
    const limits = async (run: number) => {
      const bridge = await bridgeOnce(servers, load)
      limit.toAck.push(bridge)
      tell(rate, run, 'raw bridge', bridge)
      const reader = await readOnce(servers, load)
      limit.toRead.push(reader)
      tell(rate, run, 'reader', reader)
    }
    // In turns: the disk still writes what the one before left behind.
    for (let run = 1; run <= options.runs; run++) {
      const steps = options.limits ? [daemons, limits] : [daemons]
      for (const step of run % 2 === 1 ? steps : steps.reverse()) await step(run)
    }
  }
  return {
    results: rates.flatMap(({ cases }) => cases.map(({ result }) => result)),
    limits: options.limits ? rates.map(({ limit }) => limit) : [],
  }
}

/** The median of each percentile over the runs. */
export function medianLatency(
  runs: readonly SteadyRun[],
  which: keyof LatencyResult['latencies'],
  percentile: keyof Percentiles,
): number {
  return median(runs.map(run => run.latencies[which][percentile]))
}

async function readOnce({ postgres }: Servers, load: Load): Promise<Percentiles> {
  const { url, session, slot } = await prepare(postgres)
  const args = [url, slot, PUBLICATION, String(load.rows), String(load.skip)]
  try {
    const reader = await startProgram({
      program: process.execPath,
      args: [join(HERE, 'raw-reader.js'), ...args],
    })
    try {
      await until(reader, 30_000, 20, async () => (await walsenderOf(session, slot)) ?? undefined)
      await writeSteadily(url, load)
      const result = await until(reader, 60_000, 20, () => findResult<RawReaderResult>(reader.log()))
      return result.commitToRead
    } finally {
      await reader.stop('SIGKILL')
    }
  } finally {
    await dropSlot(session, slot)
    await session.end()
  }
}

/** Publishes what the daemon that ran before did, into a stream like that one's. */
async function bridgeOnce(servers: Servers, load: Load): Promise<Percentiles> {
  const { postgres, nats, nc } = servers
  const { subject, header, payload } = await messageSize(nc, STREAM, 1)
  const { config } = await ask<{ config: object }>(nc, `STREAM.INFO.${STREAM}`)
  await deleteStreams(servers)
  await ask(nc, `STREAM.CREATE.${STREAM}`, config)
  const { url, session, slot } = await prepare(postgres)
  const sizes = [header, payload].map(String)
  const bridge = await startProgram({
    program: process.execPath,
    args: [join(HERE, 'raw-bridge.js'), url, slot, PUBLICATION, nats.url, subject, ...sizes],
  })
  try {
    await until(bridge, 30_000, 20, async () => (await walsenderOf(session, slot)) ?? undefined)
    const { latencies } = await listen(servers, load, () => writeSteadily(url, load))
    return latencies.commitToAck
  } finally {
    await bridge.stop('SIGKILL')
    await dropSlot(session, slot)
    await session.end()
  }
}

/** What a consumer of the stream, which listens in on publish acks, sees of what is written. */
async function listen({ nats }: Servers, load: Load, write: () => Promise<void>): Promise<LatencyResult> {
  const args = [nats.url, STREAM, String(load.rows), String(load.skip)]
  const program = join(HERE, 'latency-consumer.js')
  const consumer = await startProgram({ program: process.execPath, args: [program, ...args] })
  try {
    await until(consumer, 30_000, 20, () => (consumer.log().includes('ready') ? true : undefined))
    await write()
    return await until(consumer, 60_000, 20, () => findResult<LatencyResult>(consumer.log()))
  } finally {
    await consumer.stop('SIGKILL')
  }
}

/** An empty database with the writer and a slot. */
async function prepare(postgres: Servers['postgres']) {
  const url = await postgres.createDatabase()
  await createSchema(url)
  const session = await openSession(url)
  await session.query(WRITER)
  await session.query('CHECKPOINT')
  const slot = `bench_${url.split('/').at(-1)}`
  await createSlot(session, slot)
  return { url, session, slot }
}

async function runOnce(servers: Servers, settings: DaemonSettings, load: Load): Promise<SteadyRun> {
  const { postgres, nc } = servers
  await deleteStreams(servers)
  const { url, session, slot } = await prepare(postgres)
  const daemon = await startDaemon(servers, url, slot, settings)
  try {
    await until(daemon, 60_000, 20, () => streams(daemon.httpPort))
    await until(daemon, 60_000, 20, () => streamState(nc, STREAM))
    const cores = { daemon: 0, nats: 0 }
    const result = await listen(servers, load, async () => {
      const before = { daemon: cpuSeconds(daemon.pid)!, nats: servers.natsCpuSeconds() }
      const began = performance.now()
      await writeSteadily(url, load)
      const span = (performance.now() - began) / 1000
      cores.daemon = (cpuSeconds(daemon.pid)! - before.daemon) / span
      cores.nats = (servers.natsCpuSeconds() - before.nats) / span
    })
    return { ...result, cores, peakMib: memoryMib(daemon.pid).peak }
  } finally {
    await daemon.stop()
    await dropSlot(session, slot)
    await session.end()
  }
}

async function writeSteadily(url: string, { rate, rows }: Load): Promise<void> {
  const each = rate <= ALONE_UP_TO ? 1 : ROWS_TOGETHER
  const writers = rate <= ONE_WRITER_UP_TO ? 1 : WRITERS
  const sessions = await Promise.all(Array.from({ length: writers }, () => openSession(url)))
  const start = new Date(Date.now() + 200).toISOString()
  const transactions = Math.floor(rows / each)
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
