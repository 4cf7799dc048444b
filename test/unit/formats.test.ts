/** The formats row, debezium and cloudevents: each kind of event. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeText, eventOf, relationOf, rowOf, SYSTEM, TOAST } from './sample-event.ts'

const relation = relationOf(
  [
    ['*pk', 20],
    ['note', 25],
  ],
  { schema: 'a b', table: 'tb_"x"' },
)
const INSERT = eventOf({ relation, after: rowOf('1', 'x') })
const UPDATE = eventOf({ operation: 'UPDATE', relation, after: rowOf('1', TOAST) })
const KEY_UPDATE = { ...UPDATE, before: rowOf('0', null), beforeIsKey: true }
const DELETE = eventOf({ operation: 'DELETE', relation, before: rowOf('1', null), beforeIsKey: true })
const TRUNCATE = eventOf({
  operation: 'TRUNCATE',
  relation,
  truncation: { cascade: false, restartIdentity: true },
})
const CUSTOM = eventOf({
  operation: 'CUSTOM',
  message: { transactional: true, prefix: 'audit', content: Buffer.from('{"a": 1}') },
})
const OUTSIDE = eventOf({
  operation: 'CUSTOM',
  message: { transactional: false, prefix: '', content: Buffer.of(0xff) },
  xid: 0,
  ordinal: 0,
  commitTimeUs: null,
})

test('row: the bare row of each event', () => {
  assert.equal(encodeText('row', INSERT), '{"pk":1,"note":"x"}')
  assert.equal(encodeText('row', UPDATE), '{"pk":1}')
  assert.equal(encodeText('row', { ...UPDATE, before: rowOf('1', 'old') }), '{"pk":1,"note":"old"}')
  assert.equal(encodeText('row', KEY_UPDATE), '{"pk":1}')
  assert.equal(encodeText('row', DELETE), '{"pk":1}')
  assert.equal(encodeText('row', TRUNCATE), 'null')
  assert.equal(encodeText('row', CUSTOM), '{"a": 1}')
  assert.equal(encodeText('row', OUTSIDE), '"/w=="')
})

const SOURCE =
  '"source":{"version":"1.2.3","connector":"postgresql","name":"shop","ts_ms":1715000000123,"snapshot":"false",' +
  '"db":"my app","sequence":"[null,\\"97500059720\\"]","ts_us":1715000000123456,"ts_ns":1715000000123456000'
const PLACE = ',"schema":"a b","table":"tb_\\"x\\"","txId":571,"lsn":97500059720,"xmin":null}'
const TIMES = '"ts_ms":1715000000123,"ts_us":1715000000123456,"transaction":null'

const ENVELOPES = [
  [INSERT, '"before":null,"after":{"pk":1,"note":"x"}', 'c'],
  [UPDATE, '"before":null,"after":{"pk":1,"note":"__debezium_unavailable_value"}', 'u'],
  [KEY_UPDATE, '"before":{"pk":0},"after":{"pk":1,"note":"__debezium_unavailable_value"}', 'u'],
  [DELETE, '"before":{"pk":1},"after":null', 'd'],
  [TRUNCATE, '"before":null,"after":null', 't'],
] as const

for (const [event, rows, op] of ENVELOPES) {
  test(`debezium: ${event.operation} is ${op}, ${rows}`, () => {
    assert.equal(encodeText('debezium', event), `{${rows},${SOURCE}${PLACE},"op":"${op}",${TIMES}}`)
  })
}

test('debezium: messages, in base64 as Debezium has them', () => {
  const text = encodeText('debezium', CUSTOM)
  assert.ok(text.endsWith(`"op":"m",${TIMES},"message":{"prefix":"audit","content":"eyJhIjogMX0="}}`))
  assert.ok(text.startsWith('{"source":'))
  const outside = JSON.parse(encodeText('debezium', OUTSIDE))
  assert.equal(outside.source.txId, null)
  assert.equal(outside.ts_ms, null)
})

const CONTEXT = `{"specversion":"1.0","id":"${SYSTEM}.571.16B374D848.3","source":"/fraiseql-observer/${SYSTEM}/my%20app/a%20b/tb_%22x%22"`
const TIME = '"time":"2024-05-06T12:53:20.123456Z","datacontenttype":"application/json"'

const CLOUD_EVENTS = [
  [INSERT, '"subject":"1",', '"before":null,"after":{"pk":1,"note":"x"}'],
  [UPDATE, '"subject":"1",', '"before":null,"after":{"pk":1},"unchanged":["note"]'],
  [DELETE, '"subject":"1",', '"before":{"pk":1},"after":null'],
  [TRUNCATE, '', '"cascade":false,"restart_identity":true'],
] as const

for (const [event, subject, data] of CLOUD_EVENTS) {
  test(`cloudevents: ${event.operation}`, () => {
    const type = `"type":"fraiseql.Order.${event.operation}"`
    assert.equal(encodeText('cloudevents', event), `${CONTEXT},${type},${subject}${TIME},"data":{${data}}}`)
  })
}

test('cloudevents: the old row where it is known', () => {
  const known = { ...UPDATE, before: rowOf('1', 'old') }
  assert.deepEqual(JSON.parse(encodeText('cloudevents', known)).data, {
    before: { pk: 1, note: 'old' },
    after: { pk: 1, note: 'old' },
  })
})

test('cloudevents: messages; attributes without a value are not there', () => {
  const custom = JSON.parse(encodeText('cloudevents', CUSTOM, 'Audit'))
  assert.equal(custom.type, 'fraiseql.Audit.CUSTOM')
  assert.equal(custom.source, `/fraiseql-observer/${SYSTEM}/my%20app`)
  assert.equal(custom.subject, 'audit')
  assert.deepEqual(custom.data, { prefix: 'audit', content: { a: 1 } })
  const outside = JSON.parse(encodeText('cloudevents', OUTSIDE))
  assert.deepEqual(Object.keys(outside), ['specversion', 'id', 'source', 'type', 'datacontenttype', 'data'])
  assert.equal(outside.id, `${SYSTEM}.0.16B374D848.m`)
  assert.deepEqual(outside.data, { prefix: '', content: '/w==', content_encoding: 'base64' })
})
