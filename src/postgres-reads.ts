/**
 * Sockets that read into one buffer over and over. Node.js gives each read 64 KiB of its own otherwise, which the
 * garbage collector hardly sees and malloc scatters: some 10 to 40 MiB where much is read.
 * https://nodejs.org/api/net.html#socketconnectoptions-connectlistener (onread)
 */
import type { OnReadOpts, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const READ_BYTES = 64 * 1024

/** Sockets with such a buffer: whether their reads are lent. */
const LENT = new WeakMap<Duplex, boolean>()

/** For `connect()`. What is read goes the ordinary way, as a copy, until `lendReads()`. */
export function readsInto(socket: () => Socket): OnReadOpts {
  return {
    buffer: Buffer.allocUnsafeSlow(READ_BYTES),
    callback(bytes, buffer) {
      const reader = socket()
      const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, bytes)
      if (LENT.get(reader) !== true) {
        LENT.set(reader, false)
        return reader.push(Buffer.from(chunk))
      }
      reader.emit('data', chunk)
      return true
    },
  }
}

/**
 * From now on what `data` listeners of this socket get is valid within the call only, and comes at once. False: the
 * socket has no such buffer (TLS), and everything stays as it was.
 */
export function lendReads(socket: Duplex): boolean {
  if (!LENT.has(socket) || socket.readableLength > 0) return false
  LENT.set(socket, true)
  return true
}
