/**
 * Makes routes ready for the pipeline (stream, encoder, headers, size limit), and decides what becomes of a message
 * that is too large for its stream, or can't be encoded: a dead letter, a smaller message, a fresh run, or the end.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import type { Config } from '../config/config.ts'
import { FatalError, type PoisonError } from '../errors.ts'
import type { ByteWriter } from '../event/bytes.ts'
import { createFormat, encodeTrimmed, type FormatName } from '../event/encode.ts'
import type { Format, FormatOptions } from '../event/encoder.ts'
import type { Event } from '../event/event.ts'
import type { MessageId } from '../event/message-id.ts'
import { Seldom } from '../lifecycle/seldom.ts'
import type { Lsn } from '../lsn.ts'
import type { Delivery } from '../pipeline.ts'
import { deadLetter, malformedLetter } from '../publish/dead-letter.ts'
import { HeadWriter, type Identity } from '../publish/head.ts'
import type { Route } from '../route/route.ts'
import { typesStale } from '../source/replication/type-catalog.ts'
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
  /** End of the WAL at the start of the run, before it read any type. */
  readonly walEnd: Lsn
}

/** Dead letters of one event are told apart by the route that failed, behind this. */
const DEAD_LETTER_ROUTE = 'dlq'

export class Deliveries {
  readonly #parts: Parts
  readonly #formats = new Map<FormatName, Format>()
  readonly #heads: readonly HeadWriter[]
  readonly #seldom = new Seldom()

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
          relation === null
            ? format.forMessage(route.entity)
            : format.forRelation(relation, route.entity, event.operation),
        lane,
        maxBytes: this.#maxBytes(lane),
        head: this.#heads[lane]!,
        index: deliveries.length,
        published: this.#parts.context.metrics.published(route.filter, this.#parts.streams.all[lane]!.name),
        deadLetter: false,
      })
    }
    return deliveries
  }

  /**
   * What takes the place of a message of `bytes`: its payload stands in `out` since `begin()`, its Msg-Id in
   * `messageId`, and the answer says where it goes. Throws to stop.
   */
  oversize(event: Event, delivery: Delivery, bytes: number): Delivery {
    const { context, out, messageId } = this.#parts
    const { on_oversize } = context.config.publish
    context.metrics.counters.oversize++
    const room = delivery.maxBytes - delivery.head.maxBytes
    out.begin()
    if (on_oversize === 'trim' && encodeTrimmed(delivery.encoder, event, messageId, out, room))
      return delivery
    const lane = this.#parts.streams.deadLetterLane
    if (on_oversize === 'stop' || lane === null) {
      throw tooLarge(delivery, bytes, messageId, on_oversize)
    }
    const limit = delivery.maxBytes
    const letter = this.#letter(event, delivery, lane)
    deadLetter(out, { ...letter, encoder: delivery.encoder, bytes, limit })
    this.#checkLetter(lane, letter.room)
    this.#tell(
      delivery,
      { msg_id: messageId.toString(), subject: letter.subject, bytes, limit },
      `message too large, kept in stream ${this.#parts.streams.all[lane]!.name}; raise max_payload of NATS ` +
        '(and max_msg_size of the stream)',
    )
    return this.#toDeadLetters(event, delivery, lane)
  }

  /**
   * The same for an event with a value that its column's type does not explain: the type was altered meanwhile. A fresh
   * run reads it again; of what was committed before the run began its types are known to be no older, and types that
   * are the same as at the last such row will not explain this one either.
   */
  malformed(event: Event, delivery: Delivery, error: PoisonError): Delivery {
    const { context, out, messageId, streams, walEnd } = this.#parts
    const table = `${event.relation?.schema}.${event.relation?.table}`
    const types = JSON.stringify(event.relation?.columns.map(({ type }) => type))
    if (event.commitLsn >= walEnd && context.typesReread.get(table) !== types) {
      context.typesReread.set(table, types)
      throw typesStale(`a type in table ${table} was altered: ${error.message}`, error)
    }
    const lane = streams.deadLetterLane
    if (lane === null) throw error
    const letter = this.#letter(event, delivery, lane)
    malformedLetter(out, { ...letter, error: error.message })
    this.#checkLetter(lane, letter.room)
    this.#tell(
      delivery,
      { msg_id: messageId.toString(), subject: letter.subject, table },
      `${error.message}; kept in stream ${streams.all[lane]!.name}. ${error.remedy}`,
    )
    return this.#toDeadLetters(event, delivery, lane)
  }

  /** One line for each route, and then one a minute: there may be one such message after the other. */
  #tell({ route }: Delivery, fields: object, text: string): void {
    const untold = this.#seldom.pass(route.filter, performance.now())
    if (untold === null) return
    this.#parts.context.log.warn(untold === 0 ? fields : { ...fields, more_since_last_line: untold }, text)
  }

  #letter(event: Event, delivery: Delivery, lane: number) {
    const { messageId, streams } = this.#parts
    return {
      event,
      messageId,
      subject: delivery.route.subject ?? delivery.route.subjectOf(event),
      stream: streams.all[delivery.lane]!.name,
      room: this.#maxBytes(lane) - this.#heads[lane]!.maxBytes,
    }
  }

  /** What was written is as small as can be, and would be refused again and again. */
  #checkLetter(lane: number, room: number): void {
    const { out, messageId, streams } = this.#parts
    if (out.length <= room) return
    const { name } = streams.all[lane]!
    const bytes = out.length - room + this.#maxBytes(lane)
    throw new FatalError(
      `the dead letter of message ${messageId.toString()} has ${bytes} bytes, and stream ${name} takes ${this.#maxBytes(lane)}`,
      {
        code: 'DEAD_LETTER_TOO_LARGE',
        remedy: `Raise max_msg_size ("nats stream edit ${name} --max-msg-size=-1") and max_payload of nats-server.`,
      },
    )
  }

  #toDeadLetters(event: Event, delivery: Delivery, lane: number): Delivery {
    const { context, messageId, streams } = this.#parts
    const { subject } = context.config.dlq
    const { name } = streams.all[lane]!
    const head = this.#heads[lane]!
    messageId.set(
      event,
      delivery.suffix === null ? DEAD_LETTER_ROUTE : `${DEAD_LETTER_ROUTE}.${delivery.suffix}`,
    )
    const route = { ...delivery.route, subject }
    const published = context.metrics.published(subject, name)
    return { ...delivery, route, lane, head, published, deadLetter: true }
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

type OnOversize = Config['publish']['on_oversize']

/** What would have kept the message from stopping the daemon: by choice, or without dead letters. */
const OTHER_WAYS: Readonly<Record<OnOversize, string>> = {
  stop: '[publish] on_oversize = "dead-letter" (with [dlq] enabled = true) or "trim"',
  'dead-letter': '[dlq] enabled = true, or [publish] on_oversize = "trim"',
  trim: "[dlq] enabled = true, for what can't be trimmed",
}

function tooLarge(
  { route, maxBytes }: Delivery,
  bytes: number,
  messageId: MessageId,
  onOversize: OnOversize,
): FatalError {
  return new FatalError(
    `message ${messageId.toString()} for ${route.filter} has ${bytes} bytes, and its stream takes ${maxBytes}`,
    {
      code: 'MESSAGE_TOO_LARGE',
      remedy: `Raise max_payload of nats-server (and max_msg_size of the stream), or set ${OTHER_WAYS[onOversize]}.`,
    },
  )
}
