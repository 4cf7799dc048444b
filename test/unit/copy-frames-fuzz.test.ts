/**
 * The bytes of a replication connection, however they are cut into reads and whenever reading is held up: each message
 * arrives once, whole and in order, CopyData here and everything else at the driver.
 */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { readsInto } from '../../src/postgres-reads.ts'
import { CopyFrames } from '../../src/source/replication/copy-frames.ts'

interface Message {
  readonly type: number
  readonly content: Uint8Array
}

const COPY_DATA = 0x64

const message: fc.Arbitrary<Message> = fc.record({
  type: fc.oneof(fc.constant(COPY_DATA), fc.constantFrom(0x43, 0x5a, 0x4e, 0x64, 0)),
  content: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.nat(3_000).map(size => new Uint8Array(size).fill(0x64)),
  ),
})

function framed({ type, content }: Message): Buffer {
  const header = Buffer.alloc(5)
  header[0] = type
  header.writeUInt32BE(content.length + 4, 1)
  return Buffer.concat([header, content])
}

/** What is told of each message. A message for the driver may come in several calls, so those are joined. */
function told(type: number, content: Uint8Array): string {
  return `${type} ${Buffer.from(content).toString('hex')}`
}

/** Reads as a socket does that has one buffer for all of them. */
function lender(socket: PassThrough): (bytes: Buffer) => void {
  const { buffer, callback } = readsInto(() => socket as unknown as Socket)
  const memory = buffer as Uint8Array
  callback(0, memory)
  return bytes => {
    for (let at = 0; at < bytes.length; at += memory.length) {
      const part = bytes.subarray(at, at + memory.length)
      memory.set(part)
      callback(part.length, memory)
      memory.fill(0xee)
    }
  }
}

test('random reads: every message once, whole and in order', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 20 }),
      fc.array(fc.nat(2_000), { maxLength: 40 }),
      fc.array(fc.nat(10), { maxLength: 10 }),
      fc.boolean(),
      (messages, cuts, holds, lent) => {
        const socket = new PassThrough()
        const read = lent ? lender(socket) : (bytes: Buffer) => socket.emit('data', Buffer.from(bytes))
        const seen: string[] = []
        socket.on('data', (bytes: Buffer) => seen.push(told(bytes[0]!, bytes.subarray(5))))
        let delivered = 0
        const frames = new CopyFrames(socket, (buffer, start, end) => {
          assert.ok(start <= end && end <= buffer.length)
          seen.push(told(COPY_DATA, buffer.subarray(start, end)))
          if (holds.includes(delivered++)) frames.hold()
        })
        const bytes = Buffer.concat(messages.map(framed))
        let at = 0
        for (const cut of [...cuts, bytes.length]) {
          if (at < bytes.length && cut > 0) read(bytes.subarray(at, at + cut))
          at += cut
        }
        for (let releases = 0; releases <= holds.length; releases++) frames.release()
        assert.deepEqual(
          seen,
          messages.map(({ type, content }) => told(type, content)),
        )
      },
    ),
    { numRuns: 1_000 },
  )
})

test('random bytes: every byte is worked on once, and no read goes on for ever', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }), reads => {
      const socket = new PassThrough()
      let worked = 0
      socket.on('data', (bytes: Buffer) => {
        worked += bytes.length
      })
      new CopyFrames(socket, () => {
        worked++
      })
      let bytes = 0
      for (const read of reads) {
        // The length's first byte is 0: a damaged length is large or small, but can be had.
        const small = read.map((byte, i) => (i % 2 === 1 ? 0 : byte))
        bytes += small.length
        socket.emit('data', Buffer.from(small))
      }
      assert.ok(worked <= bytes, `${worked} of ${bytes}`)
    }),
    { numRuns: 300 },
  )
})
