/**
 * The replication connection as a Source: START_REPLICATION in COPY BOTH mode, frames in, status updates out.
 *
 * Back-pressure: `pause()` stops the socket; what is left of the read that is under way waits, at most one socket read.
 * Status updates go on from a timer meanwhile, so that PostgreSQL doesn't take a blocked daemon for a dead one.
 * https://www.postgresql.org/docs/current/protocol-replication.html
 */
import type { Duplex } from 'node:stream'
import type { Client, Connection, Submittable } from 'pg'
import { EXIT, FatalError, RetryableError } from '../../errors.ts'
import type { Lsn } from '../../lsn.ts'
import { formatLsn, NO_LSN } from '../../lsn.ts'
import { classifyPostgresError } from '../../postgres-codes.ts'
import type { Sink, Source } from '../source.ts'
import { CopyFrames } from './copy-frames.ts'
import { Pace } from './pace.ts'
import type { TellPartial } from './partition-roots.ts'
import type { Types } from './pgoutput.ts'
import { malformed, PgoutputDecoder } from './pgoutput.ts'

export interface ReplicationOptions {
  /** Connected with `replication: 'database'`; this source ends it. */
  readonly client: Client
  readonly types: Types & { load(oids: readonly number[]): Promise<void> }
  readonly slotName: string
  readonly publicationName: string
  /** Where to start; PostgreSQL starts at the slot's confirmed position if that is later. */
  readonly startLsn: Lsn
  /** Longest time between two status updates, milliseconds; keep it well below `wal_sender_timeout`. */
  readonly statusIntervalMs: number
  /** PostgreSQL is asked for a sign of life with each status update; without any for so long the run ends. */
  readonly silenceLimitMs: number
  readonly onStreaming: () => void
  readonly onPartial: TellPartial
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const OBJECT_NOT_IN_PREREQUISITE_STATE = '55000'
const UNDEFINED_OBJECT = '42704'
/** A confirmation is sent this long after it was made, so that a busy stream sends few. */
const CONFIRM_DELAY_MS = 100
/** How long PostgreSQL gets to answer the end of the stream before the connection is cut. */
const END_TIMEOUT_MS = 2000
const KEEPALIVE_BYTES = 18
/** Of XLogData: when it was sent, what it carries, and if that is a BEGIN when its transaction was committed. */
const SENT_AT = 17
const HEADER_BYTES = 25
const BEGIN = 0x42
const COMMITTED_AT = HEADER_BYTES + 9
/** Microseconds from 1970 to 2000. */
const EPOCH_2000_MS = 946_684_800_000

export class ReplicationStream implements Source, Submittable {
  readonly name = 'replication'
  readonly #options: ReplicationOptions
  readonly #decoder: PgoutputDecoder
  readonly #socket: Duplex
  readonly #connection: Connection & { endCopyFrom(): void; sendCopyFromChunk(chunk: Buffer): void }
  readonly #status = Buffer.alloc(34)
  readonly #pace = new Pace(ms => this.#frames?.rest(ms))
  #frames: CopyFrames | null = null
  #paused = false
  /** Column types are being loaded; nothing may be decoded until then. */
  #loading = false
  #sink: Sink | null = null
  #confirmed: Lsn
  #sent: Lsn = NO_LSN
  #confirmTimer: NodeJS.Timeout | null = null
  #settle: { resolve(): void; reject(error: unknown): void } | null = null
  #ending = false
  /** Something came since the last timed status update. */
  #heard = false
  #silentTurns = 0

  constructor(options: ReplicationOptions) {
    this.#options = options
    this.#decoder = new PgoutputDecoder(options.types, options.onPartial)
    this.#connection = (options.client as unknown as { connection: Connection }).connection as never
    this.#socket = this.#connection.stream
    this.#confirmed = options.startLsn
  }

  async run(sink: Sink, signal: AbortSignal): Promise<void> {
    const { client, statusIntervalMs, onStreaming } = this.#options
    this.#sink = sink
    const timer = setInterval(() => this.#turn(), statusIntervalMs)
    const settled = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    client.on('error', error => this.#fail(error))
    client.on('end', () => this.#fail(connectionEnded()))
    client.on('notice', notice => {
      // PostgreSQL 18 only warns that the publication is missing, and skips rows for good.
      if (notice.code === OBJECT_NOT_IN_PREREQUISITE_STATE) this.#failHere(publicationSkipped(notice.message))
    })
    this.#connection.once('replicationStart', onStreaming)
    const stop = () => void this.#end()
    try {
      signal.addEventListener('abort', stop, { once: true })
      client.query(this)
      if (signal.aborted) stop()
      await settled
    } finally {
      signal.removeEventListener('abort', stop)
      clearInterval(timer)
      if (this.#confirmTimer !== null) clearTimeout(this.#confirmTimer)
      this.#sink = null
      this.#socket.resume()
      client.removeAllListeners('end')
      client.end().catch(() => {})
      this.#socket.destroy()
    }
  }

  confirm(lsn: Lsn): void {
    if (lsn <= this.#confirmed) return
    this.#confirmed = lsn
    this.#confirmTimer ??= setTimeout(() => {
      this.#confirmTimer = null
      this.#sendStatus()
    }, CONFIRM_DELAY_MS)
  }

  pause(): void {
    this.#paused = true
    this.#frames?.hold()
  }

  resume(): void {
    this.#paused = false
    this.#release()
  }

  submit(): void {
    this.#frames = new CopyFrames(
      this.#socket,
      (buffer, start, end) => this.#copyData(buffer, start, end),
      bytes => this.#pace.read(bytes),
    )
    if (this.#paused) this.#frames.hold()
    const { slotName, publicationName, startLsn } = this.#options
    const publication = `"${publicationName.replaceAll('"', '""')}"`.replaceAll("'", "''")
    this.#connection.query(
      `START_REPLICATION SLOT "${slotName}" LOGICAL ${formatLsn(startLsn)} ` +
        `(proto_version '1', publication_names '${publication}', messages 'true')`,
    )
  }

  handleError(error: unknown): void {
    this.#fail(error)
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    if (this.#ending) this.#settle?.resolve()
    else this.#fail(connectionEnded())
  }

  #copyData(buffer: Buffer, start: number, end: number): void {
    this.#heard = true
    if (this.#sink === null) return
    try {
      this.#frame(this.#sink, buffer, start, end)
    } catch (error) {
      this.#failHere(error)
    }
  }

  /** One frame: XLogData (`w`) or keepalive (`k`). Nothing is passed over: what is not understood may be a change. */
  #frame(sink: Sink, buffer: Buffer, start: number, end: number, typesAreFresh = false): void {
    const kind = start < end ? buffer[start] : undefined
    if (kind === 0x77) {
      const missing = this.#decoder.decode(buffer, start + HEADER_BYTES, end, sink, typesAreFresh)
      if (buffer[start + HEADER_BYTES] === BEGIN) {
        this.#pace.transaction(timeUs(buffer, start + COMMITTED_AT), timeUs(buffer, start + SENT_AT))
      }
      if (missing !== null) this.#loadTypes(missing, Buffer.from(buffer.subarray(start, end)))
      return
    }
    if (kind !== 0x6b || end - start !== KEEPALIVE_BYTES) {
      throw malformed(`a frame of kind ${kind} and ${end - start} bytes`)
    }
    const walEnd = buffer.readBigUInt64BE(start + 1) as Lsn
    if (!this.#decoder.inTransaction) {
      this.#decoder.release()
      sink.progress(walEnd)
    }
    if (buffer[start + 17] === 1) this.#sendStatus()
  }

  /** A table with the user's own types was described: read them from the catalog, then decode the frame again. */
  #loadTypes(oids: readonly number[], frame: Buffer): void {
    this.#loading = true
    this.#frames?.hold()
    this.#options.types
      .load(oids)
      .then(() => {
        this.#loading = false
        if (this.#sink === null) return
        this.#frame(this.#sink, frame, 0, frame.length, true)
        this.#release()
      })
      .catch(error => this.#failHere(error))
  }

  /** Deliver what waited and read on, if nothing stands against it. */
  #release(): void {
    if (!this.#paused && !this.#loading) this.#frames?.release()
  }

  /**
   * The timed status update. Turns are counted, not milliseconds: a process that was frozen has not listened. While
   * we are not reading, silence says nothing.
   */
  #turn(): void {
    const { statusIntervalMs, silenceLimitMs } = this.#options
    const listening = !this.#paused && !this.#loading
    this.#silentTurns = this.#heard || !listening ? 0 : this.#silentTurns + 1
    this.#heard = false
    if (this.#silentTurns * statusIntervalMs >= silenceLimitMs) this.#fail(connectionSilent(silenceLimitMs))
    else this.#sendStatus(listening)
  }

  /** Standby status update: written, flushed and applied are all "done", the only thing this daemon knows. */
  #sendStatus(wantsAnswer = false): void {
    if (this.#settle === null || !this.#socket.writable) return
    const status = this.#status
    status[0] = 0x72
    status.writeBigUInt64BE(this.#confirmed, 1)
    status.writeBigUInt64BE(this.#confirmed, 9)
    status.writeBigUInt64BE(this.#confirmed, 17)
    status.writeBigInt64BE(BigInt(Date.now() - EPOCH_2000_MS) * 1000n, 25)
    status[33] = wantsAnswer ? 1 : 0
    this.#sent = this.#confirmed
    this.#connection.sendCopyFromChunk(status)
  }

  /** Orderly end: the last confirmation, CopyDone, PostgreSQL's answer. */
  async #end(): Promise<void> {
    if (this.#ending) return
    this.#ending = true
    this.#sink = null
    if (this.#sent !== this.#confirmed) this.#sendStatus()
    this.#connection.endCopyFrom()
    // PostgreSQL's answer stands behind what waits here.
    this.#frames?.release()
    const timer = setTimeout(() => this.#settle?.resolve(), END_TIMEOUT_MS)
    timer.unref()
  }

  /** The connection failed. */
  #fail(error: unknown): void {
    if (this.#ending) this.#settle?.resolve()
    else this.#settle?.reject(classifyPostgresError(error))
  }

  /**
   * A change could not be worked on: no failure of the connection, so the error stays what it is. Changes behind it,
   * which may stand in the same read, must not be delivered: they would be stored as if it had been.
   */
  #failHere(error: unknown): void {
    this.#sink = null
    this.#settle?.reject(error)
  }
}

/** As older releases refuse it themselves; what follows from it is for who knows the slot. */
function publicationSkipped(words = 'no reason given'): FatalError {
  return new FatalError(`PostgreSQL skips what it should send: ${words}`, {
    code: UNDEFINED_OBJECT,
    exitCode: EXIT.slotLost,
    remedy: 'Start the daemon once with [replication] on_slot_lost = "recreate".',
  })
}

function connectionEnded(): RetryableError {
  return new RetryableError('PostgreSQL ended the replication connection', {
    code: 'REPLICATION_ENDED',
    remedy: 'The daemon connects again; look into the log of PostgreSQL if this repeats.',
  })
}

function connectionSilent(limitMs: number): RetryableError {
  return new RetryableError(`PostgreSQL has sent nothing for ${limitMs} ms, although it was asked to`, {
    code: 'REPLICATION_SILENT',
    remedy: 'The daemon connects again by itself; look for a network that drops connections if it repeats.',
  })
}

/** Microseconds since 2000, exact as a number for 285 years. */
function timeUs(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4)
}
