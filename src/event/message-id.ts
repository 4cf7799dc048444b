/**
 * Msg-Id: the name of a message, derived from the transaction alone, so that it is the same on every replay. Format,
 * stable across releases:
 *
 *     <system>.<xid>.<commit LSN>.<ordinal>[.<route>]      a change
 *     <system>.0.<LSN of the message>.m[.<route>]          a logical message that is not transactional
 *
 * system: PostgreSQL's system identifier in base 36; LSN: 64 bits in upper-case hex, no leading zeros; route: there
 * when one event has several messages.
 */
import type { Lsn } from '../lsn.ts'
import { NO_LSN } from '../lsn.ts'
import type { Event } from './event.ts'

export interface MessageId {
  readonly system: string
  readonly xid: number
  readonly commitLsn: Lsn
  /** null: a message that is not transactional. */
  readonly ordinal: number | null
  readonly route: string
}

const TEXT = /^([0-9a-z]{1,13})\.(\d{1,10})\.([0-9A-F]{1,16})\.(\d{1,15}|m)(?:\.([^.\s]+))?$/

export function formatMessageId({ system, xid, commitLsn, ordinal, route }: MessageId): string {
  const place = ordinal === null ? 'm' : String(ordinal)
  return `${system}.${xid}.${commitLsn.toString(16).toUpperCase()}.${place}${route === '' ? '' : `.${route}`}`
}

/** null: no Msg-Id of this format. */
export function parseMessageId(text: string): MessageId | null {
  const match = TEXT.exec(text)
  if (match === null) return null
  return {
    system: match[1]!,
    xid: Number(match[2]),
    commitLsn: BigInt(`0x${match[3]}`) as Lsn,
    ordinal: match[4] === 'm' ? null : Number(match[4]),
    route: match[5] ?? '',
  }
}

/** PostgreSQL's system identifier (pg_control_system) as it stands in Msg-Ids. */
export function formatSystem(systemIdentifier: bigint): string {
  return systemIdentifier.toString(36)
}

/**
 * Writes the Msg-Ids of the hot path into one scratch buffer: no string an event. What the transaction gives is
 * written once for all its events.
 */
export class MessageIdWriter {
  readonly bytes = Buffer.alloc(256)
  /** The same bytes, for ByteWriter.range. */
  readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  /** Length of the current Msg-Id in `bytes`. */
  length = 0
  /** The commit LSN's hex digits, and everything up to the ordinal's end, as ranges of `bytes`: for the position. */
  lsnStart = 0
  lsnEnd = 0
  readonly #systemEnd: number
  #commitLsn: Lsn = NO_LSN
  #xid = -1

  constructor(system: string) {
    this.#systemEnd = this.bytes.write(`${system}.`, 'latin1')
  }

  write(event: Event, route: string): void {
    const { bytes } = this
    if (event.commitLsn !== this.#commitLsn || event.xid !== this.#xid) this.#transaction(event)
    let at = this.lsnEnd + 1
    if (event.message !== null && !event.message.transactional) bytes[at++] = 0x6d
    else at = writeDecimal(bytes, at, event.ordinal)
    if (route !== '') {
      bytes[at++] = 0x2e
      at += bytes.write(route, at, 'latin1')
    }
    this.length = at
  }

  #transaction({ commitLsn, xid }: Event): void {
    const { bytes } = this
    this.#commitLsn = commitLsn
    this.#xid = xid
    let at = writeDecimal(bytes, this.#systemEnd, xid)
    bytes[at++] = 0x2e
    this.lsnStart = at
    at = writeHex(bytes, at, commitLsn)
    this.lsnEnd = at
    bytes[at] = 0x2e
  }
}

/** Writes a whole number below 2^53 in decimal; returns the index behind it. */
function writeDecimal(bytes: Uint8Array, at: number, value: number): number {
  let digits = 1
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++
  let rest = value
  for (let i = at + digits - 1; i >= at; i--) {
    const tenth = Math.floor(rest / 10)
    bytes[i] = 0x30 + (rest - tenth * 10)
    rest = tenth
  }
  return at + digits
}

function writeHex(bytes: Uint8Array, at: number, lsn: Lsn): number {
  const text = lsn.toString(16)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    bytes[at + i] = code >= 0x61 ? code - 0x20 : code
  }
  return at + text.length
}
