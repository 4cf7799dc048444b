/**
 * The pipeline: the one place where source, route, encode and publish meet. Start reading here.
 *
 *     source --change--> routes --> encode --> publisher --> JetStream
 *        ^                                        |
 *        +---------------- confirm <--------------+ publish acks
 *
 * Changes run down synchronously; acks run up. When the window is full the source is paused, and goes on when there
 * is room. A progress mark is confirmed when every message offered before it is stored.
 */
import { PoisonError } from './errors.ts'
import type { ByteWriter } from './event/bytes.ts'
import type { Encoder } from './event/encoder.ts'
import type { Event, Operation, Relation } from './event/event.ts'
import { leastBytes } from './event/least-bytes.ts'
import type { MessageId } from './event/message-id.ts'
import { ordinalOf } from './event/position.ts'
import { type Lsn, NO_LSN } from './lsn.ts'
import type { PublishedSeries } from './metrics.ts'
import type { HeadWriter } from './publish/head.ts'
import type { Publisher } from './publish/publisher.ts'
import type { Outgoing, Target } from './publish/window.ts'
import type { Route } from './route/route.ts'
import type { Router, TablePlan } from './route/router.ts'
import type { Sink, Source } from './source/source.ts'

/** A route made ready: the lane of its stream, the encoder of its format and table. */
export interface Delivery extends Target {
  readonly route: Route
  /** Of the Msg-Id; null where the event has one message. */
  readonly suffix: string | null
  readonly encoder: Encoder
  /** Largest message, headers included, that server and stream take, in bytes. */
  readonly maxBytes: number
  readonly head: HeadWriter
  /** Which message of its event this is, from 0. */
  readonly index: number
  readonly published: PublishedSeries
  /** What is published is kept instead of the message. */
  readonly deadLetter: boolean
}

export interface PipelineOptions {
  readonly source: Source
  readonly router: Router
  readonly publisher: Publisher
  readonly out: ByteWriter
  readonly messageId: MessageId
  /** Makes the routes of one event ready. Called once for each list of routes. */
  readonly prepare: (routes: readonly Route[], event: Event) => readonly Delivery[]
  /** A message of `bytes` at least, which its stream can't take: writes what replaces it, and says where that goes; or throws to stop. */
  readonly oversize: (event: Event, delivery: Delivery, bytes: number) => Delivery
  /** The same for an event with a value that its column's type does not explain. */
  readonly malformed: (event: Event, delivery: Delivery, error: PoisonError) => Delivery
  /** A change of this table takes no route. Told once of each. */
  readonly unrouted: (relation: Relation) => void
  readonly counters: { changesReceived: number; changesUnrouted: number; pausedSeconds: number }
}

/** What was made ready for the events of a table; null: no such event has come yet. */
interface Prepared extends Record<Operation, readonly Delivery[] | null> {
  readonly relation: Relation
  readonly plan: TablePlan
}

const NOTHING_YET = { INSERT: null, UPDATE: null, DELETE: null, TRUNCATE: null, CUSTOM: null }

export class Pipeline implements Sink {
  readonly #options: PipelineOptions
  /** By `Relation.index`. */
  readonly #tables: (Prepared | undefined)[] = []
  readonly #messages = new WeakMap<readonly Route[], readonly Delivery[]>()
  /** A flush follows at the end of this burst of changes, which began at `#now`. */
  #flushing = false
  #now = 0
  #pausedAt = 0
  #lastUnrouted: Relation | null = null
  readonly #toldUnrouted = new WeakSet<Relation>()
  #stopped = false
  #commitTimeUs: bigint | null = null
  /** The message that is being offered. */
  readonly #outgoing: Outgoing = {
    target: { lane: 0 },
    subject: '',
    slab: new Uint8Array(0),
    start: 0,
    payloadBytes: 0,
    headBytes: 0,
    commitLsn: NO_LSN,
    ordinal: 0,
    commitMs: Number.NaN,
    offeredAt: 0,
  }
  readonly #flush = (): void => {
    this.#flushing = false
    this.#options.out.shrink()
    this.#options.publisher.flush(performance.now())
  }

  constructor(options: PipelineOptions) {
    this.#options = options
  }

  /** Runs until the source fails, publishing fails (both reject), or `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#options.source.run(this, signal)
  }

  change(event: Event): void {
    const { publisher, source, messageId, counters } = this.#options
    counters.changesReceived++
    const { relation } = event
    const deliveries = relation === null ? this.#ofMessage(event) : this.#ofTable(event, relation)
    if (deliveries.length === 0) {
      counters.changesUnrouted++
      if (relation !== this.#lastUnrouted && relation !== null) this.#tellUnrouted(relation)
      return
    }
    this.#flushSoon()
    for (const delivery of deliveries) {
      messageId.set(event, delivery.suffix)
      this.#send(event, this.#encoded(event, delivery))
    }
    if (publisher.full && this.#pausedAt === 0) {
      this.#pausedAt = performance.now()
      source.pause()
    }
  }

  progress(lsn: Lsn): void {
    this.#options.publisher.mark(lsn)
    this.#flushSoon()
  }

  /** The window has room again. */
  room(): void {
    if (this.#pausedAt === 0) return
    this.#options.counters.pausedSeconds += (performance.now() - this.#pausedAt) / 1000
    this.#pausedAt = 0
    if (!this.#stopped) this.#options.source.resume()
  }

  /** Nothing more is taken from the source, whatever room there is. */
  stop(): void {
    this.#stopped = true
    this.#options.source.pause()
  }

  #tellUnrouted(relation: Relation): void {
    this.#lastUnrouted = relation
    if (this.#toldUnrouted.has(relation)) return
    this.#toldUnrouted.add(relation)
    this.#options.unrouted(relation)
  }

  /** Once for each burst of changes: the microtask runs when the socket's read is worked through. */
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    this.#now = performance.now()
    queueMicrotask(this.#flush)
  }

  /** Writes headers and payload, or what takes their place, and says where that goes. */
  #encoded(event: Event, delivery: Delivery): Delivery {
    const { messageId, out, oversize, malformed } = this.#options
    const { maxBytes } = delivery
    try {
      const least = event.bytes > maxBytes ? leastBytes(event) : 0
      if (least > maxBytes) return this.#instead(event, oversize(event, delivery, least))
      this.#begin(event, delivery)
      delivery.encoder.encode(event, messageId, out)
    } catch (error) {
      if (error instanceof PoisonError) return this.#instead(event, malformed(event, delivery, error))
      throw error
    }
    const bytes = out.length - this.#outgoing.headBytes + delivery.head.maxBytes
    return bytes > maxBytes ? this.#instead(event, oversize(event, delivery, bytes)) : delivery
  }

  #begin(event: Event, delivery: Delivery): void {
    const { messageId, out } = this.#options
    out.begin()
    delivery.head.write(out, event, messageId)
    this.#outgoing.headBytes = out.length
  }

  /** What was written instead of a message is a payload alone. */
  #instead(event: Event, delivery: Delivery): Delivery {
    const { out } = this.#options
    const payload = Buffer.from(out.cut())
    this.#begin(event, delivery)
    out.bytes(payload)
    return delivery
  }

  #send(event: Event, delivery: Delivery): void {
    const { publisher, out } = this.#options
    const message = this.#outgoing
    message.payloadBytes = out.length - message.headBytes
    message.slab = out.buffer
    message.start = out.at - out.length
    message.target = delivery
    message.subject = delivery.route.subject ?? delivery.route.subjectOf(event)
    message.commitLsn = event.commitLsn
    message.ordinal = ordinalOf(event)
    // One transaction has one time; bigints are slow.
    if (event.commitTimeUs !== this.#commitTimeUs) {
      this.#commitTimeUs = event.commitTimeUs
      message.commitMs = event.commitTimeUs === null ? Number.NaN : Number(event.commitTimeUs) / 1000
    }
    message.offeredAt = this.#now
    publisher.offer(message)
  }

  #ofTable(event: Event, relation: Relation): readonly Delivery[] {
    const { router, prepare } = this.#options
    let table = this.#tables[relation.index]
    if (table === undefined || table.relation !== relation) {
      table = { ...NOTHING_YET, relation, plan: router.plan(relation) }
      this.#tables[relation.index] = table
    }
    let deliveries = table[event.operation]
    if (deliveries === null) {
      deliveries = prepare(table.plan[event.operation], event)
      table[event.operation] = deliveries
    }
    return deliveries
  }

  #ofMessage(event: Event): readonly Delivery[] {
    const { router, prepare } = this.#options
    const routes = router.planMessage(event.message!.prefix)
    let deliveries = this.#messages.get(routes)
    if (deliveries === undefined) {
      deliveries = prepare(routes, event)
      this.#messages.set(routes, deliveries)
    }
    return deliveries
  }
}
