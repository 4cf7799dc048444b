/**
 * What the server and the role must be for logical replication to work: asked once at start, judged by pure rules,
 * each problem with the command that mends it. So a person reads about `wal_level` before a slot fails to be made.
 */
import type { Client } from 'pg'
import { ConfigurationError } from '../../errors.ts'
import { type Lsn, parseLsn } from '../../lsn.ts'
import { TIME_LIMIT } from '../../postgres.ts'
import { classifyPostgresError } from '../../postgres-codes.ts'

export interface ServerFacts {
  /** `server_version_num`: 180004 is 18.4. */
  readonly version: number
  readonly walLevel: string
  readonly database: string
  readonly role: string
  readonly superuser: boolean
  /** By attribute, as superuser, or by a managed service's own grant. */
  readonly mayReplicate: boolean
  readonly slots: { readonly max: number; readonly used: number }
  readonly walSenders: { readonly max: number; readonly used: number }
  readonly standby: boolean
  /** The session's process is not the one that greeted us: a pooler or proxy stands between. */
  readonly pooled: boolean
  /** Amazon RDS, where settings are made in a parameter group. */
  readonly rds: boolean
}

export interface SystemIdentity {
  readonly systemId: bigint
  readonly timeline: number
}

export interface ServerProblem {
  readonly code: string
  /** `warning`: it may work all the same. */
  readonly severity: 'error' | 'warning'
  readonly message: string
  readonly remedy: string
}

const OLDEST_VERSION = 140_000

const FACTS = `
  SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal_level,
         d.datname AS database, r.rolname AS role, r.rolsuper AS superuser,
         r.rolreplication OR r.rolsuper OR EXISTS (
           SELECT FROM pg_roles g WHERE g.rolname = 'rds_replication' AND pg_has_role(r.oid, g.oid, 'USAGE')
         ) AS may_replicate,
         current_setting('max_replication_slots')::int AS max_slots,
         (SELECT count(*)::int FROM pg_replication_slots) AS used_slots,
         current_setting('max_wal_senders')::int AS max_senders,
         (SELECT count(*)::int FROM pg_stat_replication) AS used_senders,
         pg_is_in_recovery() AS standby, pg_backend_pid() AS pid,
         current_setting('rds.logical_replication', true) IS NOT NULL AS rds
  FROM pg_database d, pg_roles r
  WHERE d.datname = current_database() AND r.rolname = current_user`

interface FactsRow {
  readonly version: number
  readonly wal_level: string
  readonly database: string
  readonly role: string
  readonly superuser: boolean
  readonly may_replicate: boolean
  readonly max_slots: number
  readonly used_slots: number
  readonly max_senders: number
  readonly used_senders: number
  readonly standby: boolean
  readonly pid: number
  readonly rds: boolean
}

/** `client` is an ordinary session. */
export async function inspectServer(client: Client): Promise<ServerFacts> {
  try {
    const { rows } = await client.query<FactsRow>(FACTS)
    const row = rows[0]!
    return {
      version: row.version,
      walLevel: row.wal_level,
      database: row.database,
      role: row.role,
      superuser: row.superuser,
      mayReplicate: row.may_replicate,
      slots: { max: row.max_slots, used: row.used_slots },
      walSenders: { max: row.max_senders, used: row.used_senders },
      standby: row.standby,
      pooled: greetedBy(client) !== row.pid,
      rds: row.rds,
    }
  } catch (error) {
    throw classifyPostgresError(error)
  }
}

/**
 * `client` is a replication session. The identifier is unsigned, as in the names of backups and messages. `walEnd`: what
 * is committed by now lies before it.
 */
export async function identifySystem(client: Client): Promise<SystemIdentity & { readonly walEnd: Lsn }> {
  type Row = { systemid: string; timeline: number | string; xlogpos: string }
  try {
    const { rows } = await client.query<Row>({ text: 'IDENTIFY_SYSTEM', ...TIME_LIMIT })
    const { systemid, timeline, xlogpos } = rows[0]!
    // int8 from PostgreSQL 16 on, which the driver gives as text.
    return { systemId: BigInt(systemid), timeline: Number(timeline), walEnd: parseLsn(xlogpos) }
  } catch (error) {
    throw classifyPostgresError(error, { replication: true })
  }
}

/** The process at the server. The one that greeted the driver may be a pooler's invention. */
export async function backendPid(client: Client): Promise<number> {
  try {
    const { rows } = await client.query<{ pid: number | string }>({
      text: 'SELECT pg_backend_pid() AS pid',
      ...TIME_LIMIT,
    })
    return Number(rows[0]!.pid)
  } catch (error) {
    throw classifyPostgresError(error, { replication: true })
  }
}

/** Everything that stands in the way, worst first. `slotExists`: no free slot is needed then. */
export function checkServer(facts: ServerFacts, { slotExists }: { slotExists: boolean }): ServerProblem[] {
  const found = [
    checkVersion(facts),
    checkWalLevel(facts),
    checkRole(facts),
    slotExists ? null : checkSlots(facts),
    checkWalSenders(facts),
    checkPooler(facts),
  ].filter(problem => problem !== null)
  return [
    ...found.filter(({ severity }) => severity === 'error'),
    ...found.filter(({ severity }) => severity === 'warning'),
  ]
}

/** The problems of severity `error` as one ConfigurationError; null when there are none. */
export function serverError(problems: readonly ServerProblem[]): ConfigurationError | null {
  const errors = problems.filter(({ severity }) => severity === 'error')
  const first = errors[0]
  if (first === undefined) return null
  return new ConfigurationError(errors.map(({ message }) => message).join('; '), {
    code: first.code,
    remedy: errors.map(({ remedy }) => remedy).join(' '),
  })
}

/** The process id that came with the cancellation key; a pooler makes one up for each of its clients. */
function greetedBy(client: Client): number | null {
  return (client as Client & { readonly processID?: number | null }).processID ?? null
}

function problem(
  code: string,
  message: string,
  remedy: string,
  severity: ServerProblem['severity'] = 'error',
): ServerProblem {
  return { code, severity, message, remedy }
}

function checkVersion({ version }: ServerFacts): ServerProblem | null {
  if (version >= OLDEST_VERSION) return null
  const major = Math.trunc(version / 10_000)
  return problem('POSTGRES_VERSION', `PostgreSQL ${major} is too old`, 'Upgrade to PostgreSQL 14 or later.')
}

function checkWalLevel({ walLevel, rds }: ServerFacts): ServerProblem | null {
  if (walLevel === 'logical') return null
  const remedy = rds
    ? 'Set rds.logical_replication = 1 in the parameter group and restart the instance.'
    : 'Run as superuser: ALTER SYSTEM SET wal_level = logical; then restart PostgreSQL.'
  return problem('WAL_LEVEL', `wal_level is ${walLevel}, and logical replication needs logical`, remedy)
}

function checkRole({ mayReplicate, role, rds }: ServerFacts): ServerProblem | null {
  if (mayReplicate) return null
  const name = `"${role.replaceAll('"', '""')}"`
  const remedy = rds ? `GRANT rds_replication TO ${name};` : `ALTER ROLE ${name} REPLICATION;`
  return problem('ROLE_REPLICATION', `role ${name} lacks REPLICATION`, `Run as superuser: ${remedy}`)
}

function checkSlots({ slots }: ServerFacts): ServerProblem | null {
  if (slots.used < slots.max) return null
  return problem(
    'NO_FREE_SLOT',
    `no free replication slot: ${slots.used} of max_replication_slots = ${slots.max} exist`,
    'Drop a slot that nobody uses (SELECT slot_name, active FROM pg_replication_slots; SELECT ' +
      "pg_drop_replication_slot('NAME');), or raise max_replication_slots and restart PostgreSQL.",
  )
}

/** Senders come and go, so that a full house only warns; none at all can't work. */
function checkWalSenders({ walSenders: { max, used } }: ServerFacts): ServerProblem | null {
  if (used < max) return null
  return problem(
    'NO_FREE_WAL_SENDER',
    `no free WAL sender: ${used} of max_wal_senders = ${max} are in use`,
    'Raise max_wal_senders and restart PostgreSQL, or end a replication connection that is not needed.',
    max === 0 ? 'error' : 'warning',
  )
}

/** Recent poolers pass replication on to a server of its own, so that only the connection itself decides. */
function checkPooler({ pooled }: ServerFacts): ServerProblem | null {
  if (!pooled) return null
  return problem(
    'POOLER',
    'DATABASE_URL leads through a connection pooler or proxy',
    'Let DATABASE_URL lead to PostgreSQL itself: replication cannot pass a pooler such as PgBouncer.',
    'warning',
  )
}
