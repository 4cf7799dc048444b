/** The Msg-Id: the vectors of docs/message.md, and the bytes against a plain spelling of the same. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { MessageId, systemBase36 } from '../../src/event/message-id.ts'
import { type Lsn, toLsn } from '../../src/lsn.ts'
import { projectRoot } from '../kit/project-root.ts'
import { eventOf } from './sample-event.ts'

const SYSTEM = systemBase36(7_401_234_567_890_123_456n)

interface Parts {
  /** 0 outside a transaction. */
  readonly xid: number
  readonly lsn: Lsn
  /** null outside a transaction. */
  readonly ordinal: number | null
  readonly route: string | null
}

const VECTORS: readonly (readonly [string, Parts])[] = [
  ['1k8biotuc4fcw.571.16B374D848.0', parts(571, 0x16_b374_d848n, 0, null)],
  ['1k8biotuc4fcw.571.16B374D848.12345678', parts(571, 0x16_b374_d848n, 12_345_678, null)],
  ['1k8biotuc4fcw.4294967295.FFFFFFFFFFFFFFFF.0.2', parts(0xffff_ffff, 0xffff_ffff_ffff_ffffn, 0, '2')],
  ['1k8biotuc4fcw.571.100000000.1.orders.eu', parts(571, 0x1_0000_0000n, 1, 'orders.eu')],
  ['1k8biotuc4fcw.0.16B374D848.m', parts(0, 0x16_b374_d848n, null, null)],
  ['1k8biotuc4fcw.0.A.m.audit', parts(0, 0xan, null, 'audit')],
]

const documentation = readFileSync(join(projectRoot, 'docs', 'message.md'), 'utf8')

for (const [text, fields] of VECTORS) {
  test(`${text}: written, and in the documentation`, () => {
    assert.ok(documentation.includes(`| \`${text}\` |`))
    assert.equal(spelled(fields), text)
    assert.equal(written(new MessageId(SYSTEM), fields), text)
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
      const fields = { xid: ordinal === null ? 0 : xid, lsn, ordinal, route }
      assert.equal(written(id, fields), spelled(fields))
      assert.equal(String(id), spelled(fields))
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

function parts(xid: number, lsn: bigint, ordinal: number | null, route: string | null): Parts {
  return { xid, lsn: toLsn(lsn), ordinal, route }
}

function spelled({ xid, lsn, ordinal, route }: Parts): string {
  const id = `${SYSTEM}.${xid}.${lsn.toString(16).toUpperCase()}.${ordinal ?? 'm'}`
  return route === null ? id : `${id}.${route}`
}

function written(id: MessageId, { xid, lsn, ordinal, route }: Parts): string {
  id.begin(xid, lsn, ordinal === null)
  return id.bytes.toString('latin1', 0, id.write(ordinal ?? 7, route))
}
