/** Faults of the network between the daemon and each server. */
import type { Way } from '../proxy.ts'
import type { RemoteProxy } from '../proxy-thread.ts'
import { type Fault, type Part, pause, type Stage } from './fault.ts'

interface Bad {
  readonly name: string
  readonly weight: number
  run(proxies: readonly RemoteProxy[], stage: Stage): Promise<void>
}

const ALL: readonly Bad[] = [
  {
    name: 'cut',
    weight: 3,
    run: async proxies => {
      for (const proxy of proxies) proxy.cut()
    },
  },
  {
    name: 'cut and refused',
    weight: 3,
    async run(proxies, { random }) {
      for (const proxy of proxies) {
        proxy.set({ refusing: true })
        proxy.cut()
      }
      await pause(random, 300, 3_000)
    },
  },
  { name: 'stalled', weight: 3, run: (proxies, stage) => stall(proxies, stage, ['up', 'down']) },
  { name: 'stalled to the server', weight: 3, run: (proxies, stage) => stall(proxies, stage, ['up']) },
  { name: 'stalled to the daemon', weight: 3, run: (proxies, stage) => stall(proxies, stage, ['down']) },
  {
    name: 'delayed',
    weight: 2,
    async run(proxies, { random }) {
      const delayMs = 5 + random.below(200)
      for (const proxy of proxies) proxy.set({ delayMs })
      await pause(random, 1_000, 5_000)
    },
  },
  {
    name: 'throttled',
    weight: 2,
    async run(proxies, { random }) {
      const bytesPerSecond = 20_000 + random.below(300_000)
      for (const proxy of proxies) proxy.set({ bytesPerSecond })
      await pause(random, 1_000, 5_000)
    },
  },
  {
    name: 'half-closed',
    weight: 3,
    run: async (proxies, { random }) => {
      const told = random.pick(['client', 'server'] as const)
      for (const proxy of proxies) proxy.halfClose(told)
    },
  },
  // Longest of all to notice: nobody says that the connection is gone.
  {
    name: 'lost without a word',
    weight: 1,
    run: async proxies => {
      for (const proxy of proxies) proxy.lose()
    },
  },
]

export const NETWORK_FAULTS: readonly Fault[] = [
  ...faultsOf('PostgreSQL', 'postgres network', ({ world }) => [world.pgProxy]),
  ...faultsOf('NATS', 'nats network', ({ world }) => world.natsProxies),
]

function faultsOf(server: string, part: Part, proxiesOf: (stage: Stage) => readonly RemoteProxy[]): Fault[] {
  return ALL.map(({ name, weight, run }) => ({
    name: `connections to ${server} ${name}`,
    weight,
    touches: [part],
    async run(stage) {
      const proxies = proxiesOf(stage)
      await run(proxies, stage)
      for (const proxy of proxies) proxy.heal()
    },
  }))
}

async function stall(
  proxies: readonly RemoteProxy[],
  { random }: Stage,
  stalled: readonly Way[],
): Promise<void> {
  for (const proxy of proxies) proxy.set({ stalled })
  await pause(random, 300, 6_000)
}
