/**
 * The wet side of publishing: hands messages to the NATS client as ready protocol bytes, a burst at a time, brings
 * publish acks back to the publisher, and reads the tails of streams. Decides nothing.
 */
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { createInbox, errors } from '@nats-io/transport-node'
import { messageOf, RetryableError } from '../errors.ts'
import type { ByteWriter } from '../event/bytes.ts'
import { Answers, type ClientParser } from './answers.ts'
import type { Lane } from './lane.ts'
import type { Link } from './link.ts'
import { type PubAck, parsePubAck } from './pub-ack.ts'
import type { Publisher } from './publisher.ts'
import { readBack, readTail } from './tail.ts'
import type { TailWalk } from './tail-walk.ts'
import { type Window, windowSlabs } from './window.ts'
import { Wire } from './wire.ts'

/**
 * The part of the client that writes and reads: it takes commands as bytes, too, and its parser can be stood in for. It
 * is there for the client's own sister packages and not in its documented interface, so the client's version is pinned,
 * and test/integration/jetstream-link.test.ts holds an update of it against this.
 */
interface WithProtocol {
  readonly protocol: {
    sendCommand(bytes: Uint8Array): void
    flushPending(): void
    /** A new one for each connection. `state` 0: between two messages. */
    parser: ClientParser & { readonly state?: number }
  }
}

const TICK_MS = 50

export class JetStreamLink implements Link {
  readonly #nc: NatsConnection
  readonly #protocol: WithProtocol['protocol']
  readonly #inbox = createInbox()
  #publisher: Publisher | null = null
  #epoch = -1
  #replyPrefix = ''
  readonly #wire: Wire
  /** A flush follows at the end of this burst. */
  #flushing = false
  #maxPayload = 0
  #answers: Answers | null = null
  /** `answered` follows at the end of this burst of answers, which began at `#now`. */
  #answering = false
  #now = 0
  readonly #answered = (): void => {
    this.#answering = false
    const publisher = this.#publisher
    try {
      publisher?.answered(performance.now())
    } catch (error) {
      publisher?.fail(error)
    }
  }
  readonly #flush = (): void => {
    this.#flushing = false
    // What is given to a closed client is dropped without a word.
    if (this.#nc.isClosed()) this.#publisher?.fail(refusedByClient(new errors.ClosedConnectionError()))
    else {
      if (this.#protocol.parser !== this.#answers) this.#readAnswers()
      this.#wire.flush()
    }
  }

  constructor(nc: NatsConnection) {
    this.#nc = nc
    const { protocol } = nc as unknown as WithProtocol
    this.#protocol = protocol
    const slabs = windowSlabs(() => this.#publisher?.window ?? null)
    this.#wire = new Wire(slabs, bytes => {
      protocol.sendCommand(bytes)
      // At once, or the client copies several pieces together first.
      protocol.flushPending()
    })
  }

  /** Serves the publisher until the returned function is called. */
  attach(publisher: Publisher): () => void {
    this.#publisher = publisher
    const subscription = this.#nc.subscribe(`${this.#inbox}.>`, {
      callback: (error, message) => {
        if (error === null) this.#message(message)
      },
    })
    const timer = setInterval(() => publisher.tick(performance.now()), TICK_MS)
    return () => {
      clearInterval(timer)
      subscription.unsubscribe()
      this.#publisher = null
    }
  }

  publish(window: Window, entry: number, lines: ByteWriter, epoch: number, answered: boolean): void {
    if (epoch !== this.#epoch) this.#begin(epoch)
    const bytes = window.headBytes(entry) + lines.length + window.payloadBytes(entry)
    // The server would close the connection; what it takes may be less since a reconnect.
    if (bytes > this.#maxPayload) {
      this.#publisher?.fail(tooLarge(bytes, this.#maxPayload))
      return
    }
    this.#wire.message(window, entry, lines, answered)
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
    walk.begin(tail.createdAt, tail.alone)
    if (tail.lastMessage !== null && !walk.visit(tail.lastMessage)) {
      await readBack(this.#nc, stream, {
        fromSeq: tail.lastMessage.seq - 1,
        until: headers => walk.visit(headers),
      })
    }
    return tail.lastSeq
  }

  /** From here on answers don't come as messages of the client, until it connects again. */
  #readAnswers(): void {
    const { parser } = this.#protocol
    if (parser.state !== 0) return
    this.#answers = new Answers(parser, this.#inbox, (epoch, entry, bytes, start, end) => {
      if (epoch !== this.#epoch || this.#publisher === null) return
      try {
        this.#answer(this.#publisher, entry, parsePubAck(bytes, start, end))
      } catch (error) {
        this.#publisher.fail(error)
      }
    })
    this.#protocol.parser = this.#answers
  }

  /** An answer by way of the client: one with headers, or from before `#readAnswers`. */
  #message({ subject, data, headers }: Msg): void {
    const publisher = this.#publisher
    if (publisher === null || !subject.startsWith(this.#replyPrefix)) return
    const entry = Number(subject.slice(this.#replyPrefix.length))
    if (data.length > 0) this.#answer(publisher, entry, parsePubAck(data))
    else {
      const { code = 0, description = '' } = headers ?? {}
      publisher.refused(this.#epoch, entry, code, description, performance.now())
    }
  }

  #answer(publisher: Publisher, entry: number, ack: PubAck): void {
    if (!this.#answering) {
      this.#answering = true
      this.#now = performance.now()
      queueMicrotask(this.#answered)
    }
    const now = this.#now
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
