/**
 * What stays the same for the whole of one simulated schedule: how the daemon is configured, how the streams are, and
 * how many slots write. Small numbers everywhere, because what goes wrong goes wrong with three messages.
 */
import type { BatchMode } from '../../src/publish/lane.ts'
import type { IdCheck } from './model-stream.ts'
import type { Random } from './random.ts'

export interface Setting {
  readonly streams: number
  readonly maxMessages: number
  readonly maxBytes: number
  readonly ackTimeoutMs: number
  readonly batches: BatchMode
  /** The stream lives on a server by itself. */
  readonly alone: boolean
  readonly idCheck: IdCheck
  readonly duplicateWindowMs: number
  /** 0: no limit. More messages push the oldest out. */
  readonly keptMessages: number
  /** 2: a second slot of the same server writes to the same streams. */
  readonly slots: number
  /** Two slots publish the same events, and not each its own. */
  readonly sameEvents: boolean
  /** Somebody else writes into the streams all the time, to the end. */
  readonly crowded: boolean
  /** The source goes on inside the call that says there is room. */
  readonly eagerRoom: boolean
  /** Messages that hang in a dead connection arrive when all is over. */
  readonly lateGhosts: boolean
}

const BATCHES: readonly BatchMode[] = ['never', 'measured', 'always', 'always', 'backlog', 'backlog']
const ID_CHECKS: readonly IdCheck[] = [
  'late',
  'late',
  'early',
  'early',
  'claims-duplicate',
  'claims-in-process',
]

export const SIMPLEST: Setting = {
  streams: 1,
  maxMessages: 4,
  maxBytes: 1e9,
  ackTimeoutMs: 100,
  batches: 'never',
  alone: true,
  idCheck: 'late',
  duplicateWindowMs: 0,
  keptMessages: 0,
  slots: 1,
  sameEvents: false,
  crowded: false,
  eagerRoom: false,
  lateGhosts: false,
}

export function drawSetting(random: Random): Setting {
  const idCheck = random.pick(ID_CHECKS)
  // A server that takes refused messages for known holds everything up for as long as it remembers them.
  const windows = idCheck.startsWith('claims') ? [0, 50, 300, 3000] : [0, 0, 50, 300, 3000, 1e9]
  return {
    streams: random.pick([1, 1, 1, 2, 3]),
    maxMessages: random.pick([1, 2, 3, 4, 6, 8, 24, 64]),
    maxBytes: random.pick([1e9, 1e9, 1e9, 150, 400]),
    ackTimeoutMs: 100,
    // Servers with such claims are older than batches.
    batches: idCheck.startsWith('claims') ? 'never' : random.pick(BATCHES),
    // Only replicated streams have such claims, and messages are chained on single servers.
    alone: !idCheck.startsWith('claims') && random.chance(0.7),
    idCheck,
    duplicateWindowMs: random.pick(windows),
    keptMessages: random.pick([0, 0, 0, 0, 0, 1, 3, 10]),
    slots: random.chance(0.06) ? 2 : 1,
    sameEvents: random.chance(0.5),
    crowded: random.chance(0.03),
    eagerRoom: random.chance(0.3),
    lateGhosts: random.chance(0.4),
  }
}
