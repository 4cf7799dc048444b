/**
 * The Msg-Id: the name of an event in JetStream, derived from the transaction alone, so that it is the same on every
 * replay: `<system_id base36>.<xid>.<commit LSN>.<ordinal>[.<route>]`, and for a logical message outside a transaction
 * `<system_id base36>.0.<its LSN>.m[.<route>]`. LSNs are one 64-bit number in upper-case hex without leading zeros.
 * The format is stable across releases; docs/message.md has test vectors.
 */
import type { Event } from './event.ts'

const TWO_TO_32 = 0x1_0000_0000
const DOT = 0x2e
/** System 13, xid 10, LSN 16, ordinal 16, route 200, and the dots. */
const MAX_BYTES = 260

/** `system_identifier` of pg_control_system() or IDENTIFY_SYSTEM. */
export function systemBase36(systemIdentifier: bigint): string {
  return systemIdentifier.toString(36)
}

/**
 * Written as bytes, without a string per event: what is common to a transaction is kept. `set` once per event and
 * route, then read `bytes` up to `length`.
 */
export class MessageId {
  readonly bytes: Buffer = Buffer.alloc(MAX_BYTES)
  /** The same bytes, for ByteWriter.range. */
  readonly view: DataView = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  length = 0
  /** Where the LSN's digits stand, for the position. */
  lsnStart = 0
  lsnEnd = 0
  /** Another number for every transaction: who keeps something per transaction compares it. */
  transaction = 0
  /** The LSN in two halves of 32 bits. */
  lsnHigh = 0
  lsnLow = 0
  readonly #systemLength: number
  #prefixLength = 0
  #xid = -1
  #lsn = -1n
  #outside = false

  constructor(system: string) {
    this.#systemLength = this.bytes.write(`${system}.`, 'latin1')
  }

  /** `route`: null, or at most 200 characters of printable ASCII that need no escape in JSON. */
  set(event: Event, route: string | null): void {
    const outside = event.message !== null && !event.message.transactional
    if (event.xid !== this.#xid || event.commitLsn !== this.#lsn || outside !== this.#outside) {
      this.begin(event.xid, event.commitLsn, outside)
    }
    this.write(event.ordinal, route)
  }

  begin(xid: number, lsn: bigint, outside = false): void {
    this.#xid = xid
    this.#lsn = lsn
    this.#outside = outside
    this.transaction++
    this.#split(lsn)
    let at = writeDecimal(this.bytes, this.#systemLength, outside ? 0 : xid)
    this.bytes[at++] = DOT
    this.lsnStart = at
    at = writeLsn(this.bytes, at, this.lsnHigh, this.lsnLow)
    this.lsnEnd = at
    this.bytes[at++] = DOT
    if (outside) this.bytes[at++] = 0x6d
    this.#prefixLength = at
  }

  /** In floating point where that is exact, since bigints are slow and a transaction may be a single row. */
  #split(lsn: bigint): void {
    const value = Number(lsn)
    const exact = Number.isSafeInteger(value)
    this.lsnHigh = exact ? Math.floor(value / TWO_TO_32) : Number(lsn >> 32n)
    this.lsnLow = exact ? value - this.lsnHigh * TWO_TO_32 : Number(lsn & 0xffff_ffffn)
  }

  /** Returns the length. */
  write(ordinal: number, route: string | null): number {
    let at = this.#prefixLength
    if (!this.#outside) at = writeDecimal(this.bytes, at, ordinal)
    if (route !== null) {
      this.bytes[at++] = DOT
      for (let i = 0; i < route.length; i++) this.bytes[at++] = route.charCodeAt(i)
    }
    this.length = at
    return at
  }

  toString(): string {
    return this.bytes.toString('latin1', 0, this.length)
  }
}

/** Upper-case hex of `value`, an unsigned number of 32 bits, without leading zeros but at least `least` digits. */
export function writeHex(target: Uint8Array, position: number, value: number, least = 1): number {
  let at = position
  for (let digit = 7; digit >= 0; digit--) {
    const nibble = (value >>> (digit * 4)) & 15
    if (nibble !== 0 || at > position || digit < least) target[at++] = nibble + (nibble < 10 ? 48 : 55)
  }
  return at
}

function writeLsn(target: Uint8Array, position: number, high: number, low: number): number {
  if (high === 0) return writeHex(target, position, low)
  return writeHex(target, writeHex(target, position, high), low, 8)
}

/** A non-negative safe integer. */
export function writeDecimal(target: Uint8Array, position: number, value: number): number {
  if (value < 10) {
    target[position] = 48 + value
    return position + 1
  }
  let digits = 2
  for (let bound = 100; digits < 16 && value >= bound; bound *= 10) digits++
  let rest = value
  for (let i = position + digits - 1; i >= position; i--) {
    const next = Math.floor(rest / 10)
    target[i] = 48 + (rest - next * 10)
    rest = next
  }
  return position + digits
}
