/** What the figures were made on. */
import { cpus, release, totalmem, type } from 'node:os'

export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGib: number
  readonly system: string
  readonly node: string
  readonly postgres: string
  readonly nats: string
}

export function describeMachine(versions: { readonly postgres: string; readonly nats: string }): Machine {
  const all = cpus()
  return {
    processor: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGib: Math.round(totalmem() / 1024 ** 3),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    ...versions,
  }
}

export function machineText(machine: Machine): string {
  const { processor, cores, memoryGib, system, node, postgres, nats } = machine
  return `${processor}, ${cores} cores, ${memoryGib} GiB, ${system}; Node ${node}, PostgreSQL ${postgres}, nats-server ${nats}`
}
