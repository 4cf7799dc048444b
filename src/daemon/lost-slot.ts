/**
 * A slot that is gone, lost, or made anew by somebody else is a gap: what was committed after the last event and before
 * the new slot can't be read any more. Whether there was a slot before, the streams know: they hold its events. By
 * `on_slot_lost` the daemon stops, or publishes an event that names the gap and goes on with a new slot.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import type { Client } from 'pg'
import { EXIT, FatalError } from '../errors.ts'
import { formatPosition, OUTSIDE, POSITION_HEADER, type Position } from '../event/position.ts'
import { formatLsn, type Lsn, NO_LSN, toLsn } from '../lsn.ts'
import { publishOnce } from '../publish/publish-once.ts'
import { readBack, readTail } from '../publish/tail.ts'
import { ACCEPT_GAP, dropSlot, isLost, lostSlot, readSlot } from '../source/replication/slot.ts'
import { readWalEnd } from '../source/replication/wal-end.ts'
import type { Context } from './context.ts'
import { isMadeAnew } from './made-anew.ts'
import type { Streams } from './streams.ts'
import { warnOnce } from './warn-once.ts'

export interface GapServers {
  readonly sql: Client
  readonly nats: NatsConnection
  readonly streams: Streams
  /** PostgreSQL's system identifier in base 36. */
  readonly system: string
}

interface Gap {
  readonly reason: (typeof REASONS)[number]
  /** What was confirmed, or the commit of the last event. */
  readonly from: Lsn
  /** null: the new slot is not made yet, and begins where no transaction of now is open any more. */
  readonly to: Lsn | null
  /** The stream holds the event that says that there is a gap. */
  readonly told: boolean
  readonly timeline: number
  /** The server's WAL, when the gap was found. */
  readonly end: Lsn
  readonly error: FatalError
}

/** A gap of which the stream does not say yet where it ends. */
export interface OpenGap {
  /** With the position that the new slot begins at. */
  close(to: Lsn): Promise<void>
}

const REASONS = ['slot_missing', 'slot_lost', 'slot_recreated', 'other_system'] as const
/** The Msg-Id of an event that names a gap: `<system>.0.<from>.<reason>.gap`, and `.gap.end` where it says the end. */
const GAP_ID = new RegExp(`^[0-9a-z]+\\.0\\.([0-9A-F]+)\\.(${REASONS.join('|')})\\.gap(\\.end)?$`)
/** So many messages of others may stand after our last one in a stream; beyond them it is not looked for. */
const LOOK_BACK = 100_000
/** The same where messages come with their payloads. */
const LOOK_BACK_WHOLE = 1_000

/**
 * Before a slot is made or used: throws, or names the gap by an event and lets go of the lost slot. Where the new slot
 * will begin is known when it is there: `close` what is returned then, before anything is read from it. A process that
 * ends in between leaves the gap open in the stream, where the next one finds it.
 */
export async function guardGap(
  context: Context,
  servers: GapServers,
  signal: AbortSignal,
): Promise<OpenGap | null> {
  const { config, log, metrics } = context
  const { slot_name: slot, on_slot_lost } = config.replication
  const gap = await findGap(context, servers, signal)
  if (gap === null) return null
  const { reason, from } = gap
  if (!gap.told) {
    if (on_slot_lost === 'stop') throw gap.error
    await tell(context, servers, gap)
    metrics.counters.gaps++
    log.warn(
      { subject: gapSubject(config.stream.subject_prefix), reason, slot, from: formatLsn(from) },
      'the slot was lost; the gap is published, and a new slot is used',
    )
  }
  if (reason === 'slot_lost') await dropLost(servers.sql, slot)
  if (gap.to !== null) return null
  return { close: to => tell(context, servers, { ...gap, to }) }
}

export function gapSubject(prefix: string): string {
  return `${prefix}._control.gap`
}

async function tell(
  { config }: Context,
  { nats, system }: GapServers,
  { reason, from, to, end, timeline }: Gap,
): Promise<void> {
  const { slot_name: slot } = config.replication
  const body = { type: 'gap', reason, slot, from: formatLsn(from), to: to === null ? null : formatLsn(to) }
  const id = `${system}.0.${from.toString(16).toUpperCase()}.${reason}.gap`
  // Where the new slot's history begins: so the gap counts as its first event, and is known at the next start.
  const position = { system, timeline, slot, commitLsn: to ?? end, ordinal: OUTSIDE }
  await publishOnce(
    nats,
    gapSubject(config.stream.subject_prefix),
    { 'Nats-Msg-Id': to === null ? id : `${id}.end`, [POSITION_HEADER]: formatPosition(position) },
    body,
  )
}

/** Unless that was done, and a new one is there already. */
async function dropLost(sql: Client, name: string): Promise<void> {
  const slot = await readSlot(sql, name)
  if (slot !== null && isLost(slot)) await dropSlot(sql, name)
}

async function findGap(context: Context, servers: GapServers, signal: AbortSignal): Promise<Gap | null> {
  const { sql, nats, streams, system } = servers
  const name = context.config.replication.slot_name
  const slot = await readSlot(sql, name)
  const found = await lastOfSlot(context, nats, streams, { name, system, signal })
  // Read after the stream: another daemon may publish meanwhile.
  const walEnd = await readWalEnd(sql)
  const last = found?.position
  const timeline = walEnd?.timeline ?? 1
  if (last?.system === system && last.timeline === walEnd?.timeline && last.commitLsn > walEnd.lsn) {
    throw ahead(last.commitLsn, walEnd.lsn)
  }
  const end = walEnd?.lsn ?? slot?.currentLsn ?? last?.commitLsn ?? NO_LSN
  const now = { told: false, timeline, end, to: null }
  const lost = slot !== null && isLost(slot) ? lostSlot(slot) : null
  if (found?.open)
    return {
      ...now,
      ...found.open,
      told: true,
      error: lost ?? slotGone(name, found.open.reason, found.open.from, end),
    }
  if (lost !== null) return { ...now, reason: 'slot_lost', from: slot?.confirmedFlush ?? end, error: lost }
  if (found === null || last === undefined) return null
  if (slot !== null && !(await isMadeAnew(sql, nats, { slot, found, system, timeline }))) return null
  const to = slot?.confirmedFlush ?? null
  const from = last.commitLsn
  const own = slot === null ? 'slot_missing' : 'slot_recreated'
  const reason = last.system === system ? own : 'other_system'
  return { ...now, reason, from, to, error: slotGone(name, reason, from, to ?? end) }
}

interface Found {
  readonly position: Position
  readonly stream: string
  readonly seq: number
  /** It is an event that names a gap. */
  readonly gap: boolean
  /** It is one that does not say where the gap ends. */
  readonly open: Pick<Gap, 'reason' | 'from'> | null
}

/**
 * The newest event that any stream holds of a slot of this name: of this system, where there is one; else of another,
 * because several may share a stream.
 */
async function lastOfSlot(
  context: Context,
  nats: NatsConnection,
  streams: Streams,
  { name, system, signal }: { readonly name: string; readonly system: string; readonly signal: AbortSignal },
): Promise<Found | null> {
  let own: Found | null = null
  let others: Found | null = null
  let unseen: string | null = null
  for (const [lane, { name: stream, retention }] of streams.all.entries()) {
    const { lastSeq } = await readTail(nats, stream)
    const most = retention === 'limits' ? LOOK_BACK : LOOK_BACK_WHOLE
    let looked = 0
    await readBack(nats, stream, {
      fromSeq: lastSeq,
      signal,
      until: ({ seq, msgId, position }) => {
        if (position?.slot === name) {
          const found = { position, stream, seq, ...gapOf(msgId) }
          if (position.system === system) {
            own = later(own, found)
            return true
          }
          others = later(others, found)
        } else if (position?.system === system && lane !== streams.deadLetterLane) {
          const { slot } = position
          warnOnce(context, `slot ${slot} in ${stream}`, { stream, slot }, OTHER_SLOT)
        }
        return ++looked >= most
      },
    })
    if (looked >= most) unseen = stream
  }
  if (own === null && unseen !== null) warnOnce(context, 'unseen', { stream: unseen }, NOT_FOUND)
  return own ?? others
}

function gapOf(msgId: string | null): Pick<Found, 'gap' | 'open'> {
  const [, from, reason, end] = GAP_ID.exec(msgId ?? '') ?? []
  if (from === undefined) return { gap: false, open: null }
  if (end !== undefined) return { gap: true, open: null }
  return { gap: true, open: { from: toLsn(BigInt(`0x${from}`)), reason: reason as Gap['reason'] } }
}

/** A change has one Msg-Id, whatever slot it came through, and a stream takes a Msg-Id once. */
const OTHER_SLOT =
  'this stream also holds events of another slot of this PostgreSQL server: if both daemons publish the same table, ' +
  "one of them finds its events stored already, under the other's subject; give each a [stream] name of its own"

const NOT_FOUND =
  'no event of this slot is among the newest messages of the streams, so that a slot that was dropped can not be told ' +
  'from one that was never there; a stream of its own for the events closes this'

function later(one: Found | null, other: Found): Found {
  return one !== null && one.position.commitLsn >= other.position.commitLsn ? one : other
}

/** Resume would take what is committed from now on for what the stream holds already. */
function ahead(last: Lsn, end: Lsn): FatalError {
  return new FatalError(
    `the stream is ahead of the database: it holds events up to ${formatLsn(last)}, and the WAL of this server ends at ` +
      `${formatLsn(end)}: it was put back to an older state, and what was committed after that is undone`,
    {
      code: 'STREAM_AHEAD',
      exitCode: EXIT.slotLost,
      remedy:
        'Purge the stream, or choose another [replication] slot_name, [stream] name and subject_prefix (and other ' +
        'subjects in the rules); consumers have seen events that the database does not have any more.',
    },
  )
}

function slotGone(name: string, reason: Gap['reason'], from: Lsn, to: Lsn): FatalError {
  const what = reason === 'slot_recreated' ? 'was made anew by somebody else' : 'is gone'
  if (reason === 'other_system') {
    return new FatalError(
      `the stream holds events of a replication slot "${name}" from another database server (up to ${formatLsn(from)} ` +
        `there): this one was restored or replaced, and what it committed before ${formatLsn(to)} can not be told apart`,
      {
        code: 'OTHER_SYSTEM',
        exitCode: EXIT.slotLost,
        remedy: `${ACCEPT_GAP} If several databases share the stream, give each its own [replication] slot_name.`,
      },
    )
  }
  return new FatalError(
    `replication slot "${name}" ${what}, and the stream holds its events: what was committed after ${formatLsn(from)}, ` +
      `up to ${formatLsn(to)}, can't be read any more and is missing in the stream`,
    {
      code: reason === 'slot_recreated' ? 'SLOT_RECREATED' : 'SLOT_GONE',
      exitCode: EXIT.slotLost,
      remedy: `${ACCEPT_GAP} Or purge the stream.`,
    },
  )
}
