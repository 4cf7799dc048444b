/** Explores schedules of the simulation, and prints the first broken promise, shrunk, in words. */
import { commandLine, wholeOf } from '../kit/command-line.ts'
import { CORE } from './core.ts'
import { explain, explore } from './explore.ts'

const USAGE = `npm run sim -- [options]

  --seed N          the first schedule; with --schedules 1 that of a report once more (chosen by chance)
  --schedules N     how many, one after the other (1000000)
  --without A,B     no steps of these kinds
  --strict          a stranger's message in mid-flight excuses no misorder`

const options = commandLine(
  USAGE,
  {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 40)) },
    schedules: { type: 'string', default: '1000000' },
    without: { type: 'string', default: '' },
    strict: { type: 'boolean', default: false },
  },
  values => ({
    seed: wholeOf('seed', values.seed, 0),
    schedules: wholeOf('schedules', values.schedules, 1),
    without: values.without.split(',').filter(kind => kind !== ''),
    strict: values.strict,
  }),
)
const startedAt = performance.now()
const { found, schedules, counts } = explore(CORE, options)
const seconds = (performance.now() - startedAt) / 1000
console.log(
  `${schedules} schedules from seed ${options.seed} in ${seconds.toFixed(1)} s (${Math.round(schedules / seconds)}/s)`,
)
for (const [name, count] of Object.entries(counts)) console.log(`  ${name}: ${count}`)
if (found === null) console.log('every promise was kept')
else {
  console.log(explain(found, CORE, options.strict))
  process.exitCode = 1
}
