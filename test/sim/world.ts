/**
 * The world of one schedule: the WAL and its slots, the streams, the daemons, and what travels between them. Nothing
 * moves by itself; steps.ts moves it. `moment` counts what happens, `now` is the time that the daemons are told.
 */

import type { Lsn } from '../../src/lsn.ts'
import type { Lane } from '../../src/publish/lane.ts'
import type { Core } from './core.ts'
import { Daemon, type Packet, type TailRead } from './daemon.ts'
import { type Answer, ModelStream, refusal, type Stored } from './model-stream.ts'
import { type Copy, Oracle, Violation } from './oracle.ts'
import type { Setting } from './setting.ts'
import { type SimMessage, Wal } from './wal.ts'

/** Somebody else's message. */
interface Foreign {
  readonly foreign: true
  readonly copy: null
  readonly msgId: null
  readonly expected: null
  readonly follows: null
  readonly size: number
  readonly batch: null
}

/** What a stream of the simulation holds. */
export type Content = (Packet & { readonly foreign?: never }) | Foreign

export interface Slot {
  confirmed: Lsn
  holder: Daemon | null
}

export const NO_RESPONDERS = 503
/** So many foreign messages at least before a daemon may give up the fence. */
const FOREIGN_LIMIT = 5

export class World {
  readonly setting: Setting
  readonly core: Core
  readonly oracle: Oracle
  readonly wal = new Wal()
  readonly slots: Slot[]
  readonly streamNames: string[]
  /** null: deleted, not made again yet. */
  readonly streams: (ModelStream<Content> | null)[]
  /** Counts up when a stream is deleted and when it is made anew. */
  readonly lives: number[]
  /** Alive ones, also frozen and without a slot. */
  daemons: Daemon[] = []
  /** Messages in the pipes of connections that are dead for their daemon. */
  ghosts: Packet[][] = []
  now = 1000
  moment = 1
  readonly trace: string[] | null
  readonly resumes = new Map<string, number>()
  /** Nothing happened that excuses anything: streams must hold the WAL as it is. */
  plain = true
  /** A daemon gave up the fence in this stream, with reason. */
  readonly #sharedEver: boolean[]
  readonly #strangerAt: number[]
  readonly #removedAt: number[]
  readonly #lastReadFrom: number[]
  readonly #foreign: number[]
  #started = 0

  constructor(setting: Setting, core: Core, options: { strict: boolean; trace: string[] | null }) {
    this.setting = setting
    this.core = core
    this.trace = options.trace
    const { streams } = setting
    this.oracle = new Oracle(streams, options.strict)
    this.slots = Array.from({ length: setting.slots }, () => ({ confirmed: this.wal.end, holder: null }))
    this.plain = setting.slots === 1 && setting.keptMessages === 0
    this.streamNames = ['A', 'B', 'C'].slice(0, streams)
    this.lives = new Array<number>(streams).fill(0)
    this.#sharedEver = new Array<boolean>(streams).fill(false)
    this.#strangerAt = new Array<number>(streams).fill(-1)
    this.#removedAt = new Array<number>(streams).fill(-1)
    this.#lastReadFrom = new Array<number>(streams).fill(-1)
    this.#foreign = new Array<number>(streams).fill(0)
    this.streams = this.streamNames.map(() => this.#newStream())
  }

  owns(slot: number, message: SimMessage): boolean {
    const { slots, sameEvents } = this.setting
    return slots === 1 || sameEvents || message.number % 2 === slot
  }

  /** A fresh run on a free slot; it makes the streams that are missing, as a start does. */
  start(slot: number): Daemon {
    this.streams.forEach((stream, index) => {
      if (stream === null) this.createStream(index)
    })
    const daemon = new Daemon(this, ++this.#started, slot)
    this.slots[slot]!.holder = daemon
    this.daemons.push(daemon)
    this.trace?.push(`${daemon.name} starts on slot ${slot}, confirmed up to ${this.slots[slot]!.confirmed}`)
    return daemon
  }

  /** The end of a run. What it sent is on its way still, unless `lost`. */
  end(daemon: Daemon, lost: boolean): void {
    if (!daemon.alive) return
    daemon.alive = false
    this.cut(daemon, lost)
    this.release(daemon)
    this.daemons = this.daemons.filter(other => other !== daemon)
  }

  /** The slot is taken from it. `unread`: so many items were on their way to it. */
  release(daemon: Daemon, unread = 0): void {
    if (!daemon.holds) return
    this.slots[daemon.slot]!.holder = null
    daemon.holds = false
    daemon.lastItem = daemon.item + unread
  }

  /** The connection is gone; the publisher is not told here. */
  cut(daemon: Daemon, lost: boolean): void {
    if (!lost && daemon.sending.length > 0) this.ghosts.push(daemon.sending)
    daemon.sending = []
    daemon.replies = []
    daemon.connected = false
  }

  runFailed(daemon: Daemon, error: unknown): void {
    if (!(error instanceof this.core.RetryableError)) throw error
    this.trace?.push(`${daemon.name} ends: ${error.message}`)
    this.end(daemon, false)
  }

  laneShared(daemon: Daemon, stream: number): void {
    this.trace?.push(`${daemon.name} goes on unfenced in ${this.streamNames[stream]}`)
    this.#sharedEver[stream] = true
    if (this.#foreign[stream]! >= FOREIGN_LIMIT) return
    const count = `after ${this.#foreign[stream]} foreign messages`
    throw new Violation('shared without need', `${daemon.name} gives up the fence ${count}`)
  }

  /** JetStream takes one message. */
  deliver(packet: Packet): void {
    const index = packet.message.stream
    const stream = this.streams[index]!
    const answer = stream === null ? refusal(NO_RESPONDERS) : stream.publish(packet, this.now)
    this.trace?.push(
      `${this.streamNames[index]} ${inWords(answer)} ${packet.message.name} of daemon ${packet.daemon.number}`,
    )
    if (answer !== null) this.reply(packet, answer)
  }

  reply(packet: Packet, answer: Answer): void {
    if (packet.entry === null) return
    if (packet.daemon.alive && packet.daemon.connected) packet.daemon.replies.push({ packet, answer })
  }

  takeReply(daemon: Daemon, at: number): void {
    const reply = daemon.replies.splice(at, 1)[0]
    if (reply === undefined) return
    const { packet, answer } = reply
    const { epoch, message } = packet
    const entry = packet.entry!
    this.trace?.push(
      `${daemon.name} hears that ${this.streamNames[message.stream]} ${inWords(answer)} ${message.name}`,
    )
    if (answer.code === 0) daemon.publisher.acked(epoch, entry, answer.sequence, answer.duplicate, this.now)
    else daemon.publisher.refused(epoch, entry, answer.code, 'refused', this.now)
  }

  publishForeign(index: number): void {
    const stream = this.streams[index]!
    if (stream === null) return
    const answer = stream.publish(
      { foreign: true, copy: null, msgId: null, expected: null, follows: null, size: 10, batch: null },
      this.now,
    )
    if (answer === null || answer.code !== 0) return
    this.plain = false
    this.#foreign[index]!++
    this.#strangerAt[index] = ++this.moment
    this.trace?.push(`somebody else's message is stored in ${this.streamNames[index]} at ${answer.sequence}`)
  }

  /** Shows up to `count` messages of the tail; the answer comes when the walk has enough. */
  readTail(daemon: Daemon, read: TailRead, count: number): void {
    const { lane, walk } = read
    const stream = this.streams[lane.index]!
    if (stream === null) {
      this.failTail(daemon, read, 'STREAM_MISSING')
      return
    }
    if (read.lastSequence === -1) {
      read.lastSequence = stream.lastSequence
      read.at = stream.lastSequence
      read.begunAt = ++this.moment
      walk.begin(`${lane.stream} ${this.lives[lane.index]}`, this.setting.alone)
      this.#lastReadFrom[lane.index] = this.moment
    }
    for (let left = count; left > 0; left--) {
      const stored = stream.newest(read.at)
      if (stored !== undefined) read.at = stored.sequence - 1
      if (stored !== undefined && !walk.visit(headersOf(stored))) continue
      daemon.tails = daemon.tails.filter(other => other !== read)
      daemon.tailRead(read, ++this.moment)
      this.#traceTail(daemon, lane, read.lastSequence)
      read.done(null, read.lastSequence)
      return
    }
  }

  failTail(daemon: Daemon, read: TailRead, code: string): void {
    daemon.tails = daemon.tails.filter(other => other !== read)
    this.trace?.push(`${daemon.name} can't read the tail of ${read.lane.stream}`)
    read.done(new this.core.RetryableError('the tail could not be read', { code, remedy: '' }), 0)
  }

  deleteStream(index: number): void {
    if (this.streams[index] === null) return
    this.plain = false
    this.oracle.streamDeleted(index, ++this.moment)
    this.#removedAt[index] = this.moment
    this.streams[index] = null
    this.lives[index]!++
    this.trace?.push(`stream ${this.streamNames[index]} is deleted`)
  }

  createStream(index: number): void {
    if (this.streams[index] !== null) return
    this.streams[index] = this.#newStream()
    this.lives[index]!++
    this.trace?.push(`stream ${this.streamNames[index]} is made anew`)
  }

  #newStream(): ModelStream<Content> {
    const { idCheck, duplicateWindowMs, keptMessages } = this.setting
    const discard = keptMessages > 0 ? 'old' : 'new'
    const limits = { idCheck, duplicateWindowMs, maxMessages: keptMessages, maxBytes: 0, discard } as const
    return new ModelStream<Content>(limits, {
      stored: ({ sequence, message }) => {
        if (!message.foreign) this.#stored(message, sequence)
      },
      removed: stored => this.#removed(stored),
    })
  }

  #removed(stored: Stored<Content>): void {
    this.plain = false
    const { copy } = stored.message
    if (copy === null) return
    copy.removedAt = ++this.moment
    this.#removedAt[copy.message.stream] = this.moment
  }

  #stored(packet: Packet, sequence: number): void {
    const { message, daemon, readFrom, readTo } = packet
    const index = message.stream
    // Without a reason to give the fence up, a message without one is held to what the fence promises.
    const fenced = packet.fenced || (!this.#sharedEver[index] && this.setting.slots === 1)
    const moment = ++this.moment
    const copy: Copy = {
      message,
      slot: daemon.slot,
      life: this.lives[index]!,
      sequence,
      fenced,
      storedAt: moment,
      removedAt: Number.POSITIVE_INFINITY,
      readFrom,
      readTo,
      removalAt: this.#removedAt[index]!,
      strangerAt: this.#isOutdated(packet) ? moment : this.#strangerAt[index]!,
    }
    packet.copy = copy
    const lasting = fenced && !message.lost && this.setting.slots === 1 && packet.life === this.lives[index]
    if (!lasting || copy.strangerAt === moment) this.#strangerAt[index] = moment
    this.oracle.stored(copy, packet.life)
  }

  /**
   * It comes late, after others have read the tail, and they may count otherwise than its sender did: messages were
   * removed, or a stranger wrote.
   */
  #isOutdated({ message, readFrom }: Packet): boolean {
    const { stream } = message
    if (this.#lastReadFrom[stream]! <= readFrom) return false
    return this.#removedAt[stream]! > 0 || this.#strangerAt[stream]! > readFrom
  }

  #traceTail(daemon: Daemon, lane: Lane, lastSequence: number): void {
    this.trace?.push(`${daemon.name} has read the tail of ${lane.stream}: last sequence ${lastSequence}`)
  }
}

function headersOf({ sequence: seq, message }: Stored<Content>) {
  if (message.foreign) return { seq, msgId: null, position: null, floor: null }
  const position = message.message.positions[message.daemon.slot]!
  return { seq, msgId: message.msgId, position, floor: message.floor }
}

function inWords(answer: Answer | null): string {
  if (answer === null) return 'puts into its batch'
  if (answer.code !== 0) return `refuses (${answer.code})`
  return answer.duplicate ? `knows already, at ${answer.sequence},` : `stores at ${answer.sequence}`
}
