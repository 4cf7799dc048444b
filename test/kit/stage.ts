/** Servers that the tests of one file share, started before the first and stopped after the last. */
import { after, before } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { type NatsOptions, type NatsServer, startNats } from './nats.ts'
import { type PostgresOptions, type PostgresServer, startPostgres } from './postgres.ts'
import { connectForTest, type Scene, type SceneOptions, setScene } from './scene.ts'

export interface Stage {
  readonly postgres: PostgresServer
  readonly nats: NatsServer
  readonly nc: NatsConnection
  /** A database, slot, stream and prefix of one test. */
  scene(options: SceneOptions): Promise<Scene>
}

interface StageOptions {
  readonly postgres?: PostgresOptions
  readonly nats?: NatsOptions
  /** Runs when the servers are there. */
  readonly prepare?: (stage: Stage) => Promise<void>
}

/** Call at the top of a file; what it returns can be used in tests. */
export function shareServers(options: StageOptions = {}): Stage {
  let servers: { postgres: PostgresServer; nats: NatsServer; nc: NatsConnection } | undefined
  const scenes: Scene[] = []
  before(async () => {
    const [postgres, nats] = await Promise.all([startPostgres(options.postgres), startNats(options.nats)])
    servers = { postgres, nats, nc: await connectForTest(nats) }
    await options.prepare?.(stage)
  })
  after(async () => {
    await servers?.nc.close()
    // A test that failed half way has left its daemon.
    await Promise.all(scenes.map(scene => scene.killDaemons()))
    await Promise.all([servers?.postgres.stop('immediate'), servers?.nats.kill()])
  })
  const started = () => {
    if (servers === undefined) throw new Error('the servers start before the first test')
    return servers
  }
  const stage: Stage = {
    get postgres() {
      return started().postgres
    },
    get nats() {
      return started().nats
    },
    get nc() {
      return started().nc
    },
    async scene(sceneOptions) {
      const scene = await setScene(started(), sceneOptions)
      scenes.push(scene)
      return scene
    },
  }
  return stage
}
