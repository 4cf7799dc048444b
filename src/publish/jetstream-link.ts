/**
 * The wet side of publishing: hands messages to the NATS client on its cheap path (own inbox, `nc.publish`), brings
 * publish acks back to the publisher, and reads the tails of streams. Decides nothing.
 */
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { createInbox } from '@nats-io/transport-node'
import type { Lane } from './lane.ts'
import type { Link } from './link.ts'
import { parsePubAck } from './pub-ack.ts'
import type { Publisher } from './publisher.ts'
import { readBack, readTail } from './tail.ts'
import type { TailWalk } from './tail-walk.ts'

const TICK_MS = 50

export class JetStreamLink implements Link {
  readonly #nc: NatsConnection
  readonly #inbox = createInbox()
  #publisher: Publisher | null = null
  #epoch = -1
  #replyPrefix = ''
  /** One header object and one options object serve all messages; the client reads them within the call. */
  readonly #headers = { bytes: new Uint8Array(0) as Uint8Array, encode: () => this.#headers.bytes }
  readonly #publishOptions = { reply: '', headers: this.#headers as unknown as MsgHdrs }

  constructor(nc: NatsConnection) {
    this.#nc = nc
  }

  /** Serves the publisher until the returned function is called. */
  attach(publisher: Publisher): () => void {
    this.#publisher = publisher
    const subscription = this.#nc.subscribe(`${this.#inbox}.>`, {
      callback: (error, message) => {
        if (error === null) this.#answer(message)
      },
    })
    const timer = setInterval(() => publisher.tick(performance.now()), TICK_MS)
    return () => {
      clearInterval(timer)
      subscription.unsubscribe()
      this.#publisher = null
    }
  }

  publish(
    subject: string,
    header: Uint8Array,
    payload: Uint8Array,
    epoch: number,
    entry: number | null,
  ): void {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch
      this.#replyPrefix = `${this.#inbox}.${epoch}.`
    }
    this.#headers.bytes = header
    this.#publishOptions.reply = entry === null ? '' : this.#replyPrefix + entry
    try {
      this.#nc.publish(subject, payload, this.#publishOptions)
    } catch (error) {
      // The client refuses by throwing: closed, draining, or a payload over the server's (new) max_payload.
      this.#publisher?.fail(error)
    }
  }

  readTail(lane: Lane, walk: TailWalk, done: (error: unknown, lastSequence: number) => void): void {
    this.#walkTail(lane.stream, walk).then(
      lastSequence => done(null, lastSequence),
      error => done(error, 0),
    )
  }

  async #walkTail(stream: string, walk: TailWalk): Promise<number> {
    const tail = await readTail(this.#nc, stream)
    walk.begin(tail.createdAt)
    if (tail.lastMessage !== null && !walk.visit(tail.lastMessage)) {
      await readBack(this.#nc, stream, {
        fromSeq: tail.lastMessage.seq - 1,
        until: headers => walk.visit(headers),
      })
    }
    return tail.lastSeq
  }

  #answer(message: Msg): void {
    const publisher = this.#publisher
    const { subject, data } = message
    if (publisher === null || !subject.startsWith(this.#replyPrefix)) return
    const entry = Number(subject.slice(this.#replyPrefix.length))
    const now = performance.now()
    if (data.length === 0) {
      const code = message.headers?.code ?? 0
      publisher.refused(this.#epoch, entry, code, message.headers?.description ?? '', now)
      return
    }
    const ack = parsePubAck(data)
    if (ack.kind === 'stored') publisher.acked(this.#epoch, entry, ack.seq, ack.duplicate, now)
    else publisher.refused(this.#epoch, entry, ack.code, ack.description, now)
  }
}
