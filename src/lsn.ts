/**
 * LSN: a byte position in PostgreSQL's write-ahead log, unsigned 64 bits, written as `XXXXXXXX/XXXXXXXX`.
 * https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */

declare const brand: unique symbol
export type Lsn = bigint & { readonly [brand]: 'Lsn' }

export const NO_LSN = 0n as Lsn

const MAX = 0xffff_ffff_ffff_ffffn

/** `16/B374D848` -> Lsn. Throws RangeError on anything else. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text)
  if (match === null) throw new RangeError(`not an LSN: ${JSON.stringify(text)}`)
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn
}

export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`
}

export function toLsn(value: bigint): Lsn {
  if (value < 0n || value > MAX) throw new RangeError(`out of range for an LSN: ${value}`)
  return value as Lsn
}
