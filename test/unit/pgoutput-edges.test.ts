/** The decoder's rarer inputs: each byte of a message missing, columns at their limit, all that it may pass over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event, ReplicaIdentity } from '../../src/event/event.ts'
import { PgoutputDecoder } from '../../src/source/replication/pgoutput.ts'
import {
  begin,
  commit,
  cstring,
  message,
  relation,
  tuple,
  u8,
  u16,
  u32,
  u64,
} from '../kit/pgoutput-message.ts'

const OID = 16_384
const TEXT = 25
const COLUMNS = [
  { name: 'id', type: 23, key: true },
  { name: 'note', type: TEXT },
]
const TABLE = relation(OID, 'public', 'tb_order', COLUMNS)
const REFUSED = { name: 'FatalError', code: 'PGOUTPUT_MALFORMED' }

function decode(messages: readonly Buffer[], look: (event: Event) => void = () => {}): void {
  const decoder = new PgoutputDecoder({ get: () => undefined }, () => {})
  for (const bytes of messages) decoder.decode(bytes, 0, bytes.length, { change: look, progress: () => {} })
}

const IDENTITIES: readonly (readonly [letter: string, identity: ReplicaIdentity])[] = [
  ['d', 'key'],
  ['i', 'key'],
  ['f', 'full'],
  ['n', 'nothing'],
]

for (const [letter, identity] of IDENTITIES) {
  test(`replica identity ${letter} is ${identity}`, () => {
    const seen: (string | undefined)[] = []
    const table = relation(OID, 'public', 'tb_order', COLUMNS, letter)
    decode([begin(1n, 0n, 1), table, message('I', u32(OID), 'N', tuple('1', 'a'))], ({ relation: table }) => {
      seen.push(table?.replicaIdentity)
    })
    assert.deepEqual(seen, [identity])
  })
}

const WHOLE: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['begin', begin(100n, 5n, 3)],
  ['commit', commit(100n, 120n).subarray(0, -8)], // nobody reads the time at its end
  ['relation', TABLE],
  ['insert', message('I', u32(OID), 'N', tuple('1', 'some text'))],
  ['insert of null and unchanged', message('I', u32(OID), 'N', tuple(null, 'unchanged'))],
  ['update', message('U', u32(OID), 'N', tuple('1', 'b'))],
  ['update with old row', message('U', u32(OID), 'O', tuple('1', 'a'), 'N', tuple('1', 'b'))],
  ['update with old key', message('U', u32(OID), 'K', tuple('1', null), 'N', tuple('2', 'b'))],
  ['delete', message('D', u32(OID), 'K', tuple('1', null))],
  ['truncate', message('T', u32(1), u8(0), u32(OID))],
  ['logical message', message('M', u8(1), u64(7n), cstring('prefix'), u32(3), 'abc')],
]

for (const [what, bytes] of WHOLE) {
  test(`${what}: whole it is decoded, and without its end, wherever that is, refused`, () => {
    decode([begin(1n, 0n, 1), TABLE, bytes])
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => decode([begin(1n, 0n, 1), TABLE, bytes.subarray(0, end)]), REFUSED, `${end} bytes`)
    }
  })
}

test('origins and names of types are passed over, in a transaction and outside', () => {
  const origin = message('O', u64(1n), cstring('upstream'))
  const type = message('Y', u32(70_000), cstring('public'), cstring('mood'))
  decode([origin, type, begin(1n, 0n, 1), origin, type, commit(1n, 2n)])
})

test('a table has at most as many columns as PostgreSQL allows', () => {
  const columns = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `c${i}`, type: TEXT }))
  let read = 0
  const row = message('I', u32(OID), 'N', tuple(...columns(1664).map(() => 'x')))
  decode([begin(1n, 0n, 1), relation(OID, 's', 't', columns(1664)), row], ({ after }) => {
    read = after?.count ?? 0
  })
  assert.equal(read, 1664)
  assert.throws(() => decode([relation(OID, 's', 't', columns(1665))]), REFUSED)
})

test('a type that is in no catalog is text', () => {
  const decoder = new PgoutputDecoder({ get: () => undefined }, () => {})
  const table = relation(OID, 'public', 'tb_order', [{ name: 'gone', type: 70_000 }])
  const types: unknown[] = []
  const sink = {
    change: ({ relation: seen }: Event) => void types.push(seen?.columns[0]?.type),
    progress: () => {},
  }
  assert.deepEqual(decoder.decode(table, 0, table.length, sink), [70_000])
  const row = message('I', u32(OID), 'N', tuple('1'))
  for (const bytes of [begin(1n, 0n, 1), table, row]) decoder.decode(bytes, 0, bytes.length, sink, true)
  assert.deepEqual(types, [{ kind: 'string' }])
})

test('an insert has a new row, and no commit has a time that no date can have', () => {
  const row = tuple('1', 'a')
  for (const tag of ['K', 'O', 'n']) {
    assert.throws(() => decode([begin(1n, 0n, 1), TABLE, message('I', u32(OID), tag, row)]), REFUSED)
  }
  for (const time of [2n ** 63n, 2n ** 63n - 1n, 2n ** 63n - 2n ** 58n]) {
    assert.throws(() => decode([begin(1n, time, 1)]), REFUSED, String(time))
  }
})

test('lengths beyond what a message can have are refused before anything is made of them', () => {
  const row = (length: number) => Buffer.concat([u16(2), Buffer.from('n'), Buffer.from('t'), u32(length)])
  const most = 0xffff_ffff
  const cases = [
    message('I', u32(OID), 'N', row(most)),
    message('I', u32(OID), 'N', row(0x8000_0000)),
    message('T', u32(most), u8(0)),
    message('T', u32(0x4000_0000), u8(0)),
    message('M', u8(1), u64(1n), cstring('p'), u32(most)),
    message('R', u32(OID), cstring('s'), cstring('t'), 'd', u16(0xffff)),
  ]
  for (const bytes of cases) assert.throws(() => decode([begin(1n, 0n, 1), TABLE, bytes]), REFUSED)
})

const ROOT = (identity: string) => relation(1, 'public', 'tb_root', COLUMNS, identity)
const PART = (oid: number, identity: string) => relation(oid, 'public', `tb_part_${oid}`, COLUMNS, identity)
const OLD = message('D', u32(1), 'O', tuple('1', null))

/** Of each old row whether it is a key only, and which partition of which table was told. */
function oldRows(...messages: readonly Buffer[]): { keys: boolean[]; told: string[] } {
  const keys: boolean[] = []
  const told: string[] = []
  const decoder = new PgoutputDecoder({ get: () => undefined }, (root, part) =>
    told.push(`${root.table}: ${part.table}`),
  )
  const change = ({ before, beforeIsKey }: Event) => void (before === null || keys.push(beforeIsKey))
  for (const bytes of messages) decoder.decode(bytes, 0, bytes.length, { change, progress: () => {} })
  return { keys, told }
}

test('of a partitioned table with FULL an old row is a key, as long as a partition is without', () => {
  const update = message('U', u32(1), 'O', tuple('1', null), 'N', tuple('2', 'b'))
  const seen = oldRows(
    ...[begin(1n, 0n, 1), ROOT('f'), PART(2, 'f'), OLD, commit(1n, 2n)],
    ...[begin(3n, 0n, 1), ROOT('f'), PART(3, 'd'), update, OLD, ROOT('f'), PART(4, 'n'), OLD, commit(3n, 4n)],
    ...[begin(5n, 0n, 1), ROOT('f'), PART(3, 'f'), OLD, ROOT('f'), PART(4, 'f'), OLD, commit(5n, 6n)],
  )
  assert.deepEqual(seen.keys, [false, true, true, true, true, false])
  assert.deepEqual(seen.told, ['tb_root: tb_part_4'])
})

test('tables that a truncate describes one behind the other are no root and partition', () => {
  const truncate = message('T', u32(2), u8(0), u32(1), u32(2))
  const again = message('T', u32(1), u8(0), u32(1))
  const seen = oldRows(
    ...[
      begin(1n, 0n, 1),
      ROOT('f'),
      PART(2, 'd'),
      truncate,
      again,
      OLD,
      PART(3, 'd'),
      ROOT('f'),
      ROOT('f'),
      OLD,
    ],
    commit(1n, 2n),
  )
  assert.deepEqual(seen, { keys: [false, false], told: [] })
})
