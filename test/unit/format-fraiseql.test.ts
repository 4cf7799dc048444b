/** The default format: each kind of event, byte for byte, and what must not break the JSON. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { entityName } from '../../src/event/entity-name.ts'
import { toLsn } from '../../src/lsn.ts'
import { encodeText, eventOf, OPTIONS, relationOf, rowOf, TOAST } from './sample-event.ts'

const INT8 = 20
const INT4 = 23
const TEXT = 25
const UUID = 2950

const relation = relationOf([
  ['*pk', INT8],
  ['id', UUID],
  ['note', TEXT],
])
const ID = '0190d5a6-7c3e-7b21-9f00-000000000001'

/** Of the event that `eventOf` makes: its Msg-Id is `<SYSTEM>.571.16B374D848.3`. */
const UUID_OF_ID = '"id":"6a6a8ff5-aa0f-57bd-b00b-b94980ac74b5"'
const TIME = '"timestamp":"2024-05-06T12:53:20.123456Z"'
const TAIL = '"table":"tb_order","schema":"public","tx":{"id":571,"lsn":"16/B374D848","ordinal":3}}'

test('INSERT, with the row once and twice', () => {
  const event = eventOf({ relation, after: rowOf('1', ID, 'a "b"') })
  const row = `{"pk":1,"id":"${ID}","note":"a \\"b\\""}`
  const head = `{${UUID_OF_ID},"event_type":"INSERT","entity_type":"Order","entity_id":"${ID}","data":${row}`
  const middle = `,"changes":null,${TIME},"operation":"INSERT"`
  assert.equal(encodeText('fraiseql', event), `${head}${middle},"order_id":"${ID}",${TAIL}`)
  assert.equal(
    encodeText('fraiseql', event, 'OrderItem', { ...OPTIONS, entity: 'copy' }),
    `${head.replace('"Order"', '"OrderItem"')}${middle},"entity":${row},"order_item_id":"${ID}",${TAIL}`,
  )
})

test('a long row is copied whole', () => {
  const event = eventOf({ relation, after: rowOf('1', ID, 'x"'.repeat(300_000)) })
  const message = JSON.parse(encodeText('fraiseql', event, 'Order', { ...OPTIONS, entity: 'copy' }))
  assert.deepEqual(message.entity, message.data)
  assert.equal(message.data.note.length, 600_000)
})

test('UPDATE with the old row known: what differs, and values not sent are those of the old row', () => {
  const full = { ...relation, replicaIdentity: 'full' as const }
  const before = rowOf('1', ID, 'long')
  const event = eventOf({ operation: 'UPDATE', relation: full, before, after: rowOf('2', ID, TOAST) })
  const message = JSON.parse(encodeText('fraiseql', event))
  assert.deepEqual(message.data, { pk: 2, id: ID, note: 'long' })
  assert.deepEqual(message.changes, { pk: { old: 1, new: 2 } })
  assert.equal('unchanged' in message, false)
})

test('UPDATE to and from null, and of nothing at all', () => {
  const full = { ...relation, replicaIdentity: 'full' as const }
  const changes = (...rows: [string | null, string | null]) => {
    const [before, after] = rows.map(note => rowOf('1', ID, note))
    const event = eventOf({ operation: 'UPDATE', relation: full, before: before!, after: after! })
    return JSON.parse(encodeText('fraiseql', event)).changes
  }
  assert.deepEqual(changes(null, 'x'), { note: { old: null, new: 'x' } })
  assert.deepEqual(changes('x', null), { note: { old: 'x', new: null } })
  assert.deepEqual(changes('x', ''), { note: { old: 'x', new: '' } })
  assert.deepEqual(changes('xyzab', 'xyzac'), { note: { old: 'xyzab', new: 'xyzac' } })
  assert.deepEqual(changes('x'.repeat(1000), `${'x'.repeat(999)}y`).note.old.length, 1000)
  assert.deepEqual(changes('x'.repeat(1000), 'x'.repeat(1000)), {})
  assert.deepEqual(changes(null, null), {})
})

test('UPDATE without the old row: values not sent are left out and named', () => {
  const event = eventOf({ operation: 'UPDATE', relation, after: rowOf('1', ID, TOAST) })
  const expected = `"data":{"pk":1,"id":"${ID}"},"changes":null,"unchanged":["note"],${TIME}`
  assert.ok(encodeText('fraiseql', event).includes(expected))
})

test('UPDATE of the key: the old key is no old row', () => {
  const before = rowOf('1', null, null)
  const after = rowOf('2', ID, TOAST)
  const event = eventOf({ operation: 'UPDATE', relation, before, beforeIsKey: true, after })
  const message = JSON.parse(encodeText('fraiseql', event))
  assert.deepEqual(message.data, { pk: 2, id: ID })
  assert.equal(message.changes, null)
  assert.deepEqual(message.unchanged, ['note'])
})

test('UPDATE of a key that has an unchanged part: that part is known from the old key', () => {
  const key = relationOf([
    ['*a', 25],
    ['*b', 25],
    ['note', 25],
  ])
  const before = rowOf('same', 'old', null)
  const event = eventOf({
    operation: 'UPDATE',
    relation: key,
    before,
    beforeIsKey: true,
    after: rowOf(TOAST, 'new', TOAST),
  })
  const message = JSON.parse(encodeText('fraiseql', event))
  assert.deepEqual(
    [message.entity_id, message.data, message.changes, message.unchanged],
    ['same,new', { a: 'same', b: 'new' }, null, ['note']],
  )
})

test('DELETE gives the row before, or of it what the key has', () => {
  const whole = eventOf({ operation: 'DELETE', relation, before: rowOf('1', ID, null) })
  assert.deepEqual(JSON.parse(encodeText('fraiseql', whole)).data, { pk: 1, id: ID, note: null })
  const key = eventOf({ operation: 'DELETE', relation, before: rowOf('1', null, null), beforeIsKey: true })
  const message = JSON.parse(encodeText('fraiseql', key))
  assert.deepEqual(message.data, { pk: 1 })
  assert.equal(message.entity_id, null)
  assert.equal(message.order_id, null)
})

test('TRUNCATE has no row, and its flags', () => {
  const truncation = { cascade: true, restartIdentity: false }
  const event = eventOf({ operation: 'TRUNCATE', relation, truncation })
  const text = encodeText('fraiseql', event)
  assert.ok(
    text.includes('"entity_id":null,"data":null,"changes":null,"cascade":true,"restart_identity":false,'),
  )
  assert.equal(JSON.parse(text).order_id, null)
})

test('entity_id: id, else the single key column, else the key joined, else null', () => {
  const idOf = (columns: [string, number][], values: string[], options = {}) => {
    const described = relationOf(columns, options)
    const message = JSON.parse(
      encodeText('fraiseql', eventOf({ relation: described, after: rowOf(...values) })),
    )
    assert.equal(message.order_id, message.entity_id)
    return message.entity_id
  }
  assert.equal(
    idOf(
      [
        ['*pk', INT4],
        ['id', INT4],
      ],
      ['1', '2'],
    ),
    '2',
  )
  assert.equal(
    idOf(
      [
        ['*pk', INT4],
        ['x', INT4],
      ],
      ['1', '2'],
    ),
    '1',
  )
  assert.equal(
    idOf(
      [
        ['*a', INT4],
        ['b', TEXT],
        ['*c', TEXT],
      ],
      ['1', 'x', 'y"'],
    ),
    '1,y"',
  )
  assert.equal(
    idOf(
      [
        ['*a', INT4],
        ['*b', INT4],
      ],
      ['1', '2'],
      { replicaIdentity: 'full' },
    ),
    null,
  )
  assert.equal(
    idOf(
      [
        ['*a', INT4],
        ['*id', INT4],
      ],
      ['1', '2'],
      { replicaIdentity: 'full' },
    ),
    '2',
  )
  assert.equal(idOf([['a', INT4]], ['1'], { replicaIdentity: 'nothing' }), null)
})

test('an id that was not sent comes from the old row', () => {
  const full = { ...relation, replicaIdentity: 'full' as const }
  const event = eventOf({
    operation: 'UPDATE',
    relation: full,
    before: rowOf('1', ID, ''),
    after: rowOf('1', TOAST, ''),
  })
  assert.equal(JSON.parse(encodeText('fraiseql', event)).entity_id, ID)
  const alone = eventOf({ operation: 'UPDATE', relation, after: rowOf('1', TOAST, '') })
  assert.equal(JSON.parse(encodeText('fraiseql', alone)).entity_id, null)
})

test('an entity called Entity has one entity_id', () => {
  const text = encodeText('fraiseql', eventOf({ relation, after: rowOf('1', ID, '') }), 'Entity')
  assert.equal(text.match(/"entity_id"/g)?.length, 1)
})

const CONTENTS: readonly (readonly [Uint8Array, string])[] = [
  [Buffer.from('{"a": 12345678901234567890.10}'), '{"a": 12345678901234567890.10}'],
  [Buffer.from('no "JSON"\n'), '"no \\"JSON\\"\\n"'],
  [Buffer.from(''), '""'],
  [Buffer.of(0xff, 0x00), '"/wA=","content_encoding":"base64"'],
]

for (const [content, json] of CONTENTS) {
  test(`CUSTOM: content ${json}`, () => {
    const message = { transactional: true, prefix: 'pre"fix', content }
    const text = encodeText('fraiseql', eventOf({ operation: 'CUSTOM', message }), 'Audit')
    assert.ok(
      text.includes(
        `"entity_id":null,"data":null,"changes":null,"prefix":"pre\\"fix","content":${json},${TIME}`,
      ),
    )
    assert.ok(
      text.endsWith(
        '"audit_id":null,"table":null,"schema":null,"tx":{"id":571,"lsn":"16/B374D848","ordinal":3}}',
      ),
    )
    JSON.parse(text)
  })
}

test('CUSTOM outside a transaction has no transaction id and no time', () => {
  const message = { transactional: false, prefix: '', content: Buffer.from('1') }
  const event = eventOf({
    operation: 'CUSTOM',
    message,
    xid: 0,
    ordinal: 0,
    commitTimeUs: null,
    commitLsn: toLsn(10n),
  })
  const parsed = JSON.parse(encodeText('fraiseql', event, 'Audit', { ...OPTIONS, entity: 'copy' }))
  assert.deepEqual(parsed.tx, { id: null, lsn: '0/A', ordinal: 0 })
  assert.equal(parsed.timestamp, null)
  assert.equal(parsed.entity, null)
})

test('no name and no value breaks the JSON', () => {
  const letters = [...'"\\{}[],:.\'/ \n\r\t\u0000\u001f\u007f\u2028aZ0ä€😀', 'e\u0301']
  const value = fc.string({ unit: fc.constantFrom(...letters), maxLength: 30 })
  const name = value.filter(text => text !== '')
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { minLength: 1, maxLength: 5 }),
      name,
      name,
      value,
      (names, table, schema, value) => {
        const described = relationOf(
          names.map(column => [`x${column}`, TEXT]),
          { table, schema },
        )
        const event = eventOf({ relation: described, after: rowOf(...names.map(() => value)) })
        const message = JSON.parse(encodeText('fraiseql', event, entityName(table)))
        assert.deepEqual(message.data, Object.fromEntries(names.map(column => [`x${column}`, value])))
        assert.equal(message.table, table)
        assert.equal(message.schema, schema)
      },
    ),
  )
})
