/**
 * Runs the daemon under a workload and faults, and checks the stream against an independent capture of the same WAL.
 * Exit code 1 on any violation.
 */
import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { commandLine, numberOf, oneOf, wholeOf } from '../kit/command-line.ts'
import { NATS_RELEASES } from '../kit/nats.ts'
import { POSTGRES_MAJORS } from '../kit/postgres.ts'
import { runBench } from './bench.ts'
import { report } from './report.ts'

const USAGE = `npm run fault -- [options]

  --seed N         of workload and faults; the report names it (chosen by chance)
  --minutes M      how long faults go on (3)
  --pg MAJOR       ${POSTGRES_MAJORS.join(', ')} (the newest)
  --nats RELEASE   ${NATS_RELEASES.join(', ')} (newest)
  --cluster        three nats-servers, replicas = 3
  --big ROWS       rows of one large transaction on the way (0: none)
  --only A,B       only faults with such parts in their names
  --window N       [publish] max_in_flight_messages (1024)
  --atomic MODE    auto, transactions, off (auto)`

const options = commandLine(
  USAGE,
  {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    minutes: { type: 'string', default: '3' },
    pg: { type: 'string' },
    nats: { type: 'string' },
    cluster: { type: 'boolean', default: false },
    big: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    window: { type: 'string', default: '1024' },
    atomic: { type: 'string', default: 'auto' },
  },
  values => ({
    seed: wholeOf('seed', values.seed, 0),
    minutes: numberOf('minutes', values.minutes, 0),
    major: values.pg === undefined ? undefined : Number(oneOf('pg', POSTGRES_MAJORS, values.pg)),
    release: values.nats === undefined ? undefined : oneOf('nats', NATS_RELEASES, values.nats),
    cluster: values.cluster,
    bigRows: wholeOf('big', values.big, 0),
    only: values.only.split(',').filter(part => part !== ''),
    window: wholeOf('window', values.window, 1),
    atomic: oneOf('atomic', ['auto', 'transactions', 'off'] as const, values.atomic),
  }),
)
const begun = Date.now()
const result = await runBench({
  ...options,
  disks: true,
  say: text => console.log(`${new Date().toISOString()} ${text}`),
})
const { lines, kept } = report(result)
if (kept) rmSync(dirname(result.journal), { recursive: true, force: true })
const { seed, major, release, cluster, atomic } = options
const place = `PostgreSQL ${major ?? 'newest'}, nats-server ${release ?? 'newest'}${cluster ? ' (3, replicas = 3)' : ''}`
console.log(
  `\nseed ${seed}, ${place}, atomic ${atomic}, ${((Date.now() - begun) / 60_000).toFixed(1)} minutes`,
)
for (const line of lines) console.log(line)
process.exitCode = kept ? 0 : 1
