/**
 * A stream whose last messages are gone (purged, deleted, expired) can't tell any more how far it had come. Resume then
 * goes by what is left and by the slot's position, and a person should know what that means.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import { comparePlaces } from '../event/position.ts'
import { formatLsn, type Lsn } from '../lsn.ts'
import { readTail, type Tail } from '../publish/tail.ts'
import { fetchNext } from '../publish/tail-fetch.ts'
import type { Context } from './context.ts'
import type { Streams } from './streams.ts'

const TIMEOUT_MS = 5_000

/** Once for each run. `confirmed`: the slot's position. Dead letters are taken out by design. */
export async function tellLostTails(
  { log }: Context,
  nats: NatsConnection,
  { all, deadLetterLane }: Streams,
  confirmed: Lsn,
): Promise<void> {
  for (const [lane, { name: stream }] of all.entries()) {
    if (lane === deadLetterLane) continue
    const tail = await readTail(nats, stream)
    if (!(await hasLostTail(nats, stream, tail))) continue
    const left = tail.lastMessage?.seq ?? null
    log.warn({ stream, from: formatLsn(confirmed), last_sequence: tail.lastSeq, left }, LOST_TAIL)
  }
}

/** Also where the newest message is there, and others are gone that it does not vouch for. */
async function hasLostTail(nats: NatsConnection, stream: string, tail: Tail): Promise<boolean> {
  const { lastMessage, lastSeq, firstSeq } = tail
  if (lastMessage === null || lastMessage.seq !== lastSeq) return lastSeq > 0
  if (firstSeq <= 1 || lastMessage.position === null) return false
  const { system, slot } = lastMessage.position
  const oldest = (await fetchNext(nats, stream, firstSeq, TIMEOUT_MS))?.position
  if (oldest?.system !== system || oldest.slot !== slot) return false
  return comparePlaces(oldest, lastMessage.floor ?? lastMessage.position) > 0
}

const LOST_TAIL =
  'the stream can not tell all that it held: its last messages are gone (purged, deleted or removed by its limits); ' +
  "going on from the slot's position, so that what was stored after it and is gone is stored again"
