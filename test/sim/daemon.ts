/**
 * One run of the daemon: the protocol core with a source and a link that are moved by hand. A crash is the loss of
 * this object; a frozen one keeps its window and its connection and loses its slot to another.
 */
import type { ByteWriter } from '../../src/event/bytes.ts'
import { FLOOR_HEADER, type Place, parsePlace } from '../../src/event/position.ts'
import { type Lsn, NO_LSN } from '../../src/lsn.ts'
import type { Lane } from '../../src/publish/lane.ts'
import type { Link } from '../../src/publish/link.ts'
import type { Publisher } from '../../src/publish/publisher.ts'
import type { State } from '../../src/publish/publisher-options.ts'
import type { TailWalk } from '../../src/publish/tail-walk.ts'
import type { Window } from '../../src/publish/window.ts'
import type { Answer, Batch } from './model-stream.ts'
import { type Copy, Violation } from './oracle.ts'
import type { SimMessage } from './wal.ts'
import type { World } from './world.ts'

/** A message on its way to JetStream. */
export interface Packet {
  readonly message: SimMessage
  readonly daemon: Daemon
  readonly msgId: string
  readonly expected: number | null
  readonly follows: string | null
  readonly floor: Place | null
  readonly size: number
  readonly epoch: number
  /** null: no answer is wanted. */
  readonly entry: number | null
  readonly batch: Batch | null
  /** Behind a fence, its own or that of its batch. */
  readonly fenced: boolean
  /** Life of the stream when it was sent. */
  readonly life: number
  readonly readFrom: number
  readonly readTo: number
  readonly sentAt: number
  /** Which one of the daemon's. */
  readonly connection: number
  /** Once it is stored. */
  copy: Copy | null
}

/** JetStream's word on a packet, on its way back. */
export interface Reply {
  readonly packet: Packet
  readonly answer: Answer
}

export interface TailRead {
  readonly lane: Lane
  readonly walk: TailWalk
  readonly done: (error: unknown, lastSequence: number) => void
  /** -1: not begun. Else the last sequence at the beginning, */
  lastSequence: number
  /** and the next sequence to show. */
  at: number
  /** The moment of the beginning. */
  begunAt: number
}

const FLOOR = `${FLOOR_HEADER}: `
const FENCE = 'Nats-Expected-Last-Sequence: '
const FOLLOWS = 'Nats-Expected-Last-Msg-Id: '
const BATCH_ID = 'Nats-Batch-Id: '
const BATCH_SEQUENCE = 'Nats-Batch-Sequence: '
const BATCH_COMMIT = 'Nats-Batch-Commit: '

export class Daemon implements Link {
  readonly number: number
  readonly slot: number
  readonly publisher: Publisher
  readonly timeline: number
  alive = true
  connected = false
  frozen = false
  /** Whether it still holds its slot. */
  holds = true
  /** Its source ends there, when the slot was taken from it: what lies before was in its socket. */
  lastItem = Number.POSITIVE_INFINITY
  /** It has read the tails once; only then the source begins. */
  opened = false
  /** The window is full: the source waits until there is room. */
  paused = false
  /** Where its source stands in the WAL: item, and change in it. */
  item: number
  change = 0
  /** What it told its source to confirm. */
  confirmed: Lsn = NO_LSN
  sending: Packet[] = []
  replies: Reply[] = []
  tails: TailRead[] = []
  #connection = 0
  readonly #sentOnce = new Set<number>()
  /** By transaction and stream: the batch it was sent in. */
  readonly #batchOf = new Map<number, string>()
  /** The batch that is being sent began with a fence. */
  #batchFenced = false
  readonly #reading: TailRead[] = []
  readonly #readFrom: number[]
  readonly #readTo: number[]
  readonly #world: World

  constructor(world: World, number: number, slot: number) {
    this.#world = world
    this.number = number
    this.slot = slot
    this.timeline = world.wal.timeline
    const { setting } = world
    this.#readFrom = new Array<number>(setting.streams).fill(-1)
    this.#readTo = new Array<number>(setting.streams).fill(-1)
    const confirmed = world.slots[slot]!.confirmed
    this.item = world.wal.firstAfter(confirmed)
    const origin = { system: '7h', slot: `s${slot}`, confirmed, endOf: world.wal.endOf() }
    this.publisher = new world.core.Publisher(
      {
        streams: world.streamNames.map(name => ({ name, batches: setting.batches, shared: false })),
        runId: `run${number}`,
        maxMessages: setting.maxMessages,
        maxBytes: setting.maxBytes,
        ackTimeoutMs: setting.ackTimeoutMs,
        confirm: lsn => this.#confirm(lsn),
        onRoom: () => {
          this.paused = false
          if (setting.eagerRoom && this.alive) this.pump(1000)
        },
        onState: (state, reason) => this.#onState(state, reason),
        onFailure: error => world.runFailed(this, error),
        onResumed: (lane, _walk, { becameShared }) => {
          if (becameShared) world.laneShared(this, lane.index)
        },
        counters: { duplicates: 0, resumeSkipped: 0, eventsRetried: 0 },
        onResume: reason => world.resumes.set(reason, (world.resumes.get(reason) ?? 0) + 1),
        onStored: () => undefined,
        random: () => 0.5,
      },
      origin,
      this,
    )
  }

  get name(): string {
    return `daemon ${this.number}`
  }

  connect(): void {
    this.connected = true
    this.#connection++
    this.publisher.connected(this.#world.now)
  }

  /** The source delivers up to `count` changes and marks, and the burst ends. */
  pump(count: number): boolean {
    const { wal, setting } = this.#world
    let moved = false
    for (let left = count; left > 0 && this.opened && this.alive && !this.paused; left--) {
      const item = wal.items[this.item]
      if (item === undefined || this.item >= this.lastItem) break
      moved = true
      const change = item.changes[this.change]
      if (change !== undefined) {
        this.change++
        for (const message of change) if (this.#world.owns(this.slot, message)) this.#offer(message)
        this.paused = this.publisher.full
        continue
      }
      this.change = 0
      this.item++
      if (item.transactional) this.#mark(item.endLsn)
    }
    if (this.publisher.window.size > setting.maxMessages + 3)
      throw new Violation('overfull', 'the window overflows')
    if (this.alive && moved) this.publisher.flush(this.#world.now)
    return moved
  }

  /** PostgreSQL's keepalive outside a transaction: everything up to the end of the WAL was delivered. */
  keepalive(): void {
    const { wal } = this.#world
    if (this.opened && this.holds && this.item === wal.items.length && !this.paused) this.#mark(wal.end)
  }

  publish(window: Window, number: number, lines: ByteWriter, epoch: number, answered: boolean): void {
    const entry = answered ? number : null
    const world = this.#world
    const message = world.wal.messages[Number(window.subject(number))]!
    const { payloadBytes, headBytes } = message
    if (!this.connected)
      throw new Violation('sent while down', `${this.name} sends ${message.name} while down`)
    const text = lines.buffer.toString('latin1', 0, lines.length)
    const expected = numberIn(text, FENCE)
    const follows = valueIn(text, FOLLOWS)
    const batch = batchIn(text)
    this.#batchFenced = batch !== null && (batch.sequence === 1 ? expected !== null : this.#batchFenced)
    const floorText = valueIn(text, FLOOR)
    const floor = floorText === null ? null : parsePlace(floorText)
    const mixedUp =
      window.slab(number) !== message.slab ||
      window.payloadBytes(number) !== payloadBytes ||
      window.headBytes(number) !== headBytes ||
      !text.startsWith('NATS/1.0\r\n') ||
      !text.endsWith('\r\n') ||
      Number.isNaN(expected)
    if (mixedUp) throw new Violation('mixed up', `${message.name} was sent wrong: ${text}`)
    if (this.#isUnderWay(message)) {
      throw new Violation('resent too soon', `${this.name} sends ${message.name}, which is under way`)
    }
    if (world.setting.batches === 'always') this.#checkWhole(message, batch)
    const { stream, msgId } = message
    const size = headBytes + lines.length + payloadBytes
    const [readFrom, readTo] = [this.#readFrom[stream]!, this.#readTo[stream]!]
    const life = world.lives[stream]!
    this.sending.push({
      message,
      daemon: this,
      msgId,
      expected,
      follows,
      floor,
      size,
      epoch,
      entry,
      batch,
      fenced: expected !== null || follows !== null || this.#batchFenced,
      life,
      readFrom,
      readTo,
      sentAt: world.now,
      connection: this.#connection,
      copy: null,
    })
    world.trace?.push(`${this.name} sends ${message.name}${fenceInWords(expected, follows, batch)}`)
  }

  readTail(lane: Lane, walk: TailWalk, done: (error: unknown, lastSequence: number) => void): void {
    const read = { lane, walk, done, lastSequence: -1, at: 0, begunAt: 0 }
    this.tails.push(read)
    this.#reading[lane.index] = read
  }

  /** Before the publisher hears of it. An answer to an earlier question comes too late to count. */
  tailRead(read: TailRead, moment: number): void {
    const { index } = read.lane
    if (this.#reading[index] !== read) return
    this.#readFrom[index] = read.begunAt
    this.#readTo[index] = moment
  }

  /** Sent before, on this connection, and neither answered nor given up yet. */
  #isUnderWay(message: SimMessage): boolean {
    const oldest = this.#world.now - this.#world.setting.ackTimeoutMs
    const isIt = (packet: Packet) =>
      packet.message === message && packet.sentAt > oldest && packet.connection === this.#connection
    return this.sending.some(isIt) || this.replies.some(({ packet }) => isIt(packet))
  }

  /** A transaction that fits into a batch goes as one, in each stream, when it is sent for the first time. */
  #checkWhole(message: SimMessage, batch: Batch | null): void {
    const { wal, setting } = this.#world
    const sentBefore = this.#sentOnce.has(message.number)
    this.#sentOnce.add(message.number)
    const room = Math.floor(setting.maxMessages * 0.75)
    if (sentBefore || message.xid === 0 || wal.sizes.get(message.xid)! > room || setting.maxBytes < 1e9)
      return
    const transaction = message.xid * setting.streams + message.stream
    const name = batch?.id ?? `alone: ${message.name}`
    const first = this.#batchOf.get(transaction)
    this.#batchOf.set(transaction, name)
    if (first === undefined || first === name) return
    throw new Violation('split', `${this.name} sends a transaction in pieces: ${first}, ${name}`)
  }

  #offer(message: SimMessage): void {
    const { commitLsn, ordinal } = message.position
    const { target, subject, slab, payloadBytes, headBytes } = message
    const { now } = this.#world
    this.publisher.offer({
      ...{ target, subject, slab, start: 0, payloadBytes, headBytes },
      ...{ commitLsn, ordinal, commitMs: Number.NaN, offeredAt: now },
    })
    this.#world.trace?.push(
      `${this.name} is offered ${message.name} for ${this.#world.streamNames[message.stream]}`,
    )
  }

  #mark(lsn: Lsn): void {
    this.#world.trace?.push(`${this.name} is given the mark ${lsn}`)
    this.publisher.mark(lsn)
  }

  #confirm(lsn: Lsn): void {
    const world = this.#world
    if (lsn < this.confirmed)
      throw new Violation('mixed up', `${this.name} confirms ${lsn} after ${this.confirmed}`)
    this.confirmed = lsn
    world.trace?.push(`${this.name} confirms ${lsn}`)
    if (this.timeline !== world.wal.timeline) return
    world.oracle.confirmed(this.slot, lsn, world.wal.items, message => world.owns(this.slot, message))
  }

  #onState(state: State, reason: string | null): void {
    const world = this.#world
    if (state === 'open') this.opened = true
    world.trace?.push(`${this.name} is ${state}${reason === null ? '' : ` (${reason})`}`)
  }
}

function fenceInWords(expected: number | null, follows: string | null, batch: Batch | null): string {
  const behind = expected ?? follows
  const fence = behind === null ? '' : ` behind ${behind}`
  if (batch === null) return fence
  return `${fence} as number ${batch.sequence}${batch.commit ? ', the last,' : ''} of batch ${batch.id}`
}

function batchIn(text: string): Batch | null {
  const id = valueIn(text, BATCH_ID)
  if (id === null) return null
  const sequence = Number(valueIn(text, BATCH_SEQUENCE))
  return { id, sequence, commit: valueIn(text, BATCH_COMMIT) === '1' }
}

function numberIn(text: string, name: string): number | null {
  const value = valueIn(text, name)
  return value === null ? null : value === '' ? Number.NaN : Number(value)
}

/** The value of a header among those that are added when it is sent; null when it is not there. */
function valueIn(text: string, name: string): string | null {
  const start = text.indexOf(name)
  return start === -1 ? null : text.slice(start + name.length, text.indexOf('\r\n', start))
}
