/** Faults of nats-server: killed, restarted, frozen; in a cluster the leader or a follower of the stream. */
import type { NatsServer } from '../../kit/nats.ts'
import { STREAM, type World } from '../world.ts'
import { type Fault, pause, type Stage } from './fault.ts'

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
