/** Faults of PostgreSQL: sessions ended, the server restarted in both ways. */
import { SLOT } from '../world.ts'
import { type Fault, pause, type Stage } from './fault.ts'

export const POSTGRES_FAULTS: readonly Fault[] = [
  {
    name: 'walsender terminated',
    weight: 6,
    touches: ['postgres'],
    async run({ world }) {
      await world.sql(
        'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NOT NULL',
        [SLOT],
      )
    },
  },
  {
    // PostgreSQL ends all other sessions as well, and recovers as after a crash.
    name: 'walsender killed',
    weight: 2,
    touches: ['postgres'],
    async run({ world }) {
      const [holder] = await world.sql<{ pid: number }>(
        'SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NOT NULL',
        [SLOT],
      )
      if (holder !== undefined) process.kill(holder.pid, 'SIGKILL')
    },
  },
  {
    name: 'all sessions of the daemon terminated',
    weight: 3,
    touches: ['postgres'],
    async run({ world }) {
      await world.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'fraiseql%'",
      )
    },
  },
  {
    name: 'PostgreSQL restarted, fast',
    weight: 4,
    touches: ['postgres'],
    run: stage => restart(stage, 'fast'),
  },
  {
    name: 'PostgreSQL restarted, immediate',
    weight: 4,
    touches: ['postgres'],
    run: stage => restart(stage, 'immediate'),
  },
]

async function restart({ world, random }: Stage, mode: 'fast' | 'immediate'): Promise<void> {
  await world.postgres.stop(mode)
  await pause(random, 0, 1_500)
  await world.postgres.start()
}
