/** How long ago a message was stored, by the clock of the server that stored it. */
import type { NatsConnection } from '@nats-io/transport-node'
import { requestApi } from '../nats-api.ts'

interface Times {
  /** Of the answer; nats-server 2.10 and later. */
  readonly ts?: string
}

/** Milliseconds. null: the server does not tell its time. */
export async function storedAgo(nats: NatsConnection, stream: string, seq: number): Promise<number | null> {
  const context = `reading stream ${stream}`
  const { message } = await requestApi<{ message: { time: string } }>(
    nats,
    `STREAM.MSG.GET.${stream}`,
    { seq },
    { context },
  )
  const { ts } = await requestApi<Times>(nats, `STREAM.INFO.${stream}`, null, { context })
  return ts === undefined ? null : Date.parse(ts) - Date.parse(message.time)
}
