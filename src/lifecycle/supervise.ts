/**
 * Runs something again and again: after a RetryableError a fresh run follows, with backoff; any other error
 * ends it, and so does a run that returns. Nothing of a failed run is repaired or kept.
 *
 *     run --returns--> done
 *     run --RetryableError--> wait --> run        (aborted while waiting: done)
 *     run --any other error--> thrown
 */
import { RetryableError } from '../errors.ts'
import type { Backoff } from './retry.ts'
import { sleep } from './sleep.ts'

export interface SuperviseOptions {
  /** One run. It calls `progressed` when it did real work, which makes the next delay short again. */
  run(signal: AbortSignal, progressed: () => void): Promise<void>
  readonly backoff: Backoff
  /** Called after a failed run, before the wait. */
  onRestart(error: RetryableError, delayMs: number): void
}

/** Resolves when `signal` aborts and the last run has ended, or when a run returns of itself. */
export async function supervise(options: SuperviseOptions, signal: AbortSignal): Promise<void> {
  const { run, backoff, onRestart } = options
  while (!signal.aborted) {
    try {
      await run(signal, backoff.reset)
      return
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error
      if (signal.aborted) return
      const delayMs = backoff.next()
      onRestart(error, delayMs)
      await sleep(delayMs, signal)
    }
  }
}
