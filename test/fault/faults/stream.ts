/** Faults of the stream itself: full, deleted, purged, and others who write to it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { StreamConfig } from '@nats-io/jetstream'
import { PREFIX, STREAM, type World } from '../world.ts'
import { eventually, type Fault, type Part, pause, type Stage } from './fault.ts'

/** Nothing may keep the reader from seeing what goes. */
const ALONE: readonly Part[] = ['stream', 'nats', 'nats network']

export const STREAM_FAULTS: readonly Fault[] = [
  {
    name: 'stream full (bytes)',
    weight: 4,
    touches: ALONE,
    run: stage => full(stage, ({ bytes }) => ({ max_bytes: bytes + stage.random.below(20_000) })),
  },
  {
    name: 'stream full (messages)',
    weight: 3,
    touches: ALONE,
    run: stage => full(stage, ({ messages }) => ({ max_msgs: messages + stage.random.below(20) + 1 })),
  },
  {
    name: 'stream deleted',
    weight: 2,
    touches: ALONE,
    run: stage => quietly(stage, () => remove(stage, false)),
  },
  {
    name: 'stream deleted and made again',
    weight: 2,
    touches: ALONE,
    run: stage => quietly(stage, () => remove(stage, true)),
  },
  { name: 'stream purged', weight: 2, touches: ALONE, run: stage => quietly(stage, () => purge(stage)) },
  { name: "a stranger's message", weight: 8, touches: ['stream'], run: stage => strangers(stage, 1, 0) },
  {
    name: "three strangers' messages",
    weight: 4,
    touches: ['stream'],
    run: stage => strangers(stage, 3, 800),
  },
  {
    name: 'strangers all the time',
    weight: 1,
    touches: ['stream', 'daemon'],
    async run(stage) {
      await strangers(stage, 20, 300)
      await stage.world.daemon.end('SIGTERM')
      stage.world.startDaemon()
    },
  },
]

interface State {
  readonly bytes: number
  readonly messages: number
}

async function full({ world, random }: Stage, limit: (state: State) => object): Promise<void> {
  const { streams } = world.manager
  const info = await streams.info(STREAM).catch(() => null)
  if (info === null) return
  const { max_bytes, max_msgs, discard } = info.config
  await streams.update(STREAM, { ...limit(info.state), discard: 'new' } as never).catch(() => {})
  await pause(random, 500, 5_000)
  await eventually(async () => {
    await streams.update(STREAM, { max_bytes, max_msgs, discard })
    return true
  }, 20_000)
}

/**
 * Holds back what the daemon sends until the reader has seen all there is, so that what goes was counted. Where that can't
 * be (no stream, no server that tells, too much to read), nothing is done.
 */
async function quietly({ world, reader }: Stage, act: () => Promise<void>): Promise<void> {
  const { streams } = world.manager
  if (!(await eventually(async () => (await streams.info(STREAM)).created !== '', 10_000))) return
  for (const proxy of world.natsProxies) proxy.set({ stalled: ['up'] })
  try {
    for (let before = -1; before !== reader.lastSeq; ) {
      before = reader.lastSeq
      await sleep(400)
      const read = await reader.caughtUp(20_000).then(
        () => true,
        () => false,
      )
      if (!read) return
    }
    await act()
  } finally {
    for (const proxy of world.natsProxies) proxy.heal()
  }
}

async function remove({ world }: Stage, again: boolean): Promise<void> {
  let config: StreamConfig | null = null
  await eventually(async () => {
    config = (await world.manager.streams.info(STREAM)).config
    return true
  }, 10_000)
  if (config === null) return
  const gone = await eventually(() => world.manager.streams.delete(STREAM), 10_000)
  if (!gone || !again) return
  await eventually(async () => {
    await world.manager.streams.add({ ...config!, name: STREAM })
    return true
  }, 10_000)
}

async function purge({ world, reader }: Stage): Promise<void> {
  // An answer that got lost is no purge that did not happen: asked again, it purges what came meanwhile.
  const purged = await eventually(async () => (await world.manager.streams.purge(STREAM)).success, 10_000)
  if (purged) reader.purged()
}

async function strangers({ world, random }: Stage, count: number, pauseMs: number): Promise<void> {
  for (; count > 0; count--) {
    await publishAsStranger(world)
    await sleep(random.below(pauseMs + 1))
  }
}

async function publishAsStranger(world: World): Promise<void> {
  await world.nc.request(`${PREFIX}.Stranger`, 'not of the daemon', { timeout: 2_000 }).catch(() => {})
}
