/** Faults of nats-server: killed, restarted, frozen; in a cluster the leader or a follower of the stream. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsServer } from '../../kit/nats.ts'
import { STREAM, type World } from '../world.ts'
import { eventually, type Fault, pause, type Stage } from './fault.ts'

const STOP_LIMIT_MS = 10_000
const HEALTH_LIMIT_MS = 1_000

type Role = 'only' | 'leader' | 'follower'

const ONE: readonly Role[] = ['only']
const MANY: readonly Role[] = ['leader', 'follower']

export const NATS_FAULTS: readonly Fault[] = [
  ...faultsOf(ONE, 'single'),
  ...faultsOf(MANY, 'cluster'),
  {
    name: 'leader steps down',
    weight: 6,
    touches: ['nats'],
    where: 'cluster',
    run: stage => stepDown(stage, 1),
  },
  {
    name: 'leader steps down again and again',
    weight: 3,
    touches: ['nats'],
    where: 'cluster',
    run: stage => stepDown(stage, 4),
  },
  {
    name: 'meta leader steps down',
    weight: 2,
    touches: ['nats'],
    where: 'cluster',
    run: async ({ world }) => void (await world.nc.request('$JS.API.META.LEADER.STEPDOWN').catch(() => {})),
  },
]

function faultsOf(roles: readonly Role[], where: 'single' | 'cluster'): Fault[] {
  return roles.flatMap(role => {
    const name = role === 'only' ? 'nats-server' : `nats-server (${role})`
    const common = { touches: ['nats'] as const, where }
    return [
      {
        ...common,
        name: `${name} killed`,
        weight: 5,
        run: (stage: Stage) =>
          broken(stage, role, async server => {
            await server.kill()
            await pause(stage.random, 0, 2_500)
            await server.start()
          }),
      },
      {
        ...common,
        name: `${name} restarted`,
        weight: 3,
        run: (stage: Stage) =>
          broken(stage, role, async server => {
            await server.stop()
            await pause(stage.random, 0, 1_000)
            await server.start()
          }),
      },
      {
        ...common,
        name: `disk of ${name} full`,
        weight: 2,
        needs: 'disks' as const,
        run: (stage: Stage) => broken(stage, role, server => fullDisk(stage, server)),
      },
      {
        ...common,
        name: `${name} frozen`,
        weight: 4,
        run: (stage: Stage) =>
          broken(stage, role, async server => {
            server.freeze()
            await pause(stage.random, 300, 6_000)
            server.thaw()
          }),
      },
    ]
  })
}

async function broken(
  { world, random }: Stage,
  role: Role,
  breakIt: (server: NatsServer) => Promise<void>,
): Promise<void> {
  const leader = await leaderOf(world)
  const others = world.servers.filter(server => server !== leader)
  const server = role === 'follower' ? random.pick(others) : leader
  await breakIt(server)
}

/** Some releases write again when there is room; others (2.15) only after their next start, which a person has to see to. */
async function fullDisk({ world, random }: Stage, server: NatsServer): Promise<void> {
  const disk = world.disks[world.servers.indexOf(server)]!
  disk.fill(50_000 + random.below(300_000))
  await pause(random, 1_000, 6_000)
  disk.free()
  if (await eventually(() => isWell(server), 3_000)) return
  world.note(`${server.name} is not well though its disk has room: restarted`)
  // It may hang, and not even end when it is told to.
  await Promise.race([server.stop(), sleep(STOP_LIMIT_MS)])
  await server.kill()
  await server.start()
}

async function isWell({ monitorUrl }: NatsServer): Promise<boolean> {
  const answer = await fetch(`${monitorUrl}/healthz`, { signal: AbortSignal.timeout(HEALTH_LIMIT_MS) })
  return ((await answer.json()) as { status: string }).status === 'ok'
}

async function leaderOf(world: World): Promise<NatsServer> {
  const leader = await world.manager.streams.info(STREAM).then(
    ({ cluster }) => cluster?.leader,
    () => undefined,
  )
  return world.servers.find(({ name }) => name === leader) ?? world.servers[0]!
}

async function stepDown({ world, random }: Stage, times: number): Promise<void> {
  for (; times > 0; times--) {
    await world.nc.request(`$JS.API.STREAM.LEADER.STEPDOWN.${STREAM}`).catch(() => {})
    await pause(random, 0, 1_500)
  }
}
