/**
 * What arrives in JetStream, read by an ordinary durable consumer with explicit acks, as any service would read it.
 * Nothing here knows of the daemon: it sees subjects, headers and JSON.
 */
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Change } from './change.ts'

/** What the demo reads of a message in the default format; docs/message.md has all of it. */
export interface Message {
  readonly event_type: Change['operation']
  readonly entity_type: string
  readonly entity_id: string
  readonly data: Readonly<Record<string, unknown>>
  readonly changes: Readonly<Record<string, { old: unknown; new: unknown }>> | null
  /** When it was committed. */
  readonly timestamp: string
}

export interface Arrival {
  readonly subject: string
  readonly message: Message
  /** Milliseconds since 1970. */
  readonly at: number
  /** From the commit to here. */
  readonly latencyMs: number
}

export const STREAM = 'fraiseql_events'
const CONSUMER = 'demo'

export class Arrivals {
  readonly changes: Change[] = []
  readonly latencies: number[] = []
  readonly #nats: NatsConnection

  private constructor(nats: NatsConnection) {
    this.#nats = nats
  }

  /** From the stream's first message on. */
  static async open(url: string, onArrival: (arrival: Arrival) => void): Promise<Arrivals> {
    const nats = await connect({ servers: url, name: 'demo' })
    const arrivals = new Arrivals(nats)
    const manager = await jetstreamManager(nats)
    await manager.consumers.add(STREAM, {
      durable_name: CONSUMER,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
    })
    const consumer = await jetstream(nats).consumers.get(STREAM, CONSUMER)
    await consumer.consume({
      callback: delivery => {
        onArrival(arrivals.#take(delivery.subject, delivery.json<Message>()))
        delivery.ack()
      },
    })
    return arrivals
  }

  /** How many messages the stream holds. */
  async stored(): Promise<number> {
    const manager = await jetstreamManager(this.#nats)
    return (await manager.streams.info(STREAM)).state.messages
  }

  close(): Promise<void> {
    return this.#nats.close()
  }

  #take(subject: string, message: Message): Arrival {
    const at = now()
    const latencyMs = Math.max(0, at - millisecondsOf(message.timestamp))
    const { event_type: operation, entity_type: entity, entity_id: id, data } = message
    this.changes.push({ operation, entity, id, value: String(data.status ?? data.quantity) })
    this.latencies.push(latencyMs)
    return { subject, message, at, latencyMs }
  }
}

let origin = performance.timeOrigin

/** The wall clock, finer than its milliseconds; it follows a clock that is set. */
function now(): number {
  const drift = Date.now() - (origin + performance.now())
  if (Math.abs(drift) > 2) origin += drift
  return origin + performance.now()
}

/** Of an RFC 3339 time in UTC, with its microseconds. */
function millisecondsOf(timestamp: string): number {
  const micros = /\.(\d{1,6})/.exec(timestamp)?.[1]?.padEnd(6, '0') ?? '0'
  return Math.trunc(Date.parse(timestamp) / 1000) * 1000 + Number(micros) / 1000
}
