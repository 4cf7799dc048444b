/**
 * Runs one schedule: its steps, then the end of all faults, then everything that is due until nothing is left to do.
 * What the daemons left in the streams is compared with the WAL while it happens (oracle.ts) and once more at the end.
 */
import type { Core } from './core.ts'
import type { Counts } from './oracle.ts'
import { type Broken, Violation } from './oracle.ts'
import type { Schedule } from './schedule.ts'
import { ACTIONS, free, pass, round, thaw } from './steps.ts'
import { World } from './world.ts'

export interface RunOptions {
  readonly strict?: boolean
  /** Filled with what happens, in words. */
  readonly trace?: string[]
}

export interface Outcome {
  /** null: every promise was kept. */
  readonly broken: Broken | null
  readonly message: string
  readonly counts: Counts
  readonly resumes: ReadonlyMap<string, number>
  readonly messages: number
}

/** So many rounds after the last fault must do; each message may cost two slots that write in turns some of them. */
const ROUNDS = 300
const ROUNDS_PER_MESSAGE = 10

export function runSchedule({ setting, steps }: Schedule, core: Core, options: RunOptions = {}): Outcome {
  const { strict = false, trace = null } = options
  const world = new World(setting, core, { strict, trace })
  let broken: Broken | null = null
  let message = ''
  try {
    world.slots.forEach((_, slot) => {
      world.start(slot).connect()
    })
    for (const { kind, x, y } of steps) ACTIONS[kind](world, x, y)
    finish(world)
  } catch (error) {
    broken = error instanceof Violation ? error.broken : 'exception'
    message =
      error instanceof Error ? (broken === 'exception' ? String(error.stack) : error.message) : String(error)
  }
  const { counts } = world.oracle
  return { broken, message, counts, resumes: world.resumes, messages: world.wal.messages.length }
}

function finish(world: World): void {
  world.trace?.push('all faults end')
  if (!world.setting.lateGhosts) deliverGhosts(world)
  drain(world)
  if (world.ghosts.length > 0) {
    deliverGhosts(world)
    drain(world)
  }
  world.oracle.finished(world.wal.messages)
  if (world.plain) compare(world)
}

function drain(world: World): void {
  const rounds = ROUNDS + ROUNDS_PER_MESSAGE * world.wal.messages.length
  for (let left = rounds; left > 0; left--) {
    free(world)
    let moved = false
    for (const [index, slot] of world.slots.entries()) if (slot.holder === null) world.start(index)
    for (const daemon of [...world.daemons]) {
      thaw(world, daemon)
      if (daemon.alive && !daemon.connected) daemon.connect()
      if (daemon.alive) moved = round(world, daemon) || moved
      if (daemon.alive) daemon.keepalive()
    }
    if (!moved && isDone(world)) return
    pass(world, moved ? 10 : 200)
  }
  throw new Violation('never done', `after ${rounds} rounds without a fault: ${whatIsLeft(world)}`)
}

function isDone(world: World): boolean {
  if (world.slots.some(slot => slot.holder === null)) return false
  return world.daemons.every(daemon => {
    const { state, inFlight, window } = daemon.publisher
    if (state !== 'open' || inFlight > 0) return false
    // A daemon that lost its slot in mid-transaction waits for its end, if it sends transactions whole.
    if (!daemon.holds && world.setting.batches === 'always') return true
    return window.size === 0 && window.bytes === 0 && (!daemon.holds || daemon.confirmed === world.wal.end)
  })
}

function whatIsLeft(world: World): string {
  const left = world.daemons.map(({ name, publisher, confirmed, holds }) => {
    const { state, reason, window, inFlight } = publisher
    const progress = holds ? `, confirmed ${confirmed} of ${world.wal.end}` : ''
    return `${name} is ${state} (${reason}), ${window.size} in the window, ${inFlight} in flight${progress}`
  })
  return left.join('; ')
}

function deliverGhosts(world: World): void {
  for (const pipe of world.ghosts.splice(0)) for (const packet of pipe) world.deliver(packet)
}

/** Nothing excuses anything: each stream holds its messages as the WAL has them, and no other. */
function compare(world: World): void {
  world.streams.forEach((stream, index) => {
    const held: number[] = []
    for (let sequence = 1; sequence <= stream!.lastSequence; sequence++) {
      const content = stream!.get(sequence)!.message
      held.push(content.foreign ? -1 : content.message.number)
    }
    const wanted = world.wal.items
      .flatMap(item => item.changes.flat())
      .filter(message => message.stream === index)
      .map(message => message.number)
    if (held.join() === wanted.join()) return
    const name = world.streamNames[index]
    throw new Violation('order', `${name} holds ${held}, and the WAL ${wanted}`)
  })
}
