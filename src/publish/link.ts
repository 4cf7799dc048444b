/** The border between the protocol core and a client: messages and questions out, answers by calls to the publisher. */
import type { Lane } from './lane.ts'
import type { TailWalk } from './tail-walk.ts'

/** What the publisher needs of NATS. */
export interface Link {
  /**
   * One message. `header`: complete header bytes. The answer comes back with the same epoch and entry; null: no answer
   * is wanted, as for the messages of a batch but its last.
   */
  publish(subject: string, header: Uint8Array, payload: Uint8Array, epoch: number, entry: number | null): void
  /**
   * Shows the headers of the stream's messages to `walk`, newest first, until it has enough, then calls `done` with
   * the stream's last sequence, read before the walk began.
   */
  readTail(lane: Lane, walk: TailWalk, done: (error: unknown, lastSequence: number) => void): void
}
