/** Looks at the slot now and then: for the lag figures, and to end the run when the slot can't be used any more. */
import type { Client } from 'pg'
import { readSlotLag } from '../source/replication/slot.ts'
import type { Context } from './context.ts'

const INTERVAL_MS = 5000

/** Returns what stops it. `fail`: the ordinary session broke, so the run can't go on. */
export function watchSlot(
  { config, board }: Context,
  sql: Client,
  fail: (error: unknown) => void,
): () => void {
  let looking = false
  const look = async (): Promise<void> => {
    if (looking) return
    looking = true
    try {
      board.lag = await readSlotLag(sql, config.replication.slot_name)
    } catch (error) {
      fail(error)
    } finally {
      looking = false
    }
  }
  const timer = setInterval(() => void look(), INTERVAL_MS)
  void look()
  return () => clearInterval(timer)
}
