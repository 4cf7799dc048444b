/**
 * The benchmark: `npm run bench -- --help`. It starts its own PostgreSQL and nats-server, measures the daemon as a
 * process beside the limits that both servers set in the same run, and ends everything it started.
 */
import { writeFileSync } from 'node:fs'
import { DAEMON_MAIN } from './daemon-run.ts'
import { describeMachine, machineText } from './machine.ts'
import { HELP, type Options, parseOptions } from './options.ts'
import { type BacklogResult, runBacklog } from './scenario-backlog.ts'
import { type Servers, startServers } from './servers.ts'
import { backlogTable } from './table.ts'

const say = (text: string): void => console.error(text)

const options = parseOptions(process.argv.slice(2), DAEMON_MAIN)
// Ending at once is enough: whatever was started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
if (options === null) console.log(HELP)
else await main(options)

async function main(options: Options): Promise<void> {
  const servers = await startServers(options)
  try {
    const machine = describeMachine(servers.versions)
    console.log(`${machineText(machine)}; fsync ${options.fsync ? 'on' : 'off'}\n`)
    const backlogs: BacklogResult[] = []
    for (const scenario of options.scenarios) await runScenario(servers, scenario, options, backlogs)
    const results = { machine, options, backlogs }
    if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
  } finally {
    await servers.stop()
  }
}

async function runScenario(
  servers: Servers,
  scenario: Options['scenarios'][number],
  options: Options,
  backlogs: BacklogResult[],
): Promise<void> {
  const shapes = { 'backlog-one-tx': 'one', 'backlog-many-tx': 'many', mid: 'mid', mixed: 'mixed' } as const
  if (!(scenario in shapes)) return
  const result = await runBacklog(servers, scenario, shapes[scenario as keyof typeof shapes], options, say)
  backlogs.push(result)
  console.log(backlogTable(result))
}
