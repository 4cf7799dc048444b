/**
 * A steady load on real servers, with a connection broken every minute: memory must stay flat, lag bounded, nothing may
 * be left open, and every event must be stored once. Prints the figures; exit code 1 if a promise was not kept.
 */
import { writeFileSync } from 'node:fs'
import { commandLine, numberOf, oneOf } from '../kit/command-line.ts'
import { NATS_RELEASES } from '../kit/nats.ts'
import { POSTGRES_MAJORS } from '../kit/postgres.ts'
import { type SoakResult, soak } from './soak.ts'
import { judge } from './verdict.ts'

const USAGE = `npm run soak -- [options]

  --minutes N        (30)
  --rate N           events a second (5000)
  --reconnect N      seconds from one broken connection to the next (60)
  --pg MAJOR         ${POSTGRES_MAJORS.join(', ')} (the newest)
  --nats RELEASE     ${NATS_RELEASES.join(', ')} (newest)
  --node-flags "A B" for the daemon's node
  --samples FILE     one line for each look, separated by tabs`

const { samples: file, ...options } = commandLine(
  USAGE,
  {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '5000' },
    reconnect: { type: 'string', default: '60' },
    pg: { type: 'string' },
    nats: { type: 'string' },
    'node-flags': { type: 'string', default: '' },
    samples: { type: 'string' },
  },
  values => ({
    minutes: numberOf('minutes', values.minutes, 0),
    eventsPerSecond: numberOf('rate', values.rate, 1),
    reconnectSeconds: numberOf('reconnect', values.reconnect, 1),
    major: values.pg === undefined ? undefined : Number(oneOf('pg', POSTGRES_MAJORS, values.pg)),
    release: values.nats === undefined ? undefined : oneOf('nats', NATS_RELEASES, values.nats),
    nodeFlags: values['node-flags'].split(' ').filter(flag => flag !== ''),
    samples: values.samples,
  }),
)
const result = await soak({
  ...options,
  say: text => console.log(`${new Date().toISOString()} ${text}`),
})
if (file !== undefined) writeSamples(file, result)
const { violations, lines } = judge(result, options.reconnectSeconds)
console.log()
for (const line of lines) console.log(line)
for (const violation of violations) console.log(`VIOLATION ${violation}`)
console.log(violations.length === 0 ? 'every promise was kept' : `the log of the daemon: ${result.logFile}`)
process.exitCode = violations.length === 0 ? 0 : 1

/** One line for each look, separated by tabs. */
function writeSamples(file: string, { samples }: SoakResult): void {
  const rows = samples.map(({ resources, ...numbers }) => ({
    ...numbers,
    handles: [...resources.values()].reduce((sum, one) => sum + one, 0),
  }))
  const names = Object.keys(rows[0] ?? {})
  const body = rows.map(row => Object.values(row).join('\t'))
  writeFileSync(file, `${[names.join('\t'), ...body].join('\n')}\n`)
}
