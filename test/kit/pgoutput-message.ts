/**
 * Builds pgoutput messages for the decoder's tests, field by field as PostgreSQL's page has them.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */

type Field = Buffer | string
export type Value = string | null | 'unchanged' | Buffer

export const u8 = (value: number): Buffer => Buffer.from([value])

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

export const cstring = (text: string): Buffer => Buffer.from(`${text}\0`)

/** `tag`: the message's letter. Strings are written as they are. */
export function message(tag: string, ...fields: Field[]): Buffer {
  return Buffer.concat([
    Buffer.from(tag),
    ...fields.map(field => (typeof field === 'string' ? Buffer.from(field) : field)),
  ])
}

/** `timeUs`: microseconds since 2000. */
export function begin(commitLsn: bigint, timeUs: bigint, xid: number): Buffer {
  return message('B', u64(commitLsn), u64(timeUs), u32(xid))
}

export function commit(commitLsn: bigint, endLsn: bigint): Buffer {
  return message('C', u8(0), u64(commitLsn), u64(endLsn), u64(0n))
}

export interface ColumnSpec {
  readonly name: string
  readonly type: number
  readonly key?: boolean
}

export function relation(
  oid: number,
  schema: string,
  table: string,
  columns: readonly ColumnSpec[],
  identity = 'd',
): Buffer {
  return message(
    'R',
    u32(oid),
    cstring(schema),
    cstring(table),
    identity,
    u16(columns.length),
    ...columns.map(({ name, type, key = false }) =>
      Buffer.concat([u8(key ? 1 : 0), cstring(name), u32(type), u32(0xffff_ffff)]),
    ),
  )
}

export function tuple(...values: Value[]): Buffer {
  return Buffer.concat([
    u16(values.length),
    ...values.map(value => {
      if (value === null) return Buffer.from('n')
      if (value === 'unchanged') return Buffer.from('u')
      const text = Buffer.from(value)
      return Buffer.concat([Buffer.from('t'), u32(text.length), text])
    }),
  ])
}
