/**
 * Memory over time: in one huge transaction, with rows of up to 450 kB, and with a sink that stands still in the middle of a drain (nats-server is
 * stopped for four seconds, as a machine that swaps or a disk that hangs would stop it). All rows must arrive once.
 */
import { contentOf, writeBacklog } from './backlog.ts'
import { deleteStreams, runDaemon } from './daemon-run.ts'
import type { Options } from './options.ts'
import type { Program } from './program.ts'
import type { Servers } from './servers.ts'
import { memoryMib } from './usage.ts'

export interface MemorySample {
  readonly seconds: number
  readonly mib: number
}

export interface MemoryRun {
  readonly name: string
  readonly seconds: number
  readonly peakMib: number
  /** Between a tenth and the end of the time: what it grew by, from the mean of one quarter to that of the last. */
  readonly growthMib: number
  readonly samples: readonly MemorySample[]
}

export interface MemoryResult {
  readonly scenario: 'huge-tx' | 'large-rows' | 'stalled'
  readonly rows: number
  readonly runs: readonly MemoryRun[]
}

const SAMPLE_MS = 100
const STALL_MS = 4_000

export async function runMemory(
  servers: Servers,
  scenario: MemoryResult['scenario'],
  options: Options,
  say: (text: string) => void,
): Promise<MemoryResult> {
  const rows = {
    'huge-tx': options.hugeRows,
    'large-rows': Math.ceil(options.rows / 30),
    stalled: options.rows,
  }[scenario]
  say(`${scenario}: writing ${rows} rows`)
  const backlog = await writeBacklog(servers, contentOf(scenario === 'large-rows' ? 'large' : 'one'), rows)
  const runs: MemoryRun[] = []
  try {
    for (let run = 1; run <= (scenario === 'huge-tx' ? 1 : options.runs); run++) {
      for (const build of options.builds) {
        for (const entity of options.entities) {
          await deleteStreams(servers)
          const samples: MemorySample[] = []
          const watch = scenario === 'stalled' ? stallOnce(servers, rows) : () => {}
          const sampler = sampleMemory(samples)
          const watchBoth = (program: Program, stored: number): void => {
            sampler.watch(program)
            watch(program, stored)
          }
          const settings = { build, entity, options }
          const cost = await runDaemon(servers, backlog, 'all', settings, watchBoth).finally(sampler.stop)
          const { seconds, peakMib } = cost
          const name = `${build.name}, ${entity}`
          runs.push({ name, seconds, peakMib, growthMib: growth(samples), samples })
          say(`${scenario} ${run}: ${name} ${seconds.toFixed(1)} s, peak ${peakMib.toFixed(0)} MiB`)
        }
      }
    }
    return { scenario, rows, runs }
  } finally {
    await deleteStreams(servers)
    await backlog.close()
  }
}

function sampleMemory(samples: MemorySample[]): { watch(program: Program): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined
  return {
    watch({ pid, startedAt }) {
      timer ??= setInterval(() => {
        try {
          const mib = memoryMib(pid).now
          // NaN: the process is just ending.
          if (Number.isFinite(mib)) samples.push({ seconds: (Date.now() - startedAt) / 1000, mib })
        } catch {
          // It ended between two looks.
        }
      }, SAMPLE_MS)
    },
    stop: () => clearInterval(timer),
  }
}

/** When a third of the rows is stored. */
function stallOnce({ nats }: Servers, rows: number): (program: Program, stored: number) => void {
  let stalled = false
  return (_, stored) => {
    if (stalled || stored < rows / 3) return
    stalled = true
    nats.freeze()
    setTimeout(() => nats.thaw(), STALL_MS)
  }
}

function growth(samples: readonly MemorySample[]): number {
  const steady = samples.slice(Math.floor(samples.length / 10))
  const quarter = Math.max(1, Math.floor(steady.length / 4))
  const mean = (part: readonly MemorySample[]) =>
    part.reduce((sum, { mib }) => sum + mib, 0) / Math.max(1, part.length)
  return mean(steady.slice(-quarter)) - mean(steady.slice(0, quarter))
}
