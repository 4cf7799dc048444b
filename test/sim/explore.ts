/**
 * Runs schedule after schedule, one a seed, until one breaks a promise or all are done, and counts what they met, so
 * that a run that found nothing shows that it looked.
 */
import type { Core } from './core.ts'
import type { Broken } from './oracle.ts'
import { runSchedule } from './run.ts'
import { drawSchedule, type Schedule } from './schedule.ts'
import type { Setting } from './setting.ts'
import { shrink } from './shrink.ts'

export interface ExploreOptions {
  readonly seed: number
  readonly schedules: number
  readonly strict?: boolean
  /** Goes on after other broken promises than these. */
  readonly wanted?: readonly Broken[]
  /** What of the settings is the same in all schedules. */
  readonly setting?: Partial<Setting>
  /** Kinds of steps to leave out. */
  readonly without?: readonly string[]
  /** Stops when this is past, by `performance.now()`. */
  readonly until?: number
}

export interface Found {
  readonly seed: number
  readonly broken: Broken
  readonly message: string
  readonly schedule: Schedule
}

export interface Explored {
  readonly found: Found | null
  readonly schedules: number
  readonly counts: Record<string, number>
}

export function explore(core: Core, options: ExploreOptions): Explored {
  const {
    seed,
    schedules,
    strict = false,
    setting = {},
    without = [],
    wanted,
    until = Number.POSITIVE_INFINITY,
  } = options
  const counts: Record<string, number> = {}
  const add = (name: string, count: number) => {
    counts[name] = (counts[name] ?? 0) + count
  }
  for (let i = 0; i < schedules; i++) {
    if (i % 256 === 255 && performance.now() > until) return { found: null, schedules: i, counts }
    const drawn = leaveOut(drawSchedule(seed + i), without)
    const schedule = { ...drawn, setting: { ...drawn.setting, ...setting } }
    const outcome = runSchedule(schedule, core, { strict })
    add('steps', schedule.steps.length)
    add('messages', outcome.messages)
    add('stored', outcome.counts.stored)
    add('stored again, excused', outcome.counts.again)
    add('late, excused', outcome.counts.late)
    for (const [reason, count] of outcome.resumes) add(`resumes: ${reason}`, count)
    if (outcome.broken === null || wanted?.includes(outcome.broken) === false) continue
    const found = { seed: seed + i, broken: outcome.broken, message: outcome.message, schedule }
    return { found, schedules: i + 1, counts }
  }
  return { found: null, schedules, counts }
}

/** `two slots` is no kind of step, but can be left out as well. */
function leaveOut(schedule: Schedule, without: readonly string[]): Schedule {
  if (without.length === 0) return schedule
  const { setting } = schedule
  return {
    ...schedule,
    setting: without.includes('two slots') ? { ...setting, slots: 1 } : setting,
    steps: schedule.steps.filter(({ kind }) => !without.includes(kind)),
  }
}

/** The shortest schedule that was found to break the same promise, and what happens in it, in words. */
export function explain({ schedule, broken }: Found, core: Core, strict = false): string {
  const short = shrink(schedule, broken, core, { strict })
  const trace: string[] = []
  const { message } = runSchedule(short, core, { strict, trace })
  const steps = short.steps.map(step => step.kind).join(', ')
  return [
    `seed ${schedule.seed}: ${broken}: ${message}`,
    `setting: ${JSON.stringify(short.setting)}`,
    `${short.steps.length} of ${schedule.steps.length} steps: ${steps}`,
    ...trace.map(line => `  ${line}`),
  ].join('\n')
}
