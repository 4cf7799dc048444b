/** A whole stream, message by message in order, with headers and payload; through a consumer of the test's own. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

export interface StreamMessage {
  readonly seq: number
  readonly subject: string
  /** '' where there is none. */
  readonly msgId: string
  readonly position: string
  readonly headers: ReadonlyMap<string, string>
  readonly text: string
}

/** As of now: what comes while it is read is left out. */
export async function readStream(nc: NatsConnection, stream: string): Promise<StreamMessage[]> {
  const manager = await jetstreamManager(nc)
  const { state } = await manager.streams.info(stream)
  if (state.messages === 0) return []
  const consumer = await jetstream(nc).consumers.get(stream)
  const found: StreamMessage[] = []
  const messages = await consumer.consume({ max_messages: 2_000 })
  for await (const message of messages) {
    const headers = new Map<string, string>()
    for (const name of message.headers?.keys() ?? []) headers.set(name, message.headers!.get(name))
    found.push({
      seq: message.seq,
      subject: message.subject,
      msgId: headers.get('Nats-Msg-Id') ?? '',
      position: headers.get('Fraiseql-Position') ?? '',
      headers,
      text: message.string(),
    })
    if (message.seq >= state.last_seq) break
  }
  messages.stop()
  return found
}

/** The payload as JSON; numbers lose digits beyond a float's. */
export function payload(message: StreamMessage): Record<string, unknown> {
  return JSON.parse(message.text) as Record<string, unknown>
}
