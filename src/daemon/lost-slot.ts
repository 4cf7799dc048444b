/**
 * A slot that is gone, lost, or made anew by somebody else is a gap: what was committed after the last event and before
 * the new slot can't be read any more. Whether there was a slot before, the streams know: they hold its events. By
 * `on_slot_lost` the daemon stops, or publishes an event that names the gap and goes on with a new slot.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import type { Client } from 'pg'
import { EXIT, FatalError } from '../errors.ts'
import { formatPosition, OUTSIDE, POSITION_HEADER, type Position } from '../event/position.ts'
import { formatLsn, type Lsn } from '../lsn.ts'
import { publishOnce } from '../publish/publish-once.ts'
import { readBack, readTail } from '../publish/tail.ts'
import { ACCEPT_GAP, currentLsn, dropSlot, isLost, lostSlot, readSlot } from '../source/replication/slot.ts'
import { readWalEnd } from '../source/replication/wal-end.ts'
import type { Context } from './context.ts'
import { isMadeAnew } from './made-anew.ts'
import type { Streams } from './streams.ts'

export interface GapServers {
  readonly sql: Client
  readonly nats: NatsConnection
  readonly streams: Streams
  /** PostgreSQL's system identifier in base 36. */
  readonly system: string
}

interface Gap {
  readonly reason: 'slot_missing' | 'slot_lost' | 'slot_recreated' | 'other_system'
  /** What was confirmed, or the commit of the last event. */
  readonly from: Lsn
  readonly to: Lsn
  /** The server's own. */
  readonly timeline: number
  readonly error: FatalError
}

const GAP_SUFFIX = '.gap'
/** So many messages of others may stand after our last one in a stream; beyond them it is not looked for. */
const LOOK_BACK = 1000

/** Before a slot is made or used: throws, or closes the gap by an event and lets go of the lost slot. */
export async function guardGap({ config, log, metrics }: Context, servers: GapServers): Promise<void> {
  const { slot_name: slot, on_slot_lost } = config.replication
  const gap = await findGap(slot, servers)
  if (gap === null) return
  if (on_slot_lost === 'stop') throw gap.error
  const subject = gapSubject(config.stream.subject_prefix)
  const { reason, from, to, timeline } = gap
  const body = { type: 'gap', reason, slot, from: formatLsn(from), to: formatLsn(to) }
  const { nats, system } = servers
  const headers = {
    'Nats-Msg-Id': `${system}.0.${from.toString(16).toUpperCase()}${GAP_SUFFIX}`,
    // Where the new slot's history begins: so the gap counts as its first event, and is known at the next start.
    [POSITION_HEADER]: formatPosition({ system, timeline, slot, commitLsn: to, ordinal: OUTSIDE }),
  }
  await publishOnce(nats, subject, headers, body)
  metrics.counters.gaps++
  log.warn({ subject, ...body }, 'the slot was lost; the gap is published, and a new slot is used')
  if (reason === 'slot_lost') await dropSlot(servers.sql, slot)
}

export function gapSubject(prefix: string): string {
  return `${prefix}._control.gap`
}

async function findGap(name: string, { sql, nats, streams, system }: GapServers): Promise<Gap | null> {
  const slot = await readSlot(sql, name)
  const found = await lastOfSlot(nats, streams, { name, system })
  // Read after the stream: another daemon may publish meanwhile.
  const end = await readWalEnd(sql)
  const last = found?.position
  const timeline = end?.timeline ?? 1
  if (last?.system === system && last.timeline === end?.timeline && last.commitLsn > end.lsn) {
    throw ahead(last.commitLsn, end.lsn)
  }
  if (slot !== null && isLost(slot)) {
    const { confirmedFlush, currentLsn: to } = slot
    return { reason: 'slot_lost', from: confirmedFlush ?? to, to, timeline, error: lostSlot(slot) }
  }
  if (found === null || last === undefined) return null
  if (slot !== null && !(await isMadeAnew(sql, nats, { slot, found, system, timeline }))) return null
  const to = slot?.confirmedFlush ?? (await currentLsn(sql))
  const from = last.commitLsn
  const own = slot === null ? 'slot_missing' : 'slot_recreated'
  const reason = last.system === system ? own : 'other_system'
  return { reason, from, to, timeline, error: slotGone(name, reason, from, to) }
}

interface Found {
  readonly position: Position
  readonly stream: string
  readonly seq: number
  /** It is an event that names a gap. */
  readonly gap: boolean
}

/**
 * The newest event that any stream holds of a slot of this name: of this system, where there is one; else of another,
 * because several may share a stream.
 */
async function lastOfSlot(
  nats: NatsConnection,
  streams: Streams,
  { name, system }: { readonly name: string; readonly system: string },
): Promise<Found | null> {
  let own: Found | null = null
  let others: Found | null = null
  for (const { name: stream } of streams.all) {
    const { lastSeq } = await readTail(nats, stream)
    let looked = 0
    await readBack(nats, stream, {
      fromSeq: lastSeq,
      until: ({ seq, msgId, position }) => {
        if (position?.slot === name) {
          const found = { position, stream, seq, gap: msgId?.endsWith(GAP_SUFFIX) === true }
          if (position.system === system) {
            own = later(own, found)
            return true
          }
          others = later(others, found)
        }
        return ++looked >= LOOK_BACK
      },
    })
  }
  return own ?? others
}

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
        'Choose another [replication] slot_name and another [stream] name (or purge the stream); consumers have seen ' +
        'events that the database does not have any more.',
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
