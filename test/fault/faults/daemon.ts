/** Faults of the daemon itself: killed, stopped, frozen, and two of them on one slot. */
import type { DaemonProcess } from '../daemon-process.ts'
import { WAL_SENDER_TIMEOUT_MS, type World } from '../world.ts'
import { eventually, type Fault, pause, type Stage } from './fault.ts'

const TAKEOVER_LIMIT_MS = 20_000

export const DAEMON_FAULTS: readonly Fault[] = [
  {
    name: 'daemon killed',
    weight: 10,
    touches: ['daemon'],
    async run({ world, random }) {
      await world.daemon.end('SIGKILL')
      await pause(random, 0, 1_500)
      world.startDaemon()
    },
  },
  {
    name: 'daemon killed while it starts',
    weight: 4,
    touches: ['daemon'],
    async run({ world, random }) {
      for (let times = 1 + random.below(3); times > 0; times--) {
        await world.daemon.end('SIGKILL')
        world.startDaemon()
        await pause(random, 100, 1_500)
      }
    },
  },
  {
    name: 'daemon stopped by SIGTERM',
    weight: 5,
    touches: ['daemon'],
    async run({ world, random }) {
      // Before its first line it has no ear for signals yet.
      const begun = world.daemon.log.length > 0
      const ended = await world.daemon.end('SIGTERM')
      if (ended !== 'exit code 0' && begun) world.complain(`SIGTERM ended ${world.daemon.name} with ${ended}`)
      await pause(random, 0, 1_000)
      world.startDaemon()
    },
  },
  {
    name: 'daemon frozen for long',
    weight: 4,
    touches: ['daemon'],
    async run({ world, random }) {
      world.daemon.freeze()
      await pause(random, WAL_SENDER_TIMEOUT_MS + 500, 2 * WAL_SENDER_TIMEOUT_MS)
      world.daemon.thaw()
    },
  },
  {
    name: 'daemon frozen for a moment',
    weight: 4,
    touches: ['daemon'],
    async run({ world, random }) {
      world.daemon.freeze()
      await pause(random, 100, 1_500)
      world.daemon.thaw()
    },
  },
  {
    name: 'standby takes over from the killed',
    weight: 4,
    touches: ['daemon'],
    run: stage => takeOver(stage),
  },
  { name: 'zombie: frozen, replaced, thawed', weight: 6, touches: ['daemon'], run: stage => zombie(stage) },
]

async function takeOver({ world, random, takeovers }: Stage): Promise<void> {
  const first = world.daemon
  const second = await standby(world)
  await pause(random, 0, 1_000)
  await first.end('SIGKILL')
  const since = Date.now()
  if (await eventually(async () => second.streams, TAKEOVER_LIMIT_MS)) takeovers.push(Date.now() - since)
}

/** The frozen one still has messages that it believes it must send. Which of the two goes is up to chance. */
async function zombie({ world, random, takeovers }: Stage): Promise<void> {
  const first = world.daemon
  const second = await standby(world)
  first.freeze()
  const since = Date.now()
  if (await eventually(async () => second.streams, TAKEOVER_LIMIT_MS)) takeovers.push(Date.now() - since)
  await pause(random, 0, 3_000)
  first.thaw()
  await pause(random, 0, 3_000)
  const goes = random.chance(0.5) ? first : second
  await goes.end(random.chance(0.7) ? 'SIGKILL' : 'SIGTERM')
  world.inCharge(goes === first ? second : first)
}

async function standby(world: World): Promise<DaemonProcess> {
  const second = world.startDaemon()
  await eventually(async () => second.says('standing by'), 10_000)
  return second
}
