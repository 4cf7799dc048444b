/**
 * The benchmark: `npm run bench -- --help`. It starts its own PostgreSQL and nats-server, measures the daemon as a
 * process beside the limits that both servers set in the same run, and ends everything it started.
 */
import { writeFileSync } from 'node:fs'
import { commandLine } from '../test/kit/command-line.ts'
import { runBench } from './bench.ts'
import { DAEMON_MAIN } from './daemon-run.ts'
import { machineText } from './machine.ts'
import { FLAGS, HELP, type Options, readOptions } from './options.ts'
import { plot } from './plot.ts'
import { backlogTable, idleTable, memoryTable, steadyTable } from './table.ts'

// Ending at once is enough: whatever was started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
await main(commandLine(HELP, FLAGS, values => readOptions(values, DAEMON_MAIN)))

async function main(options: Options): Promise<void> {
  const result = await runBench(options, text => console.error(text))
  const { machine, backlogs, steady, steadyLimits, memory, idle } = result
  const caption = `${machineText(machine)}; fsync ${options.fsync ? 'on' : 'off'}, ${options.runs} runs`
  console.log(`\n${caption}\n`)
  for (const each of backlogs) console.log(backlogTable(each))
  if (steady.length > 0) console.log(steadyTable(steady, steadyLimits))
  for (const each of memory) console.log(memoryTable(each))
  for (const each of idle) console.log(idleTable(each))
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
  if (options.svg !== null) writeFileSync(options.svg, plot(caption, backlogs, memory))
}
