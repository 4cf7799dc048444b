/**
 * The replication slot: created when missing, judged when present, waited for when another session has it. The slot
 * is PostgreSQL's memory of what is confirmed; a slot that was lost is a gap in the stream, which nobody may hide, so
 * it stops the process instead of being made anew.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import { ConfigurationError, EXIT, FatalError, RetryableError } from '../../errors.ts'
import type { Lsn } from '../../lsn.ts'
import { formatLsn, parseLsn } from '../../lsn.ts'
import { NO_TIME_LIMIT } from '../../postgres.ts'
import { classifyPostgresError, codeOf } from '../../postgres-codes.ts'

export interface SlotHolder {
  readonly pid: number
  /** null where the role may not see it. */
  readonly application: string | null
  readonly clientAddress: string | null
}

export interface ReadySlot {
  readonly state: 'ready'
  readonly created: boolean
  readonly confirmedFlush: Lsn
  readonly restartLsn: Lsn
  readonly walStatus: WalStatus
  /** Bytes that may still be written before the slot can be lost; null: no limit. */
  readonly safeWalSize: bigint | null
}

export interface BusySlot {
  readonly state: 'busy'
  readonly holder: SlotHolder
}

export type WalStatus = 'reserved' | 'extended' | 'unreserved' | 'lost'

/** A row of pg_replication_slots. */
export interface SlotFacts {
  readonly name: string
  /** null for a physical slot, and for one that is being made, where PostgreSQL still shows ''. */
  readonly plugin: string | null
  /** null for a physical slot. */
  readonly database: string | null
  readonly currentDatabase: string
  readonly temporary: boolean
  readonly twoPhase: boolean
  readonly holder: SlotHolder | null
  readonly confirmedFlush: Lsn | null
  readonly restartLsn: Lsn | null
  readonly walStatus: WalStatus | null
  readonly safeWalSize: bigint | null
  /** PostgreSQL 17 and later. */
  readonly invalidationReason: string | null
  /** PostgreSQL 17 and later: this server is a standby, and the slot a copy of the primary's. */
  readonly synced: boolean
  /** How far the server's WAL has come. */
  readonly currentLsn: Lsn
}

export interface SlotLag {
  /** WAL kept for the slot, bytes. */
  readonly retainedBytes: bigint
  /** WAL written since the last confirmed position, bytes. */
  readonly lagBytes: bigint
  readonly safeWalSize: bigint | null
  readonly walStatus: WalStatus
  readonly active: boolean
}

const PLUGIN = 'pgoutput'
const POLL_MS = 1000
/** To make a slot takes this long only where transactions are open. */
const LATE_MS = 3000
/** The remedy for a gap that can't be read any more. */
export const ACCEPT_GAP =
  'Accept the gap and start anew: set [replication] on_slot_lost = "recreate" for one start (it publishes an event ' +
  'that names the gap), and bring the missing rows in from the tables if consumers need them.'

/**
 * Columns that only later releases have are read through the row's JSON, so that one query serves all. `synced` stays
 * true on a standby that was promoted, where it means nothing.
 */
const FACTS = `
  SELECT s.slot_name, nullif(s.plugin, '') AS plugin, s.database, current_database() AS current_database, s.temporary, s.two_phase,
         s.active_pid, a.application_name, host(a.client_addr) AS client_address,
         s.confirmed_flush_lsn::text AS confirmed_flush, s.restart_lsn::text AS restart_lsn, s.wal_status,
         s.safe_wal_size::text AS safe_wal_size, to_jsonb(s)->>'invalidation_reason' AS invalidation_reason,
         pg_is_in_recovery() AND coalesce((to_jsonb(s)->>'synced')::boolean, false) AS synced,
         (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
               ELSE pg_current_wal_lsn() END)::text AS current_lsn
  FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
  WHERE s.slot_name = $1`

interface FactsRow {
  readonly slot_name: string
  readonly plugin: string | null
  readonly database: string | null
  readonly current_database: string
  readonly temporary: boolean
  readonly two_phase: boolean
  readonly active_pid: number | null
  readonly application_name: string | null
  readonly client_address: string | null
  readonly confirmed_flush: string | null
  readonly restart_lsn: string | null
  readonly wal_status: WalStatus | null
  readonly safe_wal_size: string | null
  readonly invalidation_reason: string | null
  readonly synced: boolean
  readonly current_lsn: string
}

/**
 * `client` is an ordinary session. Create the publication first: a slot that is older than it can't decode what was
 * committed in between. Throws ConfigurationError for a slot that is somebody else's, FatalError (exit code 79) for
 * one that was lost. `onWaiting` is called when making it takes long, because transactions are open.
 */
export async function ensureSlot(
  client: Client,
  name: string,
  onWaiting: () => void = () => {},
): Promise<ReadySlot | BusySlot> {
  if (!/^[a-z0-9_]{1,63}$/.test(name)) throw badName(name)
  try {
    const present = await readSlot(client, name)
    if (present !== null) return judgeSlot(present)
    const late = setTimeout(onWaiting, LATE_MS)
    await createSlot(client, name).finally(() => clearTimeout(late))
    const made = await readSlot(client, name)
    if (made === null) throw gone(name)
    const slot = judgeSlot(made)
    return slot.state === 'ready' ? { ...slot, created: true } : slot
  } catch (error) {
    // Somebody else made it between our look and our attempt.
    if (codeOf(error) === '42710') return ensureSlot(client, name, onWaiting)
    throw classifyPostgresError(error)
  }
}

/** null: there is no slot of this name. */
export async function readSlot(client: Client, name: string): Promise<SlotFacts | null> {
  const { rows } = await client.query<FactsRow>(FACTS, [name]).catch(error => {
    throw classifyPostgresError(error)
  })
  const row = rows[0]
  if (row === undefined) return null
  const lsn = (text: string | null) => (text === null ? null : parseLsn(text))
  const { active_pid: pid, application_name: application, client_address: clientAddress } = row
  return {
    name: row.slot_name,
    plugin: row.plugin,
    database: row.database,
    currentDatabase: row.current_database,
    temporary: row.temporary,
    twoPhase: row.two_phase,
    holder: pid === null ? null : { pid, application, clientAddress },
    confirmedFlush: lsn(row.confirmed_flush),
    restartLsn: lsn(row.restart_lsn),
    walStatus: row.wal_status,
    safeWalSize: row.safe_wal_size === null ? null : BigInt(row.safe_wal_size),
    invalidationReason: row.invalidation_reason,
    synced: row.synced,
    currentLsn: parseLsn(row.current_lsn),
  }
}

/** Its WAL is gone, or PostgreSQL has invalidated it: it will never stream again. */
export function isLost({ walStatus, invalidationReason }: SlotFacts): boolean {
  return walStatus === 'lost' || invalidationReason !== null
}

/** Gone afterwards, whether it was there or not. */
export async function dropSlot(client: Client, name: string): Promise<void> {
  try {
    await client.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
      [name],
    )
  } catch (error) {
    throw classifyPostgresError(error)
  }
}

/** Pure. Throws for a slot that is somebody else's. Before one is dropped, this must have let it pass. */
export function requireOwnSlot(slot: SlotFacts): void {
  const foreign = foreignness(slot)
  if (foreign === null) return
  throw new ConfigurationError(`replication slot "${slot.name}" ${foreign}`, {
    code: 'SLOT_FOREIGN',
    remedy:
      'Choose another [replication] slot_name, or drop this slot if nobody needs it: ' +
      `SELECT pg_drop_replication_slot('${slot.name}');`,
  })
}

/** Pure: what a slot that is present means for us. Throws when it can't be used. */
export function judgeSlot(slot: SlotFacts): ReadySlot | BusySlot {
  const { name, holder, confirmedFlush, restartLsn, walStatus, safeWalSize } = slot
  requireOwnSlot(slot)
  if (isLost(slot)) throw lostSlot(slot)
  if (slot.synced) throw onStandby(name)
  if (holder !== null) return { state: 'busy', holder }
  // A slot that is being made has no position yet; its maker is about to become its holder.
  if (slot.plugin === null || confirmedFlush === null || restartLsn === null || walStatus === null)
    throw gone(name)
  return { state: 'ready', created: false, confirmedFlush, restartLsn, walStatus, safeWalSize }
}

/**
 * Waits until nobody holds the slot (or it is gone); rejects with `signal.reason`. `onSlot` is called at each look,
 * `onHolder` for each holder met, once. Another one who waits may be quicker: call `ensureSlot` again.
 */
export async function waitForSlot(
  client: Client,
  name: string,
  options: {
    readonly signal: AbortSignal
    readonly onSlot: (slot: SlotFacts) => void
    readonly onHolder: (holder: SlotHolder) => void
  },
): Promise<void> {
  let seen: number | null = null
  for (;;) {
    options.signal.throwIfAborted()
    const slot = await readSlot(client, name)
    if (slot !== null) options.onSlot(slot)
    const holder = slot?.holder ?? null
    if (holder === null) return
    if (holder.pid !== seen) options.onHolder(holder)
    seen = holder.pid
    await sleep(POLL_MS, undefined, { signal: options.signal }).catch(() => {})
  }
}

/** Pure. Never negative: on a standby the slot may be ahead of what was replayed. */
export function slotLag(slot: SlotFacts): SlotLag {
  const behind = (lsn: Lsn | null) => (lsn === null || lsn > slot.currentLsn ? 0n : slot.currentLsn - lsn)
  return {
    retainedBytes: behind(slot.restartLsn),
    lagBytes: behind(slot.confirmedFlush),
    safeWalSize: slot.safeWalSize,
    walStatus: slot.walStatus ?? 'lost',
    active: slot.holder !== null,
  }
}

/**
 * A failure of the replication connection, explained by the slot's own state where the code alone is ambiguous
 * (55000: invalidated, or `wal_level`; 42704: slot or publication missing). `client` is an ordinary session.
 */
export async function explainSlotFailure(client: Client, name: string, failure: Error): Promise<Error> {
  const code = codeOf(failure)
  if (code !== '55000' && code !== '42704' && code !== '58P01') return failure
  try {
    const slot = await readSlot(client, name)
    if (slot === null) return vanished(name)
    judgeSlot(slot)
    if (code === '42704') return publicationGone(null, slot, failure)
  } catch (error) {
    if (error instanceof FatalError || error instanceof ConfigurationError) return error
  }
  return failure
}

/** On PostgreSQL 17 and later the slot survives a failover, where standbys copy it. */
async function createSlot(client: Client, name: string): Promise<void> {
  const { rows } = await client.query<{ failover: boolean }>(
    "SELECT current_setting('server_version_num')::int >= 170000 AND NOT pg_is_in_recovery() AS failover",
  )
  const failover = rows[0]!.failover ? ', failover => true' : ''
  // Creation waits for all transactions that are running; a time limit of the role's must not end that.
  await client.query('BEGIN')
  try {
    await client.query('SET LOCAL statement_timeout = 0')
    const text = `SELECT pg_create_logical_replication_slot('${name}', '${PLUGIN}', false, false${failover})`
    await client.query({ text, ...NO_TIME_LIMIT })
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** Why a slot can't be ours, as the end of a sentence; null when it can. */
function foreignness(slot: SlotFacts): string | null {
  if (slot.database === null) return 'is a physical one'
  // While a slot is being made it has no plugin yet.
  if (slot.plugin !== null && slot.plugin !== PLUGIN)
    return `belongs to the output plugin ${slot.plugin}, not ${PLUGIN}`
  if (slot.database !== slot.currentDatabase) {
    return `belongs to database "${slot.database}", not "${slot.currentDatabase}"`
  }
  if (slot.temporary) return `is a temporary one of the session with pid ${slot.holder?.pid ?? 'unknown'}`
  if (slot.twoPhase) return 'decodes transactions when they are prepared (two_phase), before they commit'
  return null
}

function badName(name: string): ConfigurationError {
  return new ConfigurationError(`not a name for a replication slot: ${JSON.stringify(name)}`, {
    code: 'SLOT_NAME',
    remedy: 'Use 1 to 63 lower case letters, digits and underscores in [replication] slot_name.',
  })
}

/** What to say of a lost slot. */
export function lostSlot({ name, confirmedFlush, currentLsn, invalidationReason }: SlotFacts): FatalError {
  const reason = invalidationReason === null ? 'its WAL was removed' : invalidationReason
  const from = confirmedFlush === null ? 'an unknown position' : formatLsn(confirmedFlush)
  return new FatalError(
    `replication slot "${name}" is lost (${reason}): what was committed after ${from}, up to about ` +
      `${formatLsn(currentLsn)}, can't be read any more and is missing in the stream`,
    {
      code: 'SLOT_LOST',
      exitCode: EXIT.slotLost,
      remedy:
        `${ACCEPT_GAP} Raise max_slot_wal_keep_size (and idle_replication_slot_timeout, if set) so that it does not ` +
        'happen again.',
    },
  )
}

function vanished(name: string): FatalError {
  return new FatalError(`replication slot "${name}" was dropped while it was in use`, {
    code: 'SLOT_GONE',
    exitCode: EXIT.slotLost,
    remedy: ACCEPT_GAP,
  })
}

/**
 * What to say of a publication that is gone while its slot is there. Made anew, it would hide the gap: what was
 * committed without it is skipped in silence (PostgreSQL 18). `name`: null where only the server's words have it.
 */
export function publicationGone(name: string | null, slot: SlotFacts, cause?: Error): FatalError {
  const publication = name === null ? 'the publication' : `publication "${name}"`
  const since = slot.confirmedFlush === null ? '' : ` after ${formatLsn(slot.confirmedFlush)}`
  return new FatalError(
    `${publication} is gone, and the slot "${slot.name}" is there: what was committed${since} can't be decoded any more`,
    { code: 'PUBLICATION_MISSING', exitCode: EXIT.slotLost, remedy: ACCEPT_GAP, cause },
  )
}

function onStandby(name: string): RetryableError {
  return new RetryableError(
    `replication slot "${name}" is the standby's copy and can't be used before promotion`,
    {
      code: 'SLOT_ON_STANDBY',
      remedy: 'Let DATABASE_URL name the primary (or all hosts).',
    },
  )
}

function gone(name: string): RetryableError {
  return new RetryableError(`replication slot "${name}" is being made or dropped by somebody else`, {
    code: 'SLOT_UNSETTLED',
    remedy: 'The daemon tries again by itself.',
  })
}
