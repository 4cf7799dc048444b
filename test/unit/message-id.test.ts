/** The Msg-Id: the vectors of docs/message.md, the bytes against the string, and what is no Msg-Id. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  checkedRoute,
  MessageId,
  type MessageIdParts,
  messageId,
  parseMessageId,
  systemBase36,
} from '../../src/event/message-id.ts'
import { toLsn } from '../../src/lsn.ts'
import { projectRoot } from '../kit/project-root.ts'
import { eventOf } from './sample-event.ts'

const SYSTEM = systemBase36(7_401_234_567_890_123_456n)

const VECTORS: readonly (readonly [string, MessageIdParts])[] = [
  ['1k8biotuc4fcw.571.16B374D848.0', parts(571, 0x16_b374_d848n, 0, null)],
  ['1k8biotuc4fcw.571.16B374D848.12345678', parts(571, 0x16_b374_d848n, 12_345_678, null)],
  ['1k8biotuc4fcw.4294967295.FFFFFFFFFFFFFFFF.0.2', parts(0xffff_ffff, 0xffff_ffff_ffff_ffffn, 0, '2')],
  ['1k8biotuc4fcw.571.100000000.1.orders.eu', parts(571, 0x1_0000_0000n, 1, 'orders.eu')],
  ['1k8biotuc4fcw.0.16B374D848.m', parts(0, 0x16_b374_d848n, null, null)],
  ['1k8biotuc4fcw.0.A.m.audit', parts(0, 0xan, null, 'audit')],
]

const documentation = readFileSync(join(projectRoot, 'docs', 'message.md'), 'utf8')

for (const [text, fields] of VECTORS) {
  test(`${text}: written, read, and in the documentation`, () => {
    assert.ok(documentation.includes(`| \`${text}\` |`))
    assert.equal(messageId(fields), text)
    assert.deepEqual(parseMessageId(text), fields)
  })
}

test('the bytes are those of the string, whatever transaction came before', () => {
  const id = new MessageId(SYSTEM)
  const route = fc.option(fc.constantFrom('2', 'orders.eu', 'x'.repeat(200)))
  const any = fc.record({
    xid: fc.integer({ min: 1, max: 0xffff_ffff }),
    lsn: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }).map(toLsn),
    ordinal: fc.option(fc.maxSafeNat()),
    route,
  })
  fc.assert(
    fc.property(any, ({ xid, lsn, ordinal, route }) => {
      const outside = ordinal === null
      id.begin(outside ? 0 : xid, lsn, outside)
      const length = id.write(ordinal ?? 7, route)
      const text = messageId({ system: SYSTEM, xid: outside ? 0 : xid, lsn, ordinal, route })
      assert.equal(id.bytes.toString('latin1', 0, length), text)
      assert.equal(String(id), text)
      assert.deepEqual(parseMessageId(text)?.lsn, lsn)
    }),
  )
})

test('set() begins a transaction when the event is of another one, and only then', () => {
  const id = new MessageId(SYSTEM)
  id.set(eventOf({ ordinal: 0 }), null)
  const first = id.transaction
  assert.equal(String(id), '1k8biotuc4fcw.571.16B374D848.0')
  id.set(eventOf({ ordinal: 1 }), 'x')
  assert.equal(String(id), '1k8biotuc4fcw.571.16B374D848.1.x')
  assert.equal(id.transaction, first)
  id.set(eventOf({ ordinal: 0, xid: 572 }), null)
  assert.equal(String(id), '1k8biotuc4fcw.572.16B374D848.0')
  id.set(eventOf({ ordinal: 0, xid: 572, commitLsn: toLsn(0x20n) }), null)
  assert.equal(String(id), '1k8biotuc4fcw.572.20.0')
  const message = { transactional: false, prefix: 'p', content: Buffer.from('') }
  id.set(eventOf({ xid: 0, commitLsn: toLsn(0x20n), message }), null)
  assert.equal(String(id), '1k8biotuc4fcw.0.20.m')
  id.set(eventOf({ ordinal: 4, message: { ...message, transactional: true } }), null)
  assert.equal(String(id), '1k8biotuc4fcw.571.16B374D848.4')
})

const NO_IDS = [
  '',
  'x',
  '1k8biotuc4fcw.571.16B374D848',
  '1k8biotuc4fcw.571.16b374d848.0',
  '1k8biotuc4fcw.571.016B374D848.0',
  '1k8biotuc4fcw.571.16B374D8480000000.0',
  '1k8biotuc4fcw.4294967296.A.0',
  '1k8biotuc4fcw.571.A.m',
  '1k8biotuc4fcw.0.A.0',
  '1k8biotuc4fcw.571.A.00',
  '1k8biotuc4fcw.571.A.0.',
  '1k8biotuc4fcw.571.A.0.a b',
  'UPPER.571.A.0',
]

for (const text of NO_IDS) {
  test(`${JSON.stringify(text)} is no Msg-Id`, () => {
    assert.equal(parseMessageId(text), null)
  })
}

test('a route that would break a header or JSON is refused', () => {
  for (const route of ['', 'a b', 'ä', 'a\r\nb', '"', '\\', 'x'.repeat(201)]) {
    assert.throws(() => checkedRoute(route), RangeError)
  }
  assert.equal(checkedRoute('events.order-1_$'), 'events.order-1_$')
})

function parts(xid: number, lsn: bigint, ordinal: number | null, route: string | null): MessageIdParts {
  return { system: SYSTEM, xid, lsn: toLsn(lsn), ordinal, route }
}
