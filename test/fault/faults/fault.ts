/** What a fault is, and what it plays with. Each leaves everything healed behind; what was broken must mend itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../sim/random.ts'
import type { StreamReader } from '../reader.ts'
import type { World } from '../world.ts'

/** Two faults that touch the same part never overlap. */
export type Part = 'daemon' | 'postgres' | 'nats' | 'postgres network' | 'nats network' | 'stream'

export interface Stage {
  readonly world: World
  readonly reader: StreamReader
  readonly random: Random
  /** How long a standby took from the end of the other daemon to the slot, milliseconds. */
  readonly takeovers: number[]
}

export interface Fault {
  readonly name: string
  /** How often, relative to the others. */
  readonly weight: number
  readonly touches: readonly Part[]
  /** Where it makes sense; everywhere if not given. */
  readonly where?: 'single' | 'cluster'
  /** Left out where the world does not have it. */
  readonly needs?: 'disks'
  run(stage: Stage): Promise<void>
}

export function pause(random: Random, leastMs: number, mostMs: number): Promise<void> {
  return sleep(leastMs + random.below(mostMs - leastMs))
}

/** Asks again until it is so; an error counts as "not yet". False: it did not come. */
export async function eventually(condition: () => Promise<boolean>, limitMs: number): Promise<boolean> {
  const deadline = Date.now() + limitMs
  while (Date.now() < deadline) {
    if (await condition().catch(() => false)) return true
    await sleep(50)
  }
  return false
}
