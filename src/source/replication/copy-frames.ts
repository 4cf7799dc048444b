/**
 * Takes a connection's socket over from the driver, for streaming: CopyData messages are found in the bytes of each read
 * and delivered where they lie, everything else goes on to the driver. The driver makes an object and two events of each
 * message, and copies what is left of a read.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import type { Duplex } from 'node:stream'
import { lendReads } from '../../postgres-reads.ts'

/** Type and length, which counts itself but not the type. */
const HEADER_BYTES = 5
const COPY_DATA = 0x64
/** A length counts itself, and PostgreSQL sends no message of a gigabyte or more. */
const MIN_LENGTH = 4
const MAX_LENGTH = 0x4000_0000
const NOTHING = Buffer.alloc(0)
/** Room for messages that are spread over several reads, in such steps; one that is larger than `MOST` is not kept. */
const ROOM_STEP_BYTES = 64 * 1024
const MOST_ROOM_BYTES = 4 * 1024 * 1024

type Listener = (chunk: Buffer) => void

export class CopyFrames {
  readonly #socket: Duplex
  readonly #deliver: (buffer: Buffer, start: number, end: number) => void
  readonly #driver: readonly Listener[]
  /** The read that is being worked through, and how far. */
  #chunk: Buffer = NOTHING
  #at = 0
  /** Reads behind it. */
  readonly #waiting: Buffer[] = []
  /** A message that began in an earlier read, as far as it is known how long it is. */
  #partial: Buffer = NOTHING
  #filled = 0
  /** Where such messages are put together, one after the other. */
  #room: Buffer = NOTHING
  #held = false
  /** Reading goes on at its end. */
  #resting: NodeJS.Timeout | null = null
  #working = false

  /**
   * Call while the driver waits for nothing. `deliver` gets the content of each CopyData message as a range of `buffer`,
   * valid within the call; it must not throw. An empty range says that the bytes are no messages; nothing follows it.
   * `worked` gets the bytes of each read when it was worked through.
   */
  constructor(
    socket: Duplex,
    deliver: (buffer: Buffer, start: number, end: number) => void,
    worked: (bytes: number) => void = () => {},
  ) {
    this.#socket = socket
    this.#deliver = deliver
    this.#driver = socket.listeners('data') as Listener[]
    for (const listener of this.#driver) socket.off('data', listener)
    const lent = lendReads(socket)
    socket.on('data', (chunk: Buffer) => {
      this.#waiting.push(chunk)
      this.#work()
      if (lent) this.#keep()
      worked(chunk.length)
    })
  }

  /** Nothing is delivered after the call that is under way, until `release()`. What came already waits here. */
  hold(): void {
    this.#held = true
    this.#socket.pause()
  }

  release(): void {
    this.#held = false
    this.#work()
    this.#read()
  }

  /** Nothing is read for so long. */
  rest(ms: number): void {
    if (this.#held || this.#resting !== null) return
    this.#socket.pause()
    this.#resting = setTimeout(() => {
      this.#resting = null
      this.#read()
    }, ms)
  }

  #read(): void {
    if (!this.#held && this.#resting === null) this.#socket.resume()
  }

  #work(): void {
    if (this.#working) return
    this.#working = true
    try {
      while (!this.#held && this.#hasMore()) this.#next()
    } finally {
      this.#working = false
    }
  }

  /** Makes what could not be worked through our own. */
  #keep(): void {
    if (this.#at < this.#chunk.length) this.#chunk = Buffer.from(this.#chunk.subarray(this.#at))
    else this.#chunk = NOTHING
    this.#at = 0
    for (const [i, chunk] of this.#waiting.entries()) this.#waiting[i] = Buffer.from(chunk)
  }

  #hasMore(): boolean {
    if (this.#at < this.#chunk.length) return true
    const next = this.#waiting.shift()
    this.#chunk = next ?? NOTHING
    this.#at = 0
    return next !== undefined
  }

  #next(): void {
    const chunk = this.#chunk
    const start = this.#at
    if (this.#filled === 0 && start + HEADER_BYTES <= chunk.length) {
      const length = lengthAt(chunk, start + 1)
      if (length < MIN_LENGTH || length > MAX_LENGTH) {
        this.#giveUp()
        return
      }
      const end = start + 1 + length
      if (end <= chunk.length) {
        this.#at = end
        this.#message(chunk, start, end)
        return
      }
    }
    this.#fill(chunk)
  }

  /** Puts together a message that is spread over several reads: first its header, then a buffer of its full length. */
  #fill(chunk: Buffer): void {
    if (this.#filled === 0) this.#partial = Buffer.allocUnsafe(HEADER_BYTES)
    this.#copy(chunk)
    if (this.#filled < this.#partial.length) return
    if (this.#filled === HEADER_BYTES) {
      const header = this.#partial
      const length = lengthAt(header, 1)
      if (length < MIN_LENGTH || length > MAX_LENGTH) {
        this.#giveUp()
        return
      }
      this.#partial = header[0] === COPY_DATA ? this.#roomFor(1 + length) : Buffer.allocUnsafe(1 + length)
      header.copy(this.#partial)
      this.#copy(chunk)
      if (this.#filled < this.#partial.length) return
    }
    const message = this.#partial
    this.#partial = NOTHING
    this.#filled = 0
    this.#message(message, 0, message.length)
  }

  #roomFor(bytes: number): Buffer {
    if (bytes > MOST_ROOM_BYTES) return Buffer.allocUnsafeSlow(bytes)
    if (bytes > this.#room.length) {
      this.#room = Buffer.allocUnsafeSlow(Math.ceil(bytes / ROOM_STEP_BYTES) * ROOM_STEP_BYTES)
    }
    return this.#room.subarray(0, bytes)
  }

  #copy(chunk: Buffer): void {
    const copied = chunk.copy(this.#partial, this.#filled, this.#at)
    this.#filled += copied
    this.#at += copied
  }

  #giveUp(): void {
    this.hold()
    this.#at = this.#chunk.length
    this.#waiting.length = 0
    this.#partial = NOTHING
    this.#filled = 0
    this.#deliver(NOTHING, 0, 0)
  }

  #message(buffer: Buffer, start: number, end: number): void {
    if (buffer[start] === COPY_DATA) this.#deliver(buffer, start + HEADER_BYTES, end)
    else for (const listener of this.#driver) listener.call(this.#socket, buffer.subarray(start, end))
  }
}

function lengthAt(buffer: Buffer, at: number): number {
  return ((buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!) >>> 0
}
