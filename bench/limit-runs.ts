/**
 * The limits of a run, each as one run like the daemon's: reading alone (pg_recvlogical where it is installed, and the
 * own reader that discards), and storing alone (messages of the size that the daemon's have, into the same stream).
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Backlog, PUBLICATION } from './backlog.ts'
import { type Cost, STREAM, timeoutMs } from './daemon-run.ts'
import { startProgram, until } from './program.ts'
import type { RawPublisherResult } from './raw-publisher.ts'
import type { RawReaderResult } from './raw-reader.ts'
import { findResult } from './report-line.ts'
import { ask, type MessageSize, type Servers, streamState } from './servers.ts'
import { cpuSeconds, memoryMib } from './usage.ts'

/** How messages are stored: each with an ack, chained as the daemon does, in atomic batches, by fast ingest. */
export const STORE_MODES = ['singles', 'chains', 'batches', 'fast ingest'] as const
export type StoreMode = (typeof STORE_MODES)[number]

const HERE = dirname(fileURLToPath(import.meta.url))
const POLL_MS = 10

/** It ends by itself when it has read to the backlog's end, so its processor time is that of the last look. */
export async function runPgRecvlogical(
  command: string,
  backlog: Backlog,
  which: 'all' | 'last',
): Promise<Cost> {
  const slot = await backlog.slot(which)
  const url = new URL(backlog.url)
  const host = ['-h', url.hostname, '-p', url.port, '-U', url.username, '-d', url.pathname.slice(1)]
  const plugin = ['-o', 'proto_version=1', '-o', `publication_names=${PUBLICATION}`, '-o', 'messages=true']
  const ending = ['--endpos', backlog.endLsn, '--no-loop']
  const program = await startProgram({
    program: command,
    args: [...host, '-S', slot, '--start', '-f', '/dev/null', ...plugin, ...ending],
  })
  const cpu = { own: Number.NaN, walsender: Number.NaN, nats: 0 }
  let peakMib = Number.NaN
  let walsender: number | null = null
  try {
    const endedAt = await until(program, timeoutMs(backlog.rows), POLL_MS, async () => {
      if (!program.runs) return Date.now()
      walsender ??= await backlog.walsender(slot)
      cpu.own = cpuSeconds(program.pid) ?? cpu.own
      if (walsender !== null) cpu.walsender = cpuSeconds(walsender) ?? cpu.walsender
      if (program.runs) peakMib = tryPeak(program.pid) ?? peakMib
      return undefined
    })
    return { seconds: (endedAt - program.startedAt) / 1000, bytes: Number.NaN, cpu, peakMib }
  } finally {
    await program.stop()
    await backlog.drop(slot)
  }
}

export async function runRawReader(backlog: Backlog, which: 'all' | 'last'): Promise<Cost> {
  const slot = await backlog.slot(which)
  const rows = which === 'all' ? backlog.rows : 1
  const program = await startProgram({
    program: process.execPath,
    args: [join(HERE, 'raw-reader.js'), backlog.url, slot, PUBLICATION, String(rows)],
  })
  try {
    const { doneAt, bytes } = await until(program, timeoutMs(backlog.rows), POLL_MS, () =>
      findResult<RawReaderResult>(program.log()),
    )
    const walsender = await backlog.walsender(slot)
    return {
      seconds: (doneAt - program.startedAt) / 1000,
      bytes,
      cpu: {
        own: cpuSeconds(program.pid) ?? Number.NaN,
        walsender: (walsender === null ? null : cpuSeconds(walsender)) ?? Number.NaN,
        nats: 0,
      },
      peakMib: memoryMib(program.pid).peak,
    }
  } finally {
    await program.stop('SIGKILL')
    await backlog.drop(slot)
  }
}

/** Empties the daemon's stream first, and lets it take fast ingest. No start-up is in these figures. */
export async function runRawPublisher(
  servers: Servers,
  message: MessageSize,
  messages: number,
  mode: StoreMode,
): Promise<Cost> {
  const { nc, nats } = servers
  const { config } = await ask<{ config: object }>(nc, `STREAM.INFO.${STREAM}`)
  await ask(nc, `STREAM.UPDATE.${STREAM}`, { ...config, allow_batched: true })
  await ask(nc, `STREAM.PURGE.${STREAM}`)
  const natsBefore = servers.natsCpuSeconds()
  const sizes = [message.header, message.payload, messages, mode].map(String)
  const program = await startProgram({
    program: process.execPath,
    args: [join(HERE, 'raw-publisher.js'), nats.url, message.subject, ...sizes],
  })
  try {
    const {
      seconds,
      cpuSeconds: own,
      peakMib,
    } = await until(program, timeoutMs(messages), POLL_MS, () =>
      findResult<RawPublisherResult>(program.log()),
    )
    const state = await streamState(nc, STREAM)
    const cpu = { own, walsender: 0, nats: servers.natsCpuSeconds() - natsBefore }
    return { seconds, bytes: state?.bytes ?? Number.NaN, cpu, peakMib }
  } finally {
    await program.stop('SIGKILL')
  }
}

function tryPeak(pid: number): number | null {
  try {
    return memoryMib(pid).peak
  } catch {
    return null
  }
}
