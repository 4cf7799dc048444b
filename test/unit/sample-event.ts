/** Events, rows and relations for the tests of the encoders, from plain JavaScript values. */
import { builtinType } from '../../src/event/builtin-types.ts'
import { ByteWriter } from '../../src/event/bytes.ts'
import { createFormat, type FormatName } from '../../src/event/encode.ts'
import type { Encoder, FormatOptions } from '../../src/event/encoder.ts'
import { type Event, NULL, type Relation, type Row, TEXT, UNCHANGED } from '../../src/event/event.ts'
import { MessageId } from '../../src/event/message-id.ts'
import { toLsn } from '../../src/lsn.ts'

/** A value that PostgreSQL did not send. */
export const TOAST = Symbol('unchanged TOAST')
export type Value = string | null | typeof TOAST

export const SYSTEM = '1k9xv1sxkz3zk'
export const OPTIONS: FormatOptions = {
  numbers: 'number',
  entity: 'omit',
  source: { system: SYSTEM, database: 'my app', name: 'shop', version: '1.2.3' },
}

/** The rows lie in the middle of a larger buffer, as they do in what a socket gives. */
export function rowOf(...values: readonly Value[]): Row {
  const texts = values.map(value => Buffer.from(typeof value === 'string' ? value : ''))
  const before = Buffer.from('"\\before')
  const memory = Buffer.concat([before, ...texts, Buffer.from('"\\after')])
  const source = memory.subarray(before.length)
  const row: Row = {
    source,
    count: values.length,
    state: Uint8Array.from(values, value => (value === null ? NULL : value === TOAST ? UNCHANGED : TEXT)),
    start: new Uint32Array(values.length),
    end: new Uint32Array(values.length),
  }
  let at = 0
  for (const [index, text] of texts.entries()) {
    row.start[index] = at
    at += text.length
    row.end[index] = at
  }
  return row
}

/** `columns`: name and type OID; a star before the name marks the key. */
export function relationOf(
  columns: readonly (readonly [string, number])[],
  options: Partial<Relation> = {},
): Relation {
  return {
    oid: 16_400,
    index: 0,
    schema: 'public',
    table: 'tb_order',
    replicaIdentity: 'key',
    columns: columns.map(([name, oid]) => ({
      name: name.replace(/^\*/, ''),
      key: name.startsWith('*'),
      type: builtinType(oid)!,
    })),
    ...options,
  }
}

export function eventOf(fields: Partial<Event>): Event {
  return {
    bytes: 0,
    operation: 'INSERT',
    relation: null,
    after: null,
    before: null,
    beforeIsKey: false,
    truncation: null,
    message: null,
    commitLsn: toLsn(0x16_b374_d848n),
    ordinal: 3,
    xid: 571,
    commitTimeUs: 1_715_000_000_123_456n,
    ...fields,
  }
}

export function encoderOf(format: FormatName, event: Event, entity = 'Order', options = OPTIONS): Encoder {
  const made = createFormat(format, options)
  const { relation, operation } = event
  return relation === null ? made.forMessage(entity) : made.forRelation(relation, entity, operation)
}

export function encodeText(format: FormatName, event: Event, entity = 'Order', options = OPTIONS): string {
  const id = new MessageId(SYSTEM)
  id.set(event, null)
  const out = new ByteWriter()
  // Not at the start of the slab, as most messages.
  out.text('an earlier message')
  out.begin()
  encoderOf(format, event, entity, options).encode(event, id, out)
  return Buffer.from(out.cut()).toString('utf8')
}
