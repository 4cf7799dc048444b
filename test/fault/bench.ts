/**
 * One run of the fault bench: a workload, faults one after the other (sometimes two at once), and at the end the
 * checker's verdict. The daemon is started again only where the fault itself was its end.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../sim/random.ts'
import { DAEMON_FAULTS } from './faults/daemon.ts'
import type { Fault, Stage } from './faults/fault.ts'
import { NATS_FAULTS } from './faults/nats.ts'
import { NETWORK_FAULTS } from './faults/network.ts'
import { POSTGRES_FAULTS } from './faults/postgres.ts'
import { STREAM_FAULTS } from './faults/stream.ts'
import { judge, type Verdict } from './ledger.ts'
import { StreamReader } from './reader.ts'
import { Sampler } from './sampler.ts'
import { type Expected, Witness } from './witness.ts'
import { DUPLICATE_WINDOW_SECONDS, STREAM, World, type WorldOptions } from './world.ts'
import { Workload } from './writers.ts'

export interface BenchOptions extends WorldOptions {
  readonly seed: number
  readonly minutes: number
  readonly bigRows: number
  /** Part of the names of the faults to have; all if empty. */
  readonly only: readonly string[]
  readonly say: (text: string) => void
}

export interface Result {
  readonly verdict: Verdict
  readonly faults: ReadonlyMap<string, number>
  readonly actions: ReadonlyMap<string, number>
  /** From the end of the last fault to all being confirmed, milliseconds. */
  readonly recoveries: readonly { readonly fault: string; readonly ms: number }[]
  readonly takeovers: readonly number[]
  readonly peakBytes: number
  /** Violations that are not about messages. */
  readonly complaints: readonly string[]
  /** Stored, acknowledged, and gone: what the daemon has no part in. */
  readonly lostByBroker: readonly string[]
  /** File of all that happened. */
  readonly journal: string
}

/** Without a person, at the latest; */
const RECOVERY_LIMIT_MS = 60_000
/** and so much longer for each row of the one huge transaction, which it may have to send again from the start. */
const ROW_MS = 0.2
export const MEMORY_BOUND_BYTES = 136 * 1024 * 1024
const FAULTS = [...DAEMON_FAULTS, ...POSTGRES_FAULTS, ...NATS_FAULTS, ...NETWORK_FAULTS, ...STREAM_FAULTS]

export async function runBench(options: BenchOptions): Promise<Result> {
  const world = await World.make(options)
  const bench = new Bench(world, options)
  try {
    await bench.prepare()
    await bench.play()
    return await bench.finish()
  } finally {
    await bench.end()
    await world.end()
  }
}

class Bench {
  readonly #world: World
  readonly #options: BenchOptions
  readonly #random: Random
  readonly #committed: Expected[] = []
  readonly #counts = new Map<string, number>()
  readonly #picked = new Set<string>()
  readonly #recoveries: { fault: string; ms: number }[] = []
  readonly #takeovers: number[] = []
  readonly #workload: Workload
  readonly #witness: Witness
  readonly #reader: StreamReader
  readonly #sampler: Sampler
  readonly #recoveryLimitMs: number
  #lastFault = 'start'

  constructor(world: World, options: BenchOptions) {
    this.#world = world
    this.#options = options
    this.#random = new Random(options.seed)
    this.#recoveryLimitMs = RECOVERY_LIMIT_MS + options.bigRows * ROW_MS
    this.#workload = new Workload({
      url: world.url,
      random: new Random(options.seed + 1),
      bigRows: options.bigRows,
    })
    this.#witness = new Witness({
      url: world.url,
      onChanges: changes => {
        for (const change of changes) this.#committed.push(change)
      },
    })
    this.#reader = new StreamReader(world.nc, STREAM)
    this.#sampler = new Sampler(world.url, world.daemons)
  }

  async prepare(): Promise<void> {
    this.#world.startDaemon()
    this.#sampler.start()
    if ((await this.#sampler.caughtUp(this.#recoveryLimitMs)) === null) {
      throw new Error(`the daemon does not start:\n${this.#world.daemon.tell()}`)
    }
    await this.#witness.start()
    this.#reader.start()
    this.#workload.start()
    await sleep(1_000)
  }

  async play(): Promise<void> {
    const { minutes, cluster, only } = this.#options
    const place = cluster ? 'cluster' : 'single'
    const faults = FAULTS.filter(
      ({ name, where }) =>
        (where ?? place) === place && (only.length === 0 || only.some(part => name.includes(part))),
    )
    const deadline = Date.now() + minutes * 60_000
    while (Date.now() < deadline) {
      const first = this.#pick(faults)
      const second = this.#random.chance(0.3) ? this.#pick(faults) : null
      const both = second !== null && !second.touches.some(part => first.touches.includes(part))
      await Promise.all([
        this.#cause(first, 0),
        both ? this.#cause(second, this.#random.below(1_500)) : undefined,
      ])
      this.#checkRunning()
      if (this.#random.chance(0.4)) await this.#recover()
      else await sleep(this.#random.below(2_500))
    }
  }

  async finish(): Promise<Result> {
    await this.#workload.stop()
    await this.#recover()
    await this.#witness.stop()
    await this.#sampler.caughtUp(this.#recoveryLimitMs)
    await this.#reader.caughtUp()
    await this.#reader.stop()
    await this.#reader.compareWithStream()
    const verdict = judge(this.#committed, this.#reader.messages, this.#sampler.samples, {
      window: this.#options.window,
      duplicateWindowMs: DUPLICATE_WINDOW_SECONDS * 1000,
    })
    const { daemons, complaints } = this.#world
    const peakBytes = Math.max(...daemons.map(daemon => daemon.peakBytes))
    const memory =
      peakBytes <= MEMORY_BOUND_BYTES ? [] : [`the daemon took ${(peakBytes / 2 ** 20).toFixed(0)} MiB`]
    return {
      verdict,
      faults: this.#counts,
      actions: this.#workload.counts,
      recoveries: this.#recoveries,
      takeovers: this.#takeovers,
      peakBytes,
      complaints: [...complaints, ...memory],
      lostByBroker: [...this.#reader.lostByBroker, ...this.#reader.skipped.map(text => `SKIPPED ${text}`)],
      journal: this.#world.journal,
    }
  }

  async end(): Promise<void> {
    await Promise.all([this.#workload.stop(), this.#reader.stop(), this.#sampler.stop()])
  }

  /** Each comes once before any comes twice, so that a short run sees much. */
  #pick(all: readonly Fault[]): Fault {
    const unseen = all.filter(({ name }) => !this.#picked.has(name))
    const faults = unseen.length === 0 ? all : unseen
    let at = this.#random.below(faults.reduce((sum, { weight }) => sum + weight, 0))
    let index = 0
    while (at >= faults[index]!.weight) at -= faults[index++]!.weight
    const picked = faults[index]!
    this.#picked.add(picked.name)
    return picked
  }

  async #cause(fault: Fault, afterMs: number): Promise<void> {
    await sleep(afterMs)
    const { name, needs } = fault
    // Left out only now, so that a seed means the same everywhere.
    if (needs !== undefined && this.#world[needs].length === 0) return
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    this.#lastFault = name
    this.#options.say(name)
    this.#world.note(`FAULT ${name}`)
    const stage: Stage = {
      world: this.#world,
      reader: this.#reader,
      random: new Random(this.#random.bits()),
      takeovers: this.#takeovers,
    }
    await fault.run(stage).catch(error => this.#world.complain(`${name}: ${(error as Error).stack}`))
    this.#world.note(`HEALED ${name}`)
  }

  /** Who ended by itself is told, and started again so that the run goes on. */
  #checkRunning(): void {
    const { daemon } = this.#world
    if (daemon.running) return
    this.#world.complain(`${daemon.name} ended by itself: ${daemon.ended}\n${daemon.tell(30)}`)
    this.#world.startDaemon()
  }

  async #recover(): Promise<void> {
    const ms = await this.#sampler.caughtUp(this.#recoveryLimitMs)
    this.#checkRunning()
    if (ms !== null) {
      this.#recoveries.push({ fault: this.#lastFault, ms })
      return
    }
    const { daemon } = this.#world
    this.#world.complain(
      `not recovered within ${this.#recoveryLimitMs} ms after "${this.#lastFault}"\n${daemon.tell(40)}`,
    )
    await daemon.end('SIGKILL')
    this.#world.startDaemon()
    await this.#sampler.caughtUp(this.#recoveryLimitMs)
  }
}
