/** A slab comes back only when every message that may have a part in it is done. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteWriter } from '../../src/event/bytes.ts'
import { SLAB_BYTES, Slabs } from '../../src/event/slabs.ts'

test('a slab is written again once its messages are done, the oldest first', () => {
  let begun = 10
  let done = 0
  const slabs = new Slabs(
    () => begun,
    () => done,
  )
  const first = Buffer.alloc(SLAB_BYTES)
  const second = slabs.exchange(first, 100)
  assert.notEqual(second, first)
  begun = 20
  done = 9
  const third = slabs.exchange(second, 100)
  assert.ok(third !== first && third !== second, 'message 10 is not done')
  begun = 30
  done = 10
  assert.equal(slabs.exchange(third, 100), first)
  done = 30
  begun = 40
  assert.equal(slabs.exchange(first, 100), second)
})

test('a message larger than a slab gets one of its own, which comes back for another one of its kind', () => {
  const slabs = new Slabs(
    () => 0,
    () => 1,
  )
  const ordinary = Buffer.alloc(SLAB_BYTES)
  const big = slabs.exchange(ordinary, SLAB_BYTES * 5)
  assert.equal(big.length, SLAB_BYTES * 5)
  assert.equal(slabs.exchange(big, 1), ordinary, 'not for a small message')
  assert.equal(slabs.exchange(ordinary, SLAB_BYTES * 4), big)
})

test('while nothing is done, slabs are not kept without end', () => {
  let nothingDone = true
  const slabs = new Slabs(
    () => 1,
    () => (nothingDone ? 0 : 1),
  )
  const seen = new Set<Buffer>()
  let slab: Buffer = Buffer.alloc(SLAB_BYTES)
  for (let i = 0; i < 200; i++) {
    slab = slabs.exchange(slab, 1)
    assert.ok(!seen.has(slab))
    seen.add(slab)
  }
  nothingDone = false
  const kept = Array.from({ length: 100 }, () => slabs.exchange(Buffer.alloc(0), 1))
  assert.equal(kept.filter(one => seen.has(one)).length, 64)
})

test('what one large message needed is not kept for small ones, and the message stays as it is', () => {
  const out = new ByteWriter()
  const source = Buffer.alloc(16 * 1024 * 1024, 'x')
  out.begin()
  out.range(out.sourceView(source), source.byteOffset, source.byteOffset + source.length)
  const message = out.cut()
  out.shrink()
  assert.equal(out.buffer.length, SLAB_BYTES)
  assert.notEqual(out.sourceView(out.buffer).buffer, source.buffer)
  const small = out.buffer
  out.begin()
  out.text('next')
  assert.equal(Buffer.from(out.cut()).toString(), 'next')
  out.shrink()
  assert.equal(out.buffer, small)
  assert.ok(source.equals(message))
})
