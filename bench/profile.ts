/**
 * What a CPU profile of the daemon says, in microseconds an event: `profile.js FILE EVENTS [LINES]`. The profile comes
 * from the benchmark: `npm run bench -- --runs 1 --no-limits --node-flag=--cpu-prof --node-flag=--cpu-prof-dir=FOLDER`;
 * the larger of its files is the run over the whole backlog.
 */
import { readFileSync } from 'node:fs'

/** https://nodejs.org/api/cli.html#--cpu-prof */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  /** Microseconds. */
  readonly timeDeltas: readonly number[]
}

const [file = '', events = '', lines = '30'] = process.argv.slice(2)
const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as CpuProfile
const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
const spent = new Map<string, number>()
for (const [i, id] of samples.entries()) {
  const name = names.get(id)!
  if (name !== '(idle)') spent.set(name, (spent.get(name) ?? 0) + timeDeltas[i]! / Number(events))
}
const all = [...spent.values()].reduce((sum, us) => sum + us, 0)
for (const [name, us] of [...spent].sort((a, b) => b[1] - a[1]).slice(0, Number(lines))) {
  console.log(`${us.toFixed(2).padStart(6)}  ${name}`)
}
console.log(`${all.toFixed(2).padStart(6)}  all, start-up included`)

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const place = url.replace(/^.*\/(?=(src|node_modules)\/)/, '')
  return place === '' ? functionName : `${functionName || '(anonymous)'} ${place}:${lineNumber + 1}`
}
