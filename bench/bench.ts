/** One whole run: the servers, the scenarios one after the other, and all figures at the end. */
import { contentOf, manyTables } from './backlog.ts'
import { describeMachine, type Machine } from './machine.ts'
import type { Options, ScenarioName } from './options.ts'
import { type BacklogResult, runBacklog } from './scenario-backlog.ts'
import { type IdleResult, runIdle } from './scenario-idle.ts'
import { type MemoryResult, runMemory } from './scenario-memory.ts'
import { runSteady, type SteadyLimit, type SteadyResult } from './scenario-steady.ts'
import { type Servers, startServers } from './servers.ts'

const SCALES = [
  [1, false],
  [1_000, false],
  [1_000, true],
  [2_000, false],
] as const

export interface BenchResult {
  readonly machine: Machine
  readonly options: Options
  readonly backlogs: BacklogResult[]
  readonly steady: SteadyResult[]
  readonly steadyLimits: SteadyLimit[]
  readonly memory: MemoryResult[]
  readonly idle: IdleResult[]
}

/** `say`: what is being done, one line each. Leaves nothing running. */
export async function runBench(options: Options, say: (text: string) => void): Promise<BenchResult> {
  const servers = await startServers(options)
  try {
    const machine = describeMachine(servers.versions)
    const results = { backlogs: [], steady: [], steadyLimits: [], memory: [], idle: [] }
    const result: BenchResult = { machine, options, ...results }
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
      result.backlogs.push(await runBacklog(servers, scenario, contentOf('one'), options, say))
      break
    case 'backlog-many-tx':
      result.backlogs.push(await runBacklog(servers, scenario, contentOf('many'), options, say))
      break
    case 'mid':
      result.backlogs.push(await runBacklog(servers, scenario, contentOf('mid'), options, say))
      break
    case 'mixed': {
      const rows = Math.max(10, Math.floor(options.rows / 3))
      result.backlogs.push(await runBacklog(servers, scenario, contentOf('mixed'), { ...options, rows }, say))
      break
    }
    case 'scale':
      for (const [tables, ruled] of SCALES) {
        const name = `${tables} tables, ${ruled ? `${tables} rules` : 'no rules'}`
        const content = manyTables(tables, ruled)
        result.backlogs.push(await runBacklog(servers, name, content, { ...options, limits: false }, say))
      }
      break
    case 'steady': {
      const { results, limits } = await runSteady(servers, options, say)
      result.steady.push(...results)
      result.steadyLimits.push(...limits)
      break
    }
    case 'huge-tx':
    case 'large-rows':
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
