/**
 * npm run soak -- [--minutes N] [--rate EVENTS-A-SECOND] [--reconnect SECONDS] [--pg 14..18]
 *                 [--nats newest|oldest|2.12] [--node-flags "FLAGS OF THE DAEMON'S NODE"] [--samples FILE]
 *
 * A steady load on real servers, with a connection broken every minute: memory must stay flat, lag bounded, nothing may
 * be left open, and every event must be stored once. Prints the figures; exit code 1 if a promise was not kept.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { NatsRelease } from '../kit/nats.ts'
import { type SoakResult, soak } from './soak.ts'
import { judge } from './verdict.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '5000' },
    reconnect: { type: 'string', default: '60' },
    pg: { type: 'string' },
    nats: { type: 'string' },
    'node-flags': { type: 'string', default: '' },
    samples: { type: 'string' },
  },
})
const reconnectSeconds = Number(values.reconnect)
const result = await soak({
  minutes: Number(values.minutes),
  eventsPerSecond: Number(values.rate),
  reconnectSeconds,
  major: values.pg === undefined ? undefined : Number(values.pg),
  release: values.nats as NatsRelease | undefined,
  nodeFlags: values['node-flags'].split(' ').filter(flag => flag !== ''),
  say: text => console.log(`${new Date().toISOString()} ${text}`),
})
if (values.samples !== undefined) writeSamples(values.samples, result)
const { violations, lines } = judge(result, reconnectSeconds)
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
