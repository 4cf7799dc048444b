/**
 * The protocol core of publishing: window, fence and the one resume. It holds no client and no clock; the link hands
 * messages to NATS and brings back what JetStream says, and calls `tick` with the time.
 *
 *              connected                 nothing in flight              every tail read
 *      down ------------> settling ------------------------> reading ------------------> open
 *       ^                  ^    ^                             |   ^                        |
 *       | disconnected     |    |                 tail failed |   | delay is over          | refusal, time-out,
 *       +---- (anywhere)   |    +------------- waiting <------+---+                        | unexpected ack
 *                          +---------------------------------------------------------------+
 *
 * `settling` waits for the word on each message in flight (or its time-out), `reading` asks each stream what it
 * holds, and `open` drops what is held and sends the rest again, in order, behind a fresh fence. So a message is
 * sent again only when the stream is known not to hold it, and nothing overtakes.
 */
import { messageOf } from '../errors.ts'
import { OUTSIDE } from '../event/position.ts'
import type { Lsn } from '../lsn.ts'
import { JS } from '../nats-codes.ts'
import { Groups } from './groups.ts'
import { Lane } from './lane.ts'
import type { Link } from './link.ts'
import { Progress } from './progress.ts'
import type { PublisherOptions, State } from './publisher-options.ts'
import { canReadAgain, refusalOf, unanswered } from './refusal.ts'
import { Sender } from './sender.ts'
import { type HeldUp, type Reason, Setbacks } from './setbacks.ts'
import { type Origin, TailWalk } from './tail-walk.ts'
import { type Outgoing, QUEUED, SENT, STORED, Window } from './window.ts'

/** A full window has room again at this share, so that reading goes on in runs and not message by message. */
const ROOM_SHARE = 0.75

export class Publisher {
  readonly window: Window
  readonly lanes: readonly Lane[]
  state: State = 'down'
  /** Why the last resume began; null when none is under way. */
  reason: Reason | null = 'start'
  inFlight = 0
  /** Nothing more should be offered, until `onRoom`. */
  full = false
  readonly #options: PublisherOptions
  readonly #link: Link
  readonly #sender: Sender
  #origin: Origin
  /** The next entry to send; all before it are SENT or STORED while open. */
  #next = 0
  #now = 0
  #confirmed: Lsn
  readonly #progress = new Progress()
  readonly #groups: Groups
  #tailsLeft = 0
  #waitUntil = 0
  readonly #setbacks: Setbacks
  readonly #lowMessages: number
  readonly #lowBytes: number

  constructor(options: PublisherOptions, origin: Origin, link: Link) {
    this.#options = options
    this.#origin = origin
    this.#confirmed = origin.confirmed
    this.#link = link
    this.window = new Window(options.maxMessages)
    this.#sender = new Sender(this.window, link, options)
    this.#setbacks = new Setbacks(options.random)
    this.#lowMessages = options.maxMessages * ROOM_SHARE
    this.#lowBytes = options.maxBytes * ROOM_SHARE
    this.lanes = options.streams.map((stream, index) => new Lane(index, stream))
    this.#groups = new Groups(this.window, this.lanes, this.#sender, this.#lowMessages)
  }

  /** What keeps the oldest message from being stored; null: nothing does, as far as is known. */
  get heldUp(): HeldUp | null {
    return this.#setbacks.heldUp
  }

  /** Nothing is in flight, and what the window holds waits for more of its transaction. */
  get idle(): boolean {
    if (this.state !== 'open' || this.inFlight > 0) return false
    return this.#groups.end(this.#next, 0, this.full) === this.#next
  }

  /** A message for the stream of the target's lane. It is sent by the next `flush()`, or as soon as the publisher is open. */
  offer(message: Outgoing): void {
    const { window } = this
    window.push(message)
    if (message.ordinal === OUTSIDE) this.#groups.wholeTo = window.high
    if (window.size >= this.#options.maxMessages || window.bytes >= this.#options.maxBytes) this.full = true
  }

  /** Everything offered before this call must be stored before `lsn` is confirmed. */
  mark(lsn: Lsn): void {
    const { window } = this
    if (window.low === window.high) this.#confirm(lsn)
    else this.#progress.mark(window.high, lsn)
    this.#groups.wholeTo = window.high
  }

  /** Sends what was offered. Call once for each burst of changes and marks. */
  flush(now: number): void {
    this.#now = now
    if (this.state !== 'open' || this.#next === this.window.high) return
    const { window } = this
    const { counters } = this.#options
    const end = this.#groups.end(this.#next, this.inFlight, this.full)
    this.#groups.decide(end - this.#next)
    let released = false
    while (this.#next < end && this.state === 'open') {
      const entry = this.#next++
      if (window.state(entry) !== QUEUED) continue
      const lane = this.lanes[window.target(entry).lane]!
      if (lane.holds(window, entry)) {
        counters.resumeSkipped++
        window.setState(entry, STORED)
        released = true
      } else if (lane.gathers(entry)) lane.pending.push(entry)
      else {
        this.inFlight++
        this.#sender.single(entry, lane, now)
      }
    }
    this.inFlight += this.#groups.send(now)
    if (released) this.#advance()
    // All that was whole may have been held already: no ack will come that sends the rest.
    if (this.#groups.whole && this.full && this.inFlight === 0 && this.#next < window.high) this.flush(now)
  }

  /** JetStream stored an entry, now or (`duplicate`) before; and with it its chain or batch. `answered` follows. */
  acked(epoch: number, entry: number, sequence: number, duplicate: boolean, now: number): void {
    // nats-server 2.10, replicated: an id that was refused is remembered as a duplicate of sequence 0. It is not stored.
    if (duplicate && sequence === 0) {
      this.refused(epoch, entry, JS.duplicateInProcess, 'duplicate message id is in process', now)
      return
    }
    const { window } = this
    this.#now = now
    if (epoch !== this.#sender.epoch || entry < window.low || window.state(entry) !== SENT) return
    const lane = this.lanes[window.target(entry).lane]!
    lane.answers(sequence)
    const predicted = window.sequence(entry)
    const first = window.group(entry)
    const unexpected = !Number.isNaN(predicted) && (duplicate || predicted !== sequence)
    if (unexpected && first !== entry) {
      // It may not speak for the others; the stream does.
      this.#requeue(entry)
    } else {
      if (duplicate) this.#options.counters.duplicates++
      for (let one = first; one <= entry; one++) {
        if (window.group(one) !== first || window.state(one) !== SENT) continue
        window.setState(one, STORED)
        this.inFlight--
        this.#options.onStored(one, duplicate, now)
      }
      // Of a stream that goes unfenced nothing is predicted: its acks say where it stands.
      if (Number.isNaN(predicted) && lane.shared && sequence > lane.lastSequence) lane.lastSequence = sequence
    }
    if (unexpected) this.#resume('unexpected', '', entry)
    if (this.state === 'settling') this.#settled()
  }

  /** Lets go of what is stored. Call once for each burst of answers. */
  answered(now: number): void {
    const { window } = this
    this.#now = now
    const waiting = window.size * 2 > this.#lowMessages || window.bytes * 2 > this.#lowBytes
    if (window.state(window.low) === STORED) this.#advance()
    this.#groups.answered(waiting, now)
    if (this.inFlight === 0) this.flush(now)
  }

  /** JetStream did not store an entry. `code`: JetStream's err_code, or 503 for no responders. */
  refused(epoch: number, entry: number, code: number, description: string, now: number): void {
    const { window } = this
    this.#now = now
    if (epoch !== this.#sender.epoch || entry < window.low || window.state(entry) !== SENT) return
    this.#requeue(entry)
    const refusal = refusalOf(code, description, this.lanes[window.target(entry).lane]!.stream)
    if (typeof refusal === 'string') this.#resume(refusal, description, entry)
    else this.fail(refusal)
    if (this.state === 'settling') this.#settled()
  }

  /** An entry, and its chain or batch: not known to be stored. */
  #requeue(entry: number): void {
    const { window } = this
    const first = window.group(entry)
    for (let one = first; one <= entry; one++) {
      if (window.group(one) !== first || window.state(one) !== SENT) continue
      window.setState(one, QUEUED)
      this.inFlight--
    }
  }

  connected(now: number): void {
    this.#now = now
    if (this.state !== 'down') return
    if (this.reason === 'disconnect') this.#setbacks.begin('disconnect', null, '', now)
    this.#enter('settling')
    this.#settled()
  }

  disconnected(now: number): void {
    this.#now = now
    if (this.state === 'failed' || this.state === 'down') return
    this.#forgetFlight()
    this.#count('disconnect')
    this.#setbacks.disconnected()
    this.#enter('down')
  }

  /** Time passes. Call some twenty times a second. */
  tick(now: number): void {
    this.#now = now
    switch (this.state) {
      case 'open':
      case 'settling':
        this.#expire()
        return
      case 'waiting':
        if (now >= this.#waitUntil) this.#readTails()
        return
      case 'down':
      case 'reading':
      case 'failed':
        return
      default:
        this.state satisfies never
    }
  }

  fail(error: unknown): void {
    if (this.state === 'failed') return
    this.#sender.epoch++
    this.#enter('failed')
    this.#options.onFailure(error)
  }

  /** Messages in flight for too long: nobody knows whether they are stored. */
  #expire(): void {
    const { window } = this
    const deadline = this.#now - this.#options.ackTimeoutMs
    let expired = false
    let oldest = window.low
    for (let entry = window.low; entry < this.#next; entry++) {
      if (window.state(entry) !== SENT || window.sentAt(entry) > deadline) continue
      if (!expired) oldest = entry
      expired = true
      window.setState(entry, QUEUED)
      this.inFlight--
    }
    if (expired) this.#resume('timeout', `no publish ack within ${this.#options.ackTimeoutMs} ms`, oldest)
    if (this.state === 'settling') this.#settled()
  }

  /** `entry`: what was refused, or had no answer. */
  #resume(reason: Reason, detail: string, entry: number): void {
    // Later messages in flight are refused as well, as wrong sequences; the first refusal says why.
    if (this.state !== 'open') return
    this.#count(reason)
    const lane = this.lanes[this.window.target(entry).lane]!
    this.#setbacks.begin(reason, lane.stream, detail, this.#now)
    if ((reason === 'no-responders' || reason === 'timeout') && lane.goesUnanswered()) {
      this.fail(unanswered(lane.stream, this.window.subject(entry)))
      return
    }
    this.#sendSingly()
    this.#enter('settling')
  }

  #count(reason: Reason): void {
    this.reason = reason
    this.#options.onResume(reason)
  }

  #settled(): void {
    if (this.inFlight > 0) return
    const delay = this.#setbacks.delay()
    if (delay === 0) this.#readTails()
    else this.#wait(delay)
  }

  #wait(delay: number): void {
    this.#waitUntil = this.#now + delay
    this.#enter('waiting')
  }

  #readTails(): void {
    const epoch = ++this.#sender.epoch
    const origin = { ...this.#origin, confirmed: this.#confirmed }
    this.#enter('reading')
    this.#tailsLeft = this.lanes.length
    if (this.#tailsLeft === 0) this.#open()
    for (const lane of this.lanes) {
      const walk = new TailWalk(origin, lane.lookedAt, lane.lookedAtStream)
      this.#link.readTail(lane, walk, (error, lastSequence) => {
        if (epoch !== this.#sender.epoch || this.state !== 'reading') return
        if (error !== null) {
          this.#tailFailed(error)
          return
        }
        this.#options.onResumed(lane, walk, lane.resumed(lastSequence, walk, this.#now))
        if (--this.#tailsLeft === 0) this.#open()
      })
    }
  }

  #tailFailed(error: unknown): void {
    if (!canReadAgain(error)) {
      this.fail(error)
      return
    }
    this.#setbacks.unreadable(messageOf(error))
    // Nobody is there at all: a leader is being elected.
    for (const lane of this.lanes) lane.unanswered = 0
    this.#sender.epoch++
    this.#wait(this.#setbacks.delay())
  }

  #open(): void {
    this.#enter('open')
    this.#next = this.window.low
    this.#groups.resumed()
    this.flush(this.#now)
    if (this.inFlight === 0) this.#setbacks.over()
  }

  #forgetFlight(): void {
    const { window } = this
    this.#sendSingly()
    for (let entry = window.low; entry < this.#next; entry++) {
      if (window.state(entry) === SENT) window.setState(entry, QUEUED)
    }
    this.inFlight = 0
    this.#sender.epoch++
  }

  /**
   * What was sent so far is sent again singly, if it must be: one message that is held would refuse its batch, and in a
   * chain only the last one says why it was refused.
   */
  #sendSingly(): void {
    for (const lane of this.lanes) lane.singlyTo = this.#next
  }

  #advance(): void {
    const { window } = this
    if (!window.release()) return
    this.#setbacks.progressed(this.state !== 'open', this.#now)
    const confirmed = this.#progress.reached(window.low)
    if (confirmed !== null) this.#confirm(confirmed)
    if (this.full && window.size <= this.#lowMessages && window.bytes <= this.#lowBytes) {
      this.full = false
      this.#options.onRoom()
    }
  }

  #confirm(lsn: Lsn): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn
    this.#options.confirm(lsn)
  }

  #enter(state: State): void {
    if (this.state === state) return
    this.state = state
    if (state === 'open') this.reason = null
    this.#options.onState(state, this.reason)
  }
}
