/**
 * How many messages a stream holds, from the monitoring port: that answers as soon as the server does, while a client
 * that lost its connection waits a while before it comes back.
 */
import { jetstreamManager } from '@nats-io/jetstream'
import { until } from './daemon.ts'
import type { Scene } from './scene.ts'

interface Jsz {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string
      readonly state: { readonly messages: number }
    }[]
  }[]
}

/** -1: there is no such stream. Rejects while the server is down. */
export async function storedCount({ servers, stream }: Scene): Promise<number> {
  const response = await fetch(`${servers.nats.monitorUrl}/jsz?streams=true`, {
    signal: AbortSignal.timeout(2_000),
  })
  const { account_details: accounts = [] } = (await response.json()) as Jsz
  const details = accounts.flatMap(({ stream_detail: streams = [] }) => streams)
  return details.find(({ name }) => name === stream)?.state.messages ?? -1
}

/** The test's own connection to NATS is back, after the server was away. */
export async function clientIsBack({ servers: { nc }, stream }: Scene): Promise<void> {
  await until(
    async () => {
      const { streams } = await jetstreamManager(nc, { timeout: 500 })
      await streams.info(stream)
      return true
    },
    () => `no answer about ${stream}`,
  )
}
