/**
 * The price of a daemon that has nothing to do: in a quiet server, and beside a busy neighbour, another database of the
 * same server that writes all the time, whose WAL the slot must not hold back.
 */
import { createSchema, createSlot, dropSlot, orderRow } from './backlog.ts'
import { deleteStreams, startDaemon } from './daemon-run.ts'
import type { Options } from './options.ts'
import { until } from './program.ts'
import { streams } from './scenario-steady.ts'
import { openSession, type Servers } from './servers.ts'
import { cpuSeconds, memoryMib } from './usage.ts'

export interface IdleSpan {
  readonly seconds: number
  /** Processor time in milliseconds a second. */
  readonly daemonMs: number
  readonly walsenderMs: number
  /** WAL that the whole server wrote, bytes a second. */
  readonly walBytes: number
  /** Most WAL that the slot held back (from its restart_lsn, and not confirmed), bytes. */
  readonly retainedBytes: number
  readonly unconfirmedBytes: number
}

export interface IdleResult {
  readonly quiet: IdleSpan
  readonly busy: IdleSpan
  readonly peakMib: number
}

type Session = Awaited<ReturnType<typeof openSession>>

const NEIGHBOUR = `
  CREATE PROCEDURE be_busy(seconds float8) LANGUAGE plpgsql AS $$
  DECLARE ending timestamptz := clock_timestamp() + seconds * interval '1 second'; n bigint := 0;
  BEGIN
    WHILE clock_timestamp() < ending LOOP
      FOR i IN 1 .. 5 LOOP
        n := n + 1;
        INSERT INTO tb_order ${orderRow('n')};
        COMMIT;
      END LOOP;
      PERFORM pg_sleep(0.002);
    END LOOP;
  END $$`

export async function runIdle(
  servers: Servers,
  options: Options,
  say: (text: string) => void,
): Promise<IdleResult> {
  const { postgres } = servers
  await deleteStreams(servers)
  const url = await postgres.createDatabase()
  const neighbourUrl = await postgres.createDatabase()
  await createSchema(url)
  await createSchema(neighbourUrl)
  const session = await openSession(url)
  const neighbour = await openSession(neighbourUrl)
  await neighbour.query(NEIGHBOUR)
  const slot = `bench_${url.split('/').at(-1)}`
  await createSlot(session, slot)
  const settings = { build: options.builds[0]!, entity: options.entities[0]!, options }
  const daemon = await startDaemon(servers, url, slot, settings)
  try {
    await until(daemon, 60_000, 20, () => streams(daemon.httpPort))
    await new Promise(resolve => setTimeout(resolve, 1000))
    const quiet = await measure(session, slot, daemon.pid, options.seconds, async () => {})
    say('idle: quiet server measured')
    const busy = await measure(session, slot, daemon.pid, options.seconds, async () => {
      await neighbour.query('CALL be_busy($1)', [options.seconds])
    })
    say('idle: busy neighbour measured')
    return { quiet, busy, peakMib: memoryMib(daemon.pid).peak }
  } finally {
    await daemon.stop()
    await dropSlot(session, slot)
    await session.end()
    await neighbour.end()
  }
}

async function measure(
  session: Session,
  slot: string,
  pid: number,
  seconds: number,
  meanwhile: () => Promise<void>,
): Promise<IdleSpan> {
  const before = await look(session, slot)
  const own = cpuSeconds(pid)!
  const walsender = cpuSeconds(before.walsender)!
  const began = performance.now()
  let retainedBytes = 0
  let unconfirmedBytes = 0
  const busy = meanwhile()
  while (performance.now() - began < seconds * 1000) {
    await new Promise(resolve => setTimeout(resolve, 500))
    const now = await look(session, slot)
    retainedBytes = Math.max(retainedBytes, now.retained)
    unconfirmedBytes = Math.max(unconfirmedBytes, now.unconfirmed)
  }
  await busy
  const after = await look(session, slot)
  const span = (performance.now() - began) / 1000
  return {
    seconds: span,
    daemonMs: ((cpuSeconds(pid)! - own) / span) * 1000,
    walsenderMs: ((cpuSeconds(before.walsender)! - walsender) / span) * 1000,
    walBytes: (after.wal - before.wal) / span,
    ...{ retainedBytes, unconfirmedBytes },
  }
}

async function look(session: Session, slot: string) {
  const { rows } = await session.query<Record<'wal' | 'retained' | 'unconfirmed' | 'walsender', string>>(
    `SELECT pg_current_wal_lsn() - '0/0' AS wal, pg_current_wal_lsn() - restart_lsn AS retained,
       pg_current_wal_lsn() - confirmed_flush_lsn AS unconfirmed, active_pid AS walsender
     FROM pg_replication_slots WHERE slot_name = $1`,
    [slot],
  )
  const { wal, retained, unconfirmed, walsender } = rows[0]!
  return {
    wal: Number(wal),
    retained: Number(retained),
    unconfirmed: Number(unconfirmed),
    walsender: Number(walsender),
  }
}
