/** The orderly stop: nothing more is read, and what is in flight gets its publish acks, as long as there is time. */
import type { Pipeline } from '../pipeline.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { Context } from './context.ts'

const POLL_MS = 5

/** Resolves some time after `signal` aborts: when everything that can be sent is acked, or the time is over. */
export async function drain(
  { config, log, board }: Context,
  pipeline: Pipeline,
  publisher: Publisher,
  signal: AbortSignal,
): Promise<void> {
  if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
  board.state = 'stopping'
  pipeline.stop()
  const { window } = publisher
  log.info({ in_flight: window.size }, 'stopping')
  const deadline = performance.now() + config.shutdown_timeout_ms
  while (window.size > 0 && !publisher.idle && performance.now() < deadline) {
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
  if (window.size === 0) return
  if (publisher.idle) {
    log.info({ unsent: window.size }, 'stopped within a transaction; the next run sends the rest of it')
    return
  }
  log.warn(
    { unacked: window.size, shutdown_timeout_ms: config.shutdown_timeout_ms },
    'stopped before everything had its publish ack; the next run sends the rest',
  )
}
