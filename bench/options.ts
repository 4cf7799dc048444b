/**
 * What a run of the benchmark is told on its command line. `npm run bench -- --help` prints the list below.
 */
import type { ParseArgsConfig, parseArgs } from 'node:util'
import { oneOf, wholeOf } from '../test/kit/command-line.ts'

export const SCENARIOS = [
  'backlog-one-tx',
  'backlog-many-tx',
  'mid',
  'mixed',
  'steady',
  'huge-tx',
  'large-rows',
  'stalled',
  'idle',
  'scale',
] as const
/** How messages are stored: as a fresh nats-server does; synced each; on three servers. */
export const STORES = ['default', 'sync-always', 'replicated'] as const
export type StoreName = (typeof STORES)[number]
export type ScenarioName = (typeof SCENARIOS)[number]

/** A build of the daemon; several are compared in the same run. */
export interface Build {
  readonly name: string
  /** Its main.js. */
  readonly main: string
  /** NAME=VALUE. */
  readonly env: readonly string[]
}

export interface Options {
  readonly scenarios: readonly ScenarioName[]
  readonly runs: number
  readonly rows: number
  readonly hugeRows: number
  readonly seconds: number
  readonly warmUp: number
  readonly rates: readonly number[]
  readonly entities: readonly ('omit' | 'copy')[]
  readonly builds: readonly Build[]
  /** Without the limits of the run, to compare builds quickly. */
  readonly limits: boolean
  readonly store: StoreName
  readonly fsync: boolean
  readonly workMem: string | null
  readonly nodeFlags: readonly string[]
  readonly env: readonly string[]
  readonly json: string | null
  readonly svg: string | null
}

export const HELP = `npm run bench -- [options]

  --scenario a,b     ${SCENARIOS.join(', ')}; default: all
  --runs N           repetitions of each, interleaved with the limits (5)
  --rows N           rows of a backlog (300000; mixed takes a third, large-rows a thirtieth)
  --huge-rows N      rows of the one transaction of huge-tx (1000000)
  --seconds N        length of each steady rate and of idle (10)
  --warm-up N        seconds of each steady rate before that (10)
  --rates a,b        events per second of steady (500,5000,20000)
  --entity a,b       [event] entity of the daemon (omit,copy)
  --daemon FILE      the main.js to measure (this build's)
  --build NAME=FILE  another main.js to measure beside this one; may be repeated
  --variant NAME,KEY=VALUE   the daemon with this in its environment, beside the one without; may be repeated
  --store NAME       ${STORES.join(', ')}: nats-server as it comes, with sync_interval always, or three of
                     them and three replicas
  --no-limits        only the daemon
  --no-fsync         PostgreSQL with fsync and full_page_writes off
  --work-mem SIZE    logical_decoding_work_mem (PostgreSQL's default)
  --node-flag=FLAG   for the daemon's node, such as --cpu-prof; may be repeated
  --env NAME=VALUE   for the daemon; may be repeated
  --json FILE        all figures of all runs
  --svg FILE         the plot
`

/** https://nodejs.org/api/util.html#utilparseargsconfig */
export const FLAGS = {
  scenario: { type: 'string', default: SCENARIOS.join(',') },
  runs: { type: 'string', default: '5' },
  rows: { type: 'string', default: '300000' },
  'huge-rows': { type: 'string', default: '1000000' },
  seconds: { type: 'string', default: '10' },
  'warm-up': { type: 'string', default: '10' },
  rates: { type: 'string', default: '500,5000,20000' },
  entity: { type: 'string', default: 'omit,copy' },
  daemon: { type: 'string' },
  build: { type: 'string', multiple: true, default: [] },
  variant: { type: 'string', multiple: true, default: [] },
  store: { type: 'string', default: 'default' },
  'no-limits': { type: 'boolean', default: false },
  'no-fsync': { type: 'boolean', default: false },
  'work-mem': { type: 'string' },
  'node-flag': { type: 'string', multiple: true, default: [] },
  env: { type: 'string', multiple: true, default: [] },
  json: { type: 'string' },
  svg: { type: 'string' },
} as const satisfies ParseArgsConfig['options']

type Values = ReturnType<typeof parseArgs<{ options: typeof FLAGS }>>['values']

/** Throws on what it does not know. `main`: the daemon of this build. */
export function readOptions(values: Values, main: string): Options {
  const daemon = values.daemon ?? main
  const builds = values.build.map(text => {
    const [name = '', ...rest] = text.split('=')
    return { name, main: rest.join('='), env: [] }
  })
  const variants = values.variant.map(text => {
    const [name = '', ...env] = text.split(',')
    return { name, main: daemon, env }
  })
  return {
    scenarios: values.scenario.split(',').map(name => oneOf('scenario', SCENARIOS, name)),
    runs: wholeOf('runs', values.runs, 1),
    rows: wholeOf('rows', values.rows, 1),
    hugeRows: wholeOf('huge-rows', values['huge-rows'], 1),
    seconds: wholeOf('seconds', values.seconds, 1),
    warmUp: wholeOf('warm-up', values['warm-up'], 1),
    rates: values.rates.split(',').map(rate => wholeOf('rates', rate, 1)),
    entities: values.entity.split(',').map(name => oneOf('entity', ['omit', 'copy'] as const, name)),
    builds: [{ name: 'daemon', main: daemon, env: [] }, ...builds, ...variants],
    store: oneOf('store', STORES, values.store),
    limits: !values['no-limits'],
    fsync: !values['no-fsync'],
    workMem: values['work-mem'] ?? null,
    nodeFlags: values['node-flag'],
    env: values.env,
    json: values.json ?? null,
    svg: values.svg ?? null,
  }
}
