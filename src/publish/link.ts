/** The border between the protocol core and a client: messages and questions out, answers by calls to the publisher. */
import type { ByteWriter } from '../event/bytes.ts'
import type { Lane } from './lane.ts'
import type { TailWalk } from './tail-walk.ts'
import type { Window } from './window.ts'

/** What the publisher needs of NATS. */
export interface Link {
  /**
   * One message of the window. `lines` begins its headers, and is valid within the call only; the window's bytes stay as
   * they are until the entry is done. The answer comes back with the same epoch and entry; `answered` false: none is
   * wanted, as for the messages of a batch but its last.
   */
  publish(window: Window, entry: number, lines: ByteWriter, epoch: number, answered: boolean): void
  /**
   * Shows the headers of the stream's messages to `walk`, newest first, until it has enough, then calls `done` with
   * the stream's last sequence, read before the walk began.
   */
  readTail(lane: Lane, walk: TailWalk, done: (error: unknown, lastSequence: number) => void): void
}
