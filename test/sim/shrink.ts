/**
 * Makes a failing schedule short: leaves out steps in runs (halves first, single ones last), then tries the simplest
 * setting, key by key, and smaller numbers in the steps, for as long as the same promise is broken.
 */
import type { Core } from './core.ts'
import type { Broken } from './oracle.ts'
import { type RunOptions, runSchedule } from './run.ts'
import type { Schedule, Step } from './schedule.ts'
import { type Setting, SIMPLEST } from './setting.ts'

export function shrink(schedule: Schedule, broken: Broken, core: Core, options: RunOptions = {}): Schedule {
  const { strict = false } = options
  const fails = (candidate: Schedule) => runSchedule(candidate, core, { strict }).broken === broken
  let best = schedule
  for (;;) {
    const before = best
    best = withFewerSteps(best, fails)
    best = withSimplerSetting(best, fails)
    best = withSmallerNumbers(best, fails)
    if (best === before) return best
  }
}

type Fails = (schedule: Schedule) => boolean

function withFewerSteps(schedule: Schedule, fails: Fails): Schedule {
  let best = schedule
  for (let length = best.steps.length >>> 1 || 1; length >= 1; length >>>= 1) {
    for (let from = best.steps.length - length; from >= 0; from -= 1 + (length >>> 2)) {
      const steps = [...best.steps.slice(0, from), ...best.steps.slice(from + length)]
      const candidate = { ...best, steps }
      if (fails(candidate)) best = candidate
    }
  }
  return best
}

function withSimplerSetting(schedule: Schedule, fails: Fails): Schedule {
  let best = schedule
  for (const key of Object.keys(SIMPLEST) as (keyof Setting)[]) {
    if (best.setting[key] === SIMPLEST[key]) continue
    const candidate = { ...best, setting: { ...best.setting, [key]: SIMPLEST[key] } }
    if (fails(candidate)) best = candidate
  }
  return best
}

function withSmallerNumbers(schedule: Schedule, fails: Fails): Schedule {
  let best = schedule
  for (let at = 0; at < best.steps.length; at++) {
    for (const key of ['x', 'y'] as const) {
      for (const smaller of [0, 1, 2, 3, 64]) {
        if (best.steps[at]![key] <= smaller) continue
        const steps: Step[] = [...best.steps]
        steps[at] = { ...steps[at]!, [key]: smaller }
        const candidate = { ...best, steps }
        if (!fails(candidate)) continue
        best = candidate
        break
      }
    }
  }
  return best
}
