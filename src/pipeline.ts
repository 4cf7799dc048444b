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
import type { ByteWriter } from './event/bytes.ts'
import type { Encoder } from './event/encode.ts'
import type { Event } from './event/event.ts'
import type { MessageIdWriter } from './event/message-id.ts'
import type { Lsn } from './lsn.ts'
import type { HeadWriter } from './publish/head.ts'
import type { Publisher } from './publish/publisher.ts'
import type { Route } from './route/route.ts'
import type { Router } from './route/router.ts'
import type { Sink, Source } from './source/source.ts'

/** A route made ready: the encoder of its format and table, the lane of its stream. */
export interface Delivery {
  readonly route: Route
  readonly encoder: Encoder
  readonly lane: number
  /** Which message of its event this is within its stream, from 0. */
  readonly part: number
  /** Largest message, headers included, that server and stream take, in bytes. */
  readonly maxBytes: number
  readonly head: HeadWriter
  /** Messages and bytes offered, for the metrics. */
  messages: number
  bytes: number
}

export interface PipelineOptions {
  readonly source: Source
  readonly router: Router
  readonly publisher: Publisher
  readonly out: ByteWriter
  readonly messageId: MessageIdWriter
  /** Makes the routes of one event ready. Called once for each list of routes. */
  readonly prepare: (routes: readonly Route[], event: Event) => readonly Delivery[]
  /** A message that its stream can't take. Offers what replaces it, or throws to stop. */
  readonly oversize: (event: Event, delivery: Delivery, bytes: number) => void
  /** Logical messages with this prefix only move the slot. */
  readonly heartbeatPrefix: string
}

export class Pipeline implements Sink {
  /** Changes seen; those that no route wanted among them. */
  changes = 0
  unrouted = 0
  pausedMs = 0
  readonly #options: PipelineOptions
  readonly #deliveries = new WeakMap<readonly Route[], readonly Delivery[]>()
  #lastRoutes: readonly Route[] | null = null
  #lastDeliveries: readonly Delivery[] = []
  #flushing = false
  #pausedAt = 0
  readonly #flush = (): void => {
    this.#flushing = false
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
    const { router, publisher, source, messageId, out, heartbeatPrefix } = this.#options
    this.changes++
    const routes = router.routesOf(event)
    if (routes.length === 0 || event.message?.prefix === heartbeatPrefix) {
      this.unrouted++
      return
    }
    const deliveries = routes === this.#lastRoutes ? this.#lastDeliveries : this.#prepared(routes, event)
    for (const delivery of deliveries) {
      messageId.write(event, delivery.route.suffix)
      out.begin()
      delivery.encoder.encode(event, messageId, out)
      this.#offer(event, delivery)
    }
    if (!this.#flushing) {
      this.#flushing = true
      queueMicrotask(this.#flush)
    }
    if (publisher.full && this.#pausedAt === 0) {
      this.#pausedAt = performance.now()
      source.pause()
    }
  }

  progress(lsn: Lsn): void {
    this.#options.publisher.mark(lsn)
  }

  /** The window has room again. */
  room(): void {
    if (this.#pausedAt === 0) return
    this.pausedMs += performance.now() - this.#pausedAt
    this.#pausedAt = 0
    this.#options.source.resume()
  }

  #offer(event: Event, delivery: Delivery): void {
    const { publisher, messageId, out, oversize } = this.#options
    const size = out.length + delivery.head.maxBytes
    if (size > delivery.maxBytes) {
      out.rollback()
      oversize(event, delivery, size)
      return
    }
    const payload = out.cut()
    const head = delivery.head.write(out, event, messageId, delivery.part)
    const subject = delivery.route.subject ?? delivery.route.subjectOf(event)
    const commitMs = event.commitTimeUs === null ? Number.NaN : Number(event.commitTimeUs) / 1000
    delivery.messages++
    delivery.bytes += payload.length
    publisher.offer(
      delivery.lane,
      subject,
      head,
      payload,
      event.commitLsn,
      event.ordinal,
      delivery.part,
      commitMs,
    )
  }

  #prepared(routes: readonly Route[], event: Event): readonly Delivery[] {
    let deliveries = this.#deliveries.get(routes)
    if (deliveries === undefined) {
      deliveries = this.#options.prepare(routes, event)
      this.#deliveries.set(routes, deliveries)
    }
    this.#lastRoutes = routes
    this.#lastDeliveries = deliveries
    return deliveries
  }
}
