/** One whole run: the servers, the scenarios one after the other, and all figures at the end. */
import { describeMachine, type Machine } from './machine.ts'
import type { Options, ScenarioName } from './options.ts'
import { type BacklogResult, runBacklog } from './scenario-backlog.ts'
import { type IdleResult, runIdle } from './scenario-idle.ts'
import { type MemoryResult, runMemory } from './scenario-memory.ts'
import { runSteady, type SteadyResult } from './scenario-steady.ts'
import { type Servers, startServers } from './servers.ts'

export interface BenchResult {
  readonly machine: Machine
  readonly options: Options
  readonly backlogs: BacklogResult[]
  readonly steady: SteadyResult[]
  readonly memory: MemoryResult[]
  readonly idle: IdleResult[]
}

/** `say`: what is being done, one line each. Leaves nothing running. */
export async function runBench(options: Options, say: (text: string) => void): Promise<BenchResult> {
  const servers = await startServers(options)
  try {
    const machine = describeMachine(servers.versions)
    const result: BenchResult = { machine, options, backlogs: [], steady: [], memory: [], idle: [] }
    for (const scenario of options.scenarios) await runScenario(servers, scenario, result, say)
    return result
  } finally {
    await servers.stop()
  }
}

async function runScenario(
  servers: Servers,
  scenario: ScenarioName,
  result: BenchResult,
  say: (text: string) => void,
): Promise<void> {
  const { options } = result
  switch (scenario) {
    case 'backlog-one-tx':
      result.backlogs.push(await runBacklog(servers, scenario, 'one', options, say))
      break
    case 'backlog-many-tx':
      result.backlogs.push(await runBacklog(servers, scenario, 'many', options, say))
      break
    case 'mid':
    case 'mixed':
      result.backlogs.push(await runBacklog(servers, scenario, scenario, options, say))
      break
    case 'steady':
      result.steady.push(...(await runSteady(servers, options, say)))
      break
    case 'huge-tx':
    case 'stalled':
      result.memory.push(await runMemory(servers, scenario, options, say))
      break
    case 'idle':
      result.idle.push(await runIdle(servers, options, say))
      break
    default:
      scenario satisfies never
  }
}
