import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FatalError } from '../../src/errors.ts'
import { type Event, NULL, type Row, TEXT, UNCHANGED } from '../../src/event/event.ts'
import type { Lsn } from '../../src/lsn.ts'
import { PgoutputDecoder } from '../../src/source/replication/pgoutput.ts'
import { begin, commit, cstring, message, relation, tuple, u8, u32, u64 } from '../kit/pgoutput-message.ts'

const INT4 = 23
const TEXT_OID = 25
const OWN_TYPE = 70_000

/** What an event said while it was valid. */
function copyOf(event: Event) {
  const { relation: table, after, before, message: logical, ...plain } = event
  return {
    ...plain,
    table: table === null ? null : `${table.schema}.${table.table}`,
    after: textsOf(after),
    before: textsOf(before),
    message: logical === null ? null : { ...logical, content: Buffer.from(logical.content).toString() },
  }
}

function textsOf(row: Row | null): (string | null | undefined)[] | null {
  if (row === null) return null
  return Array.from({ length: row.count }, (_, i) => {
    if (row.state[i] === NULL) return null
    if (row.state[i] === UNCHANGED) return undefined
    assert.equal(row.state[i], TEXT)
    return row.source.toString('utf8', row.start[i], row.end[i])
  })
}

class Recorder {
  readonly changes: ReturnType<typeof copyOf>[] = []
  readonly marks: Lsn[] = []
  readonly decoder: PgoutputDecoder

  constructor(known: ReadonlyMap<number, 'string'> = new Map()) {
    this.decoder = new PgoutputDecoder(
      { get: oid => (known.has(oid) ? { kind: 'string' } : undefined) },
      () => {},
    )
  }

  change(event: Event): void {
    this.changes.push(copyOf(event))
  }

  progress(lsn: Lsn): void {
    this.marks.push(lsn)
  }

  feed(...messages: Buffer[]): readonly number[] | null {
    let missing: readonly number[] | null = null
    for (const bytes of messages) {
      // In the midst of other bytes, as in a socket's buffer.
      const framed = Buffer.concat([Buffer.from('xx'), bytes, Buffer.from('yyyyyyyyyyyyyyyyyyyy')])
      missing = this.decoder.decode(framed, 2, 2 + bytes.length, this)
    }
    return missing
  }
}

const ORDER = relation(16_384, 'public', 'tb_order', [
  { name: 'id', type: INT4, key: true },
  { name: 'note', type: TEXT_OID },
])

test('a transaction gives its changes with ordinals, then its end as the progress mark', () => {
  const recorder = new Recorder()
  recorder.feed(
    begin(100n, 1_000_000n, 4_000_000_000),
    ORDER,
    message('I', u32(16_384), 'N', tuple('1', 'a')),
    message('U', u32(16_384), 'N', tuple('1', 'unchanged')),
    message('U', u32(16_384), 'K', tuple('1', null), 'N', tuple('2', 'b')),
    message('U', u32(16_384), 'O', tuple('2', 'b'), 'N', tuple('2', null)),
    message('D', u32(16_384), 'K', tuple('2', null)),
    message('D', u32(16_384), 'O', tuple('2', 'b')),
    commit(100n, 148n),
  )
  assert.deepEqual(
    recorder.changes.map(({ operation, before, after, beforeIsKey, ordinal }) => ({
      ...{ operation, before, after, beforeIsKey, ordinal },
    })),
    [
      { operation: 'INSERT', before: null, after: ['1', 'a'], beforeIsKey: false, ordinal: 0 },
      { operation: 'UPDATE', before: null, after: ['1', undefined], beforeIsKey: false, ordinal: 1 },
      { operation: 'UPDATE', before: ['1', null], after: ['2', 'b'], beforeIsKey: true, ordinal: 2 },
      { operation: 'UPDATE', before: ['2', 'b'], after: ['2', null], beforeIsKey: false, ordinal: 3 },
      { operation: 'DELETE', before: ['2', null], after: null, beforeIsKey: true, ordinal: 4 },
      { operation: 'DELETE', before: ['2', 'b'], after: null, beforeIsKey: false, ordinal: 5 },
    ],
  )
  const [first] = recorder.changes
  assert.equal(first?.xid, 4_000_000_000)
  recorder.decoder.release()
  assert.equal(first?.bytes, message('I', u32(16_384), 'N', tuple('1', 'a')).length)
  assert.equal(first?.commitLsn, 100n)
  assert.equal(first?.commitTimeUs, 946_684_801_000_000n)
  assert.equal(first?.table, 'public.tb_order')
  assert.deepEqual(recorder.marks, [148n])
})

test('a truncate is one event for each table, with its flags', () => {
  const recorder = new Recorder()
  recorder.feed(
    begin(1n, 0n, 7),
    ORDER,
    relation(2, '', 'tb_item', []),
    message('T', u32(2), u8(3), u32(2), u32(16_384)),
    message('T', u32(1), u8(0), u32(2)),
  )
  assert.deepEqual(
    recorder.changes.map(({ table, truncation, ordinal }) => ({ table, ...truncation, ordinal })),
    [
      { table: 'pg_catalog.tb_item', cascade: true, restartIdentity: true, ordinal: 0 },
      { table: 'public.tb_order', cascade: true, restartIdentity: true, ordinal: 1 },
      { table: 'pg_catalog.tb_item', cascade: false, restartIdentity: false, ordinal: 2 },
    ],
  )
})

test('logical messages: one in the transaction counts, one outside stands alone', () => {
  const recorder = new Recorder()
  const logical = (flags: number, lsn: bigint, content: string) =>
    message('M', u8(flags), u64(lsn), cstring('order_paid'), u32(Buffer.byteLength(content)), content)
  recorder.feed(logical(0, 90n, 'now'), begin(100n, 0n, 9), logical(1, 95n, '{"a":1}'), commit(100n, 120n))
  assert.deepEqual(
    recorder.changes.map(({ operation, message: logicalMessage, commitLsn, xid, commitTimeUs }) => ({
      ...{ operation, message: logicalMessage, commitLsn, xid, timed: commitTimeUs !== null },
    })),
    [
      {
        operation: 'CUSTOM',
        message: { transactional: false, prefix: 'order_paid', content: 'now' },
        commitLsn: 90n,
        xid: 0,
        timed: false,
      },
      {
        operation: 'CUSTOM',
        message: { transactional: true, prefix: 'order_paid', content: '{"a":1}' },
        commitLsn: 100n,
        xid: 9,
        timed: true,
      },
    ],
  )
})

test('a table described anew is the table from then on', () => {
  const recorder = new Recorder()
  const renamed = relation(16_384, 'public', 'tb_purchase', [{ name: 'id', type: INT4 }])
  recorder.feed(begin(1n, 0n, 1), ORDER, message('I', u32(16_384), 'N', tuple('1', 'a')))
  recorder.feed(
    renamed,
    message('I', u32(16_384), 'N', tuple('2')),
    message('O', u64(1n), cstring('upstream')),
  )
  assert.deepEqual(
    recorder.changes.map(({ table, after }) => [table, after]),
    [
      ['public.tb_order', ['1', 'a']],
      ['public.tb_purchase', ['2']],
    ],
  )
})

test("a table with the user's own types waits for them each time it is described", () => {
  const own = relation(5, 'public', 'tb_mood', [{ name: 'mood', type: OWN_TYPE }])
  const recorder = new Recorder(new Map([[OWN_TYPE, 'string']]))
  recorder.feed(begin(1n, 0n, 1))
  assert.deepEqual(recorder.feed(own), [OWN_TYPE])
  assert.throws(() => recorder.feed(message('I', u32(5), 'N', tuple('sad'))), FatalError)
  assert.equal(recorder.decoder.decode(own, 0, own.length, recorder, true), null)
  recorder.feed(message('I', u32(5), 'N', tuple('sad')))
  assert.deepEqual(recorder.feed(own), [OWN_TYPE])
  assert.deepEqual(recorder.changes[0]?.after, ['sad'])
})

const MALFORMED: readonly (readonly [string, readonly Buffer[]])[] = [
  ['an empty message', [Buffer.alloc(0)]],
  ['an unknown type', [message('Z')]],
  ['a change outside a transaction', [ORDER, message('I', u32(16_384), 'N', tuple('1', 'a'))]],
  ['a table that was never described', [begin(1n, 0n, 1), message('I', u32(1), 'N', tuple('1'))]],
  ['too few columns', [begin(1n, 0n, 1), ORDER, message('I', u32(16_384), 'N', tuple('1'))]],
  [
    'an update without its new row',
    [begin(1n, 0n, 1), ORDER, message('U', u32(16_384), 'K', tuple('1', null), 'X')],
  ],
  [
    'a delete without its old row',
    [begin(1n, 0n, 1), ORDER, message('D', u32(16_384), 'N', tuple('1', null))],
  ],
  [
    'a binary column',
    [begin(1n, 0n, 1), ORDER, message('I', u32(16_384), 'N', Buffer.from('\0\x02b\0\0\0\x011n'))],
  ],
  ['a truncate of another length', [begin(1n, 0n, 1), ORDER, message('T', u32(2), u8(0), u32(16_384))]],
  [
    'a message of another length',
    [begin(1n, 0n, 1), message('M', u8(1), u64(1n), cstring('p'), u32(9), 'short')],
  ],
  ['a text without its end', [message('M', u8(0), u64(1n), 'prefix')]],
]

for (const [what, messages] of MALFORMED) {
  test(`one clear error: ${what}`, () => {
    assert.throws(() => new Recorder().feed(...messages), { name: 'FatalError', code: 'PGOUTPUT_MALFORMED' })
  })
}

test('mutated messages are decoded within their bytes or refused with one clear error', () => {
  const samples = [
    begin(100n, 5n, 3),
    ORDER,
    message('I', u32(16_384), 'N', tuple('1', 'some text')),
    message('U', u32(16_384), 'O', tuple('2', 'b'), 'N', tuple('2', 'unchanged')),
    message('D', u32(16_384), 'K', tuple('2', null)),
    message('T', u32(1), u8(1), u32(16_384)),
    message('M', u8(1), u64(7n), cstring('prefix'), u32(3), 'abc'),
    commit(100n, 120n),
  ]
  const mutation = fc.record({
    sample: fc.nat(samples.length - 1),
    at: fc.nat(60),
    byte: fc.nat(255),
    cut: fc.nat(60),
    mutate: fc.boolean(),
  })
  let refused = 0
  let decoded = 0
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), mutations => {
      const recorder = new Recorder()
      recorder.feed(begin(100n, 5n, 3), ORDER)
      for (const { sample, at, byte, cut, mutate } of mutations) {
        const bytes = Buffer.from(samples[sample]!)
        if (mutate && at < bytes.length) bytes[at] = byte
        const end = mutate ? bytes.length : Math.min(bytes.length, cut)
        try {
          recorder.feed(bytes.subarray(0, end))
          decoded++
        } catch (error) {
          assert.ok(error instanceof FatalError, String(error))
          assert.equal(error.code, 'PGOUTPUT_MALFORMED')
          refused++
          return
        }
      }
      for (const { after, before } of recorder.changes) {
        // Texts come from the message alone: its neighbours in the buffer are x and y.
        for (const text of [...(after ?? []), ...(before ?? [])]) assert.ok(!text?.includes('yyyy'))
      }
    }),
    { numRuns: 5000 },
  )
  assert.ok(refused > 100 && decoded > 100, `${refused} refused, ${decoded} decoded`)
})
