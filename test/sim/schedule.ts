/**
 * A schedule: the setting and the list of steps that one seed stands for. A step is a kind and two numbers that the
 * world reads as it needs them; a step that makes no sense where it stands does nothing, so any part of a schedule
 * is a schedule again, and shrinking is leaving steps out.
 */
import { Random } from './random.ts'
import { drawSetting, type Setting } from './setting.ts'

export type StepKind =
  | 'write'
  | 'keepalive'
  | 'pump'
  | 'deliver'
  | 'answer'
  | 'tail'
  | 'time'
  | 'status'
  | 'round'
  | 'start'
  | 'connect'
  | Fault

export type Fault =
  | 'lose message'
  | 'lose answer'
  | 'refuse'
  | 'reorder'
  | 'long time'
  | 'disconnect'
  | 'ghost'
  | 'crash'
  | 'stop'
  | 'take over'
  | 'freeze'
  | 'thaw'
  | 'kill'
  | 'foreign'
  | 'foreign storm'
  | 'purge'
  | 'remove'
  | 'retire'
  | 'delete stream'
  | 'create stream'
  | 'fill'
  | 'free'
  | 'drop batches'
  | 'fail tail'
  | 'fail over'

export interface Step {
  readonly kind: StepKind
  readonly x: number
  readonly y: number
}

export interface Schedule {
  readonly seed: number
  readonly setting: Setting
  readonly steps: readonly Step[]
}

type Weight = readonly [StepKind, number]

const ORDINARY: readonly Weight[] = [
  ['write', 9],
  ['keepalive', 1],
  ['pump', 14],
  ['deliver', 12],
  ['answer', 11],
  ['tail', 8],
  ['time', 5],
  ['status', 4],
  ['round', 4],
  ['start', 4],
  ['connect', 4],
]

/** Faults that belong together. A schedule has some groups and not the others, so that each gets its time alone. */
const FAULTS: readonly (readonly Weight[])[] = [
  [['lose message', 5]],
  [['lose answer', 4]],
  [['refuse', 5]],
  [['reorder', 6]],
  [['long time', 5]],
  [
    ['disconnect', 4],
    ['ghost', 4],
  ],
  [
    ['crash', 4],
    ['ghost', 3],
  ],
  [['stop', 3]],
  [
    ['take over', 3],
    ['freeze', 2],
    ['thaw', 3],
    ['kill', 1],
    ['ghost', 2],
  ],
  [['foreign', 4]],
  [['foreign storm', 3]],
  [
    ['purge', 2],
    ['remove', 3],
    ['retire', 3],
  ],
  [
    ['delete stream', 2],
    ['create stream', 2],
  ],
  [
    ['fill', 3],
    ['free', 4],
  ],
  [['fail tail', 4]],
  [['drop batches', 3]],
  [['fail over', 2]],
]

export function drawSchedule(seed: number): Schedule {
  const random = new Random(seed)
  const setting = drawSetting(random)
  const share = random.pick([0.1, 0.2, 0.35, 0.6])
  const weights = [...ORDINARY]
  for (const group of FAULTS) if (random.chance(share)) weights.push(...group)
  let total = 0
  for (const [, weight] of weights) total += weight
  const length = 10 + random.below(random.pick([20, 50, 50, 120]))
  const steps: Step[] = new Array(length)
  for (let i = 0; i < length; i++) {
    steps[i] = { kind: drawKind(weights, random.below(total)), x: random.bits(), y: random.bits() }
  }
  return { seed, setting, steps }
}

function drawKind(weights: readonly Weight[], at: number): StepKind {
  let left = at
  for (const [kind, weight] of weights) {
    left -= weight
    if (left < 0) return kind
  }
  return 'round'
}
