/**
 * npm run sim -- [--seed N] [--schedules N] [--without KIND,...] [--strict]
 *
 * Explores schedules N, N+1, ... and prints the first broken promise, shrunk, in words. `--seed N --schedules 1` runs
 * the one schedule of a report again. `--strict`: a stranger's message in mid-flight excuses no misorder.
 */
import { parseArgs } from 'node:util'
import { CORE } from './core.ts'
import { explain, explore } from './explore.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 40)) },
    schedules: { type: 'string', default: '1000000' },
    without: { type: 'string', default: '' },
    strict: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const { strict } = values
const startedAt = performance.now()
const without = values.without.split(',').filter(kind => kind !== '')
const options = { seed, schedules: Number(values.schedules), without, strict }
const { found, schedules, counts } = explore(CORE, options)
const seconds = (performance.now() - startedAt) / 1000
console.log(
  `${schedules} schedules from seed ${seed} in ${seconds.toFixed(1)} s (${Math.round(schedules / seconds)}/s)`,
)
for (const [name, count] of Object.entries(counts)) console.log(`  ${name}: ${count}`)
if (found === null) console.log('every promise was kept')
else {
  console.log(explain(found, CORE, strict))
  process.exitCode = 1
}
