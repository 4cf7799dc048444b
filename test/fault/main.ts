/**
 * npm run fault -- [--seed N] [--minutes M] [--pg 14..18] [--nats newest|oldest|2.12] [--cluster] [--big ROWS]
 *                  [--only "part of a name,..."] [--window MESSAGES] [--atomic auto|transactions|off]
 *
 * Runs the daemon under a workload and faults, and checks the stream against an independent capture of the same WAL.
 * Exit code 1 on any violation.
 */
import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import type { NatsRelease } from '../kit/nats.ts'
import { runBench } from './bench.ts'
import { report } from './report.ts'

const { values } = parseArgs({
  options: {
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
})
const { seed, cluster, atomic } = values
if (atomic !== 'auto' && atomic !== 'transactions' && atomic !== 'off')
  throw new Error(`--atomic is auto, transactions or off, not ${atomic}`)
const begun = Date.now()
const result = await runBench({
  seed: Number(seed),
  minutes: Number(values.minutes),
  major: values.pg === undefined ? undefined : Number(values.pg),
  release: values.nats as NatsRelease | undefined,
  cluster,
  bigRows: Number(values.big),
  only: values.only.split(',').filter(part => part !== ''),
  window: Number(values.window),
  atomic,
  disks: true,
  say: text => console.log(`${new Date().toISOString()} ${text}`),
})
const { lines, kept } = report(result)
if (kept) rmSync(dirname(result.journal), { recursive: true, force: true })
const place = `PostgreSQL ${values.pg ?? 'newest'}, nats-server ${values.nats ?? 'newest'}${cluster ? ' (3, replicas = 3)' : ''}`
console.log(
  `\nseed ${seed}, ${place}, atomic ${atomic}, ${((Date.now() - begun) / 60_000).toFixed(1)} minutes`,
)
for (const line of lines) console.log(line)
process.exitCode = kept ? 0 : 1
