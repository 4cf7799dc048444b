/**
 * The wet side of publishing: hands messages to the NATS client as ready protocol bytes, a burst at a time, brings
 * publish acks back to the publisher, and reads the tails of streams. Decides nothing.
 */
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { createInbox, errors } from '@nats-io/transport-node'
import { messageOf, RetryableError } from '../errors.ts'
import type { ByteWriter } from '../event/bytes.ts'
import type { Lane } from './lane.ts'
import type { Link } from './link.ts'
import { parsePubAck } from './pub-ack.ts'
import type { Publisher } from './publisher.ts'
import { readBack, readTail } from './tail.ts'
import type { TailWalk } from './tail-walk.ts'
import { Wire } from './wire.ts'

/**
 * The part of the client that writes, which takes commands as bytes, too. It is there for the client's own sister
 * packages and not in its documented interface; test/integration/wire.test.ts holds an update of the client against it.
 */
interface WithProtocol {
  readonly protocol: { sendCommand(bytes: Uint8Array): void }
}

const TICK_MS = 50

export class JetStreamLink implements Link {
  readonly #nc: NatsConnection
  readonly #inbox = createInbox()
  #publisher: Publisher | null = null
  #epoch = -1
  #replyPrefix = ''
  readonly #wire: Wire
  /** A flush follows at the end of this burst. */
  #flushing = false
  #maxPayload = 0
  readonly #flush = (): void => {
    this.#flushing = false
    // What is given to a closed client is dropped without a word.
    if (this.#nc.isClosed()) this.#publisher?.fail(refusedByClient(new errors.ClosedConnectionError()))
    else this.#wire.flush()
  }

  constructor(nc: NatsConnection) {
    this.#nc = nc
    const { protocol } = nc as unknown as WithProtocol
    this.#wire = new Wire(bytes => protocol.sendCommand(bytes))
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
    head: Uint8Array,
    lines: ByteWriter,
    payload: Uint8Array,
    epoch: number,
    entry: number,
    answered: boolean,
  ): void {
    if (epoch !== this.#epoch) this.#begin(epoch)
    const bytes = head.length + lines.length + payload.length
    // The server would close the connection; what it takes may be less since a reconnect.
    if (bytes > this.#maxPayload) {
      this.#publisher?.fail(tooLarge(bytes, this.#maxPayload))
      return
    }
    this.#wire.message(subject, answered ? entry : null, head, lines, payload)
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(this.#flush)
  }

  readTail(lane: Lane, walk: TailWalk, done: (error: unknown, lastSequence: number) => void): void {
    this.#walkTail(lane.stream, walk).then(
      lastSequence => done(null, lastSequence),
      error => done(error, 0),
    )
  }

  #begin(epoch: number): void {
    this.#epoch = epoch
    this.#replyPrefix = `${this.#inbox}.${epoch}.`
    this.#wire.reply = `${this.#inbox}.${epoch}`
    this.#maxPayload = this.#nc.info?.max_payload ?? Number.POSITIVE_INFINITY
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

function refusedByClient(cause: unknown): RetryableError {
  return new RetryableError(`the NATS client does not take a message: ${messageOf(cause)}`, {
    code: 'NATS_CLIENT',
    remedy: 'The daemon starts a fresh run, which reads the limits of the servers anew.',
    cause,
  })
}

function tooLarge(bytes: number, maxPayload: number): RetryableError {
  return new RetryableError(`a message of ${bytes} bytes is more than NATS takes now (${maxPayload})`, {
    code: 'MAX_PAYLOAD_CHANGED',
    remedy:
      'max_payload of the server was lowered; the daemon connects again and treats the message as too large.',
  })
}
