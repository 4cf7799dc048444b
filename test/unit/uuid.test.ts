/** The UUID of a Msg-Id, and the SHA-1 under it, against node:crypto. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteWriter } from '../../src/event/bytes.ts'
import { MESSAGE_ID_NAMESPACE, writeUuid } from '../../src/event/uuid.ts'

const URL_NAMESPACE = '6ba7b811-9dad-11d1-80b4-00c04fd430c8'

function uuidV5(namespace: string, name: Uint8Array): string {
  const bytes = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest()
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function uuidOf(name: Uint8Array): string {
  const out = new ByteWriter()
  out.begin()
  writeUuid(out, name, name.length)
  return Buffer.from(out.cut()).toString('latin1')
}

test('the namespace is derived as documented', () => {
  assert.equal(uuidV5(URL_NAMESPACE, Buffer.from('fraiseql-observer:msg-id')), MESSAGE_ID_NAMESPACE)
})

test('vectors of the documentation', () => {
  assert.equal(uuidOf(Buffer.from('1k8biotuc4fcw.571.16B374D848.0')), 'c334e92b-36b3-529a-b6b8-5f5e4e0d8fe6')
  assert.equal(uuidOf(Buffer.from('1k8biotuc4fcw.0.16B374D848.m')), '28f986c8-de92-5a75-b07c-a6f3bd13325d')
})

test('equals node:crypto for every length up to four blocks', () => {
  for (let length = 0; length <= 256; length++) {
    const name = Buffer.from(Array.from({ length }, (_, i) => (i * 37 + length) & 255))
    assert.equal(uuidOf(name), uuidV5(MESSAGE_ID_NAMESPACE, name), `length ${length}`)
  }
})

test('equals node:crypto for any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), name => {
      assert.equal(uuidOf(name), uuidV5(MESSAGE_ID_NAMESPACE, name))
    }),
    { numRuns: 500 },
  )
})
