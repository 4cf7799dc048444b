/**
 * Looks at the slot now and then: for the lag figures, and to end the run when the connections are dead or the slot is
 * another's. A replication connection that fell silent looks like one with nothing to say; but PostgreSQL gives it up
 * after `wal_sender_timeout`, and then the slot is no longer held by our session.
 */
import type { Client } from 'pg'
import { RetryableError } from '../errors.ts'
import { readSlot, slotLag } from '../source/replication/slot.ts'
import type { Context } from './context.ts'

const INTERVAL_MS = 5000
/** A look that takes longer has no answer to expect. */
const LOOK_LIMIT_MS = 10_000

/** Returns what stops it. `holder`: the backend pid of the session that streams. `fail`: the run can't go on. */
export function watchSlot(
  { config, board }: Context,
  { sql, holder }: { readonly sql: Client; readonly holder: number },
  fail: (error: unknown) => void,
): () => void {
  const name = config.replication.slot_name
  let looking: NodeJS.Timeout | null = null
  const look = async (): Promise<void> => {
    if (looking !== null) return
    looking = setTimeout(() => fail(silent()), LOOK_LIMIT_MS)
    const streaming = board.state === 'streaming'
    try {
      const slot = await readSlot(sql, name)
      board.lag = slot === null ? null : slotLag(slot)
      if (streaming && slot?.holder?.pid !== holder) fail(taken(name))
    } catch (error) {
      fail(error)
    } finally {
      clearTimeout(looking)
      looking = null
    }
  }
  const timer = setInterval(() => void look(), INTERVAL_MS)
  void look()
  return () => {
    clearInterval(timer)
    if (looking !== null) clearTimeout(looking)
  }
}

function silent(): RetryableError {
  return new RetryableError(`PostgreSQL does not answer for ${LOOK_LIMIT_MS} ms`, {
    code: 'CONNECTION_SILENT',
    remedy:
      'The daemon connects again by itself; look at the network and the load of the server if it repeats.',
  })
}

function taken(name: string): RetryableError {
  return new RetryableError(`PostgreSQL has given up the session that streams from the slot "${name}"`, {
    code: 'WALSENDER_GONE',
    remedy:
      'The daemon connects again by itself; look for a network that drops idle connections if it repeats.',
  })
}
