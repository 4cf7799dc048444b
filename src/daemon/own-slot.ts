/** The slot, ours alone: made or found, and waited for as a standby while another daemon streams from it. */
import { ensureSlot, type ReadySlot, slotLag, waitForSlot } from '../source/replication/slot.ts'
import type { Context } from './context.ts'
import { type GapServers, guardGap } from './lost-slot.ts'

/** Rejects with the signal's reason when it aborts. */
export async function ownSlot(
  context: Context,
  servers: GapServers,
  signal: AbortSignal,
): Promise<ReadySlot> {
  const { sql } = servers
  const { config, log, board } = context
  const name = config.replication.slot_name
  for (;;) {
    const gap = await guardGap(context, servers, signal)
    const slot = await ensureSlot(sql, name, () => log.info({ slot: name, remedy: WHO }, WAITS))
    if (slot.state === 'ready') {
      await gap?.close(slot.confirmedFlush)
      if (slot.created)
        log.info({ slot: name }, 'replication slot created; changes are published from now on')
      board.confirmed = slot.confirmedFlush
      return slot
    }
    board.state = 'standby'
    await waitForSlot(sql, name, {
      signal,
      onSlot: facts => {
        board.lag = slotLag(facts)
      },
      onHolder: ({ pid, application, clientAddress }) => {
        log.info(
          { slot: name, pid, application, client: clientAddress },
          'another session streams from the slot; standing by to take over',
        )
      },
    })
    signal.throwIfAborted()
  }
}

const WAITS =
  'PostgreSQL makes the replication slot when all transactions that are open now have ended; the daemon waits for them'
const WHO =
  'SELECT pid, application_name, xact_start FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start;'
