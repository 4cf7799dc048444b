/**
 * A source yields, in one ordered flow, changes and progress marks. Guarantee: when `progress(lsn)` is called, every
 * change up to `lsn` was delivered before it, and confirming `lsn` to the source means none of them will come again.
 * Calls into the sink are synchronous and never overlap.
 */
import type { Event } from '../event/event.ts'
import type { Lsn } from '../lsn.ts'

export interface Sink {
  /** One change. The event is refilled after the call returns. */
  change(event: Event): void
  /** A commit's end, or an idle keepalive outside a transaction. */
  progress(lsn: Lsn): void
}

export interface Source {
  readonly name: string
  /** Streams until `signal` aborts (resolves) or the connection fails (rejects). One use only: a fresh source a run. */
  run(sink: Sink, signal: AbortSignal): Promise<void>
  /** Everything up to `lsn` is done. Monotonic; only values that came through `progress`. */
  confirm(lsn: Lsn): void
  /** Stop delivering, soon: nothing is delivered after the current call returns, until `resume()`. */
  pause(): void
  resume(): void
}
