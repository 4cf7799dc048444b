/**
 * A hot standby of a running server, by the steps of a low-level base backup, because the programs that come from npm
 * have no pg_basebackup. `SELECT pg_promote()` on it makes it a primary.
 * https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
import { spawnSync } from 'node:child_process'
import { chownSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { type PostgresServer, startPostgres } from './postgres.ts'

/** `settings` as for startPostgres, for example `primary_slot_name`, `sync_replication_slots`. */
export async function startStandby(
  primary: PostgresServer,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  const own = {
    primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres dbname=postgres`,
    hot_standby_feedback: 'on',
  }
  return startPostgres({
    major: primary.major,
    settings: { ...own, ...settings },
    fill: dataDir => backUp(primary, dataDir),
  })
}

/** Start and stop of the backup belong to one session. */
async function backUp(primary: PostgresServer, dataDir: string): Promise<void> {
  const [start, stop] =
    primary.major >= 15
      ? ["pg_backup_start('standby', true)", 'pg_backup_stop(false)']
      : ["pg_start_backup('standby', true, false)", 'pg_stop_backup(false, false)']
  const client = new pg.Client({ connectionString: primary.url })
  await client.connect()
  try {
    await client.query(`SELECT ${start}`)
    copyRunning(primary.dataDir, dataDir)
    const { rows } = await client.query(`SELECT labelfile FROM ${stop}`)
    writeBeside(dataDir, 'backup_label', rows[0].labelfile)
  } finally {
    await client.end()
  }
  rmSync(join(dataDir, 'postmaster.pid'))
  // The primary's slots are not the standby's; an empty folder must be there.
  for (const slot of readdirSync(join(dataDir, 'pg_replslot'))) {
    rmSync(join(dataDir, 'pg_replslot', slot), { recursive: true })
  }
  writeBeside(dataDir, 'standby.signal', '')
}

/** The server's user must own what it removes later. */
function writeBeside(dataDir: string, name: string, text: string): void {
  const path = join(dataDir, name)
  const { uid, gid } = statSync(dataDir)
  writeFileSync(path, text)
  chownSync(path, uid, gid)
}

/** Files may vanish while a running server is copied; recovery doesn't need those. */
function copyRunning(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-Rp', from, to], { encoding: 'utf8', env: { LC_ALL: 'C' } })
  const errors = stderr.split('\n').filter(line => line !== '' && !line.endsWith('No such file or directory'))
  if (status !== 0 && errors.length > 0) throw new Error(`cp failed: ${errors.join('\n')}`)
}
