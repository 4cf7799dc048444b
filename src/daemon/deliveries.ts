/**
 * Makes routes ready for the pipeline (stream, encoder, headers, size limit), and decides what becomes of a message
 * that is too large for its stream: a dead letter, a smaller message, or the end.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import { FatalError } from '../errors.ts'
import type { ByteWriter } from '../event/bytes.ts'
import { createFormat, encodeTrimmed, type FormatName } from '../event/encode.ts'
import type { Format, FormatOptions } from '../event/encoder.ts'
import type { Event } from '../event/event.ts'
import type { MessageId } from '../event/message-id.ts'
import { ordinalOf } from '../event/position.ts'
import type { Delivery } from '../pipeline.ts'
import { deadLetter } from '../publish/dead-letter.ts'
import { HeadWriter, type Identity } from '../publish/head.ts'
import type { Publisher } from '../publish/publisher.ts'
import { DEAD_LETTER_STREAM, DEAD_LETTER_SUBJECT } from '../publish/stream-plan.ts'
import type { Route } from '../route/route.ts'
import type { Context } from './context.ts'
import type { Streams } from './streams.ts'

interface Parts {
  readonly context: Context
  readonly nats: NatsConnection
  readonly streams: Streams
  readonly identity: Identity
  readonly database: string
  readonly out: ByteWriter
  readonly messageId: MessageId
}

/** Dead letters of one event are told apart by the route that failed, behind this. */
const DEAD_LETTER_ROUTE = 'dlq'

export class Deliveries {
  readonly #parts: Parts
  readonly #formats = new Map<FormatName, Format>()
  readonly #heads: readonly HeadWriter[]

  constructor(parts: Parts) {
    this.#parts = parts
    this.#heads = parts.streams.all.map(({ name }) => new HeadWriter(name, parts.identity))
  }

  /** The routes of one event of a table or message prefix; called once for each such list. */
  prepare(routes: readonly Route[], event: Event): readonly Delivery[] {
    const deliveries: Delivery[] = []
    for (const route of routes) {
      const lane = this.#parts.streams.laneOf(route.filter)
      const format = this.#format(route.format)
      const { relation } = event
      deliveries.push({
        route,
        suffix: route.suffix === '' ? null : route.suffix,
        encoder:
          relation === null ? format.forMessage(route.entity) : format.forRelation(relation, route.entity),
        lane,
        maxBytes: this.#maxBytes(lane),
        head: this.#heads[lane]!,
        index: deliveries.length,
        published: this.#parts.context.metrics.published(route.filter, this.#parts.streams.all[lane]!.name),
      })
    }
    return deliveries
  }

  /** Offers what takes the place of a message of `bytes`, or throws to stop. */
  oversize(event: Event, delivery: Delivery, bytes: number, publisher: Publisher, now: number): void {
    const { context, out, messageId } = this.#parts
    const { on_oversize } = context.config.publish
    context.metrics.counters.oversize++
    const room = delivery.maxBytes - delivery.head.maxBytes
    if (on_oversize === 'stop') throw tooLarge(delivery, bytes, messageId)
    out.begin()
    if (on_oversize === 'trim' && encodeTrimmed(delivery.encoder, event, messageId, out, room)) {
      this.#offer(event, delivery, delivery.route.subject ?? delivery.route.subjectOf(event), publisher, now)
      return
    }
    this.#deadLetter(event, delivery, bytes, publisher, now)
  }

  #deadLetter(event: Event, delivery: Delivery, bytes: number, publisher: Publisher, now: number): void {
    const { context, out, messageId, streams } = this.#parts
    const lane = streams.deadLetterLane
    const head = this.#heads[lane]!
    const subject = delivery.route.subject ?? delivery.route.subjectOf(event)
    const stream = streams.all[delivery.lane]!.name
    const room = this.#maxBytes(lane) - head.maxBytes
    deadLetter(out, {
      event,
      encoder: delivery.encoder,
      messageId,
      subject,
      stream,
      bytes,
      limit: delivery.maxBytes,
      room,
    })
    const id = messageId.toString()
    const route = delivery.suffix === null ? DEAD_LETTER_ROUTE : `${DEAD_LETTER_ROUTE}.${delivery.suffix}`
    messageId.set(event, route)
    const { counters } = context.metrics
    counters.deadLetters++
    if (delivery.index === 0) counters.eventsFailed++
    context.log.warn(
      { msg_id: id, subject, bytes, limit: delivery.maxBytes },
      `message too large, kept in stream ${DEAD_LETTER_STREAM}; raise max_payload of NATS (and max_msg_size of the stream)`,
    )
    const target = {
      ...delivery,
      lane,
      head,
      published: context.metrics.published(DEAD_LETTER_SUBJECT, DEAD_LETTER_STREAM),
    }
    this.#offer(event, target, DEAD_LETTER_SUBJECT, publisher, now)
  }

  #offer(event: Event, delivery: Delivery, subject: string, publisher: Publisher, now: number): void {
    const { out, messageId } = this.#parts
    const payload = out.cut()
    const head = delivery.head.write(out, event, messageId)
    const commitMs = event.commitTimeUs === null ? Number.NaN : Number(event.commitTimeUs) / 1000
    publisher.offer(delivery, subject, head, payload, event.commitLsn, ordinalOf(event), commitMs, now)
  }

  #maxBytes(lane: number): number {
    const { nats, streams } = this.#parts
    const server = nats.info?.max_payload ?? Number.POSITIVE_INFINITY
    return Math.min(server, streams.all[lane]!.maxMessageBytes ?? server)
  }

  #format(name: FormatName): Format {
    let format = this.#formats.get(name)
    if (format === undefined) {
      format = createFormat(name, this.#formatOptions())
      this.#formats.set(name, format)
    }
    return format
  }

  #formatOptions(): FormatOptions {
    const { context, identity, database } = this.#parts
    const { event, replication } = context.config
    return {
      numbers: event.numbers,
      entity: event.entity,
      source: { system: identity.system, database, name: replication.slot_name, version: context.version },
    }
  }
}

function tooLarge({ route, maxBytes }: Delivery, bytes: number, messageId: MessageId): FatalError {
  return new FatalError(
    `message ${messageId.toString()} for ${route.filter} has ${bytes} bytes, and its stream takes ${maxBytes}`,
    {
      code: 'MESSAGE_TOO_LARGE',
      remedy:
        'Raise max_payload of nats-server (and max_msg_size of the stream), or set [publish] on_oversize = ' +
        '"dead-letter" or "trim".',
    },
  )
}
