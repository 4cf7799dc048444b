/** What the publisher is given, and what it tells. */
import type { Lsn } from '../lsn.ts'
import type { Lane, LaneOptions, Resumed } from './lane.ts'
import type { Reason } from './setbacks.ts'
import type { TailWalk } from './tail-walk.ts'

export interface PublisherOptions {
  readonly streams: readonly LaneOptions[]
  /** In the Msg-Ids of batches: this run of this daemon. */
  readonly runId: string
  readonly maxMessages: number
  readonly maxBytes: number
  readonly ackTimeoutMs: number
  /** Everything up to here is done. Monotonic. */
  readonly confirm: (lsn: Lsn) => void
  /** The window has room again. */
  readonly onRoom: () => void
  readonly onState: (state: State, reason: Reason | null) => void
  /** The run can't go on. */
  readonly onFailure: (error: unknown) => void
  /** A stream was read. */
  readonly onResumed: (lane: Lane, walk: TailWalk, resumed: Resumed) => void
  readonly counters: PublishCounters
  readonly onResume: (reason: Reason) => void
  /** An entry of the window has its publish ack: for figures. */
  readonly onStored: (entry: number, duplicate: boolean, now: number) => void
  /** 0 <= random < 1, for jitter. */
  readonly random: () => number
}

export interface PublishCounters {
  /** Publish acks that named an earlier message of the same Msg-Id. */
  duplicates: number
  /** Messages not sent, because the stream was found to hold them. */
  resumeSkipped: number
  /** Messages sent again. */
  eventsRetried: number
}

export type State = 'down' | 'settling' | 'waiting' | 'reading' | 'open' | 'failed'
