/**
 * What each kind of step does to the world. `x` and `y` are any numbers; most steps choose a daemon or a stream with
 * one of them and an amount with the other. A step that finds nothing to do does nothing.
 */
import type { Daemon, Packet } from './daemon.ts'
import { refusal } from './model-stream.ts'
import type { StepKind } from './schedule.ts'
import type { World } from './world.ts'

type Action = (world: World, x: number, y: number) => void

const ALL = 1_000_000
/** Mostly what passes; 10059 ends the run. */
const REFUSALS = [503, 503, 10158, 10158, 10077, 10023, 10164, 10003, 10059]
const MOST_DAEMONS = 4

export const ACTIONS: Record<StepKind, Action> = {
  write: (world, x) => {
    const item = world.wal.write(x, world.setting.streams)
    world.trace?.push(`committed at ${item.commitLsn}: ${item.changes.flat().map(m => m.name)}`)
  },
  keepalive: (world, x, y) => {
    if (y % 2 === 0) world.wal.grow()
    awake(world, x)?.keepalive()
  },
  pump: (world, x, y) => void awake(world, x)?.pump(AMOUNTS[y % AMOUNTS.length]!),
  deliver: (world, x, y) => {
    const daemon = any(world, x)
    if (daemon !== undefined) deliver(world, daemon, AMOUNTS[y % AMOUNTS.length]!)
  },
  answer: (world, x, y) => {
    const daemon = awake(world, x)
    if (daemon !== undefined) answer(world, daemon, AMOUNTS[y % AMOUNTS.length]!)
  },
  tail: (world, x, y) => {
    const daemon = awake(world, x)
    const read = daemon?.tails[y % daemon.tails.length]
    if (daemon?.connected && read !== undefined)
      world.readTail(daemon, read, y & 64 ? ALL : 1 + ((y >>> 8) % 3))
  },
  time: (world, x) => pass(world, 5 + (x % 60)),
  status: (world, x) => {
    const daemon = awake(world, x)
    if (daemon !== undefined) report(world, daemon)
  },
  round: (world, x) => {
    const daemon = awake(world, x)
    if (daemon?.connected) round(world, daemon)
  },
  start: (world, x) => {
    const slot = x % world.slots.length
    if (world.slots[slot]!.holder === null) world.start(slot)
  },
  connect: (world, x) => {
    const daemon = awake(world, x)
    if (daemon !== undefined && !daemon.connected) daemon.connect()
  },
  'lose message': (world, x, y) => {
    const daemon = any(world, x)
    const packet = daemon?.sending.splice(y % Math.min(3, daemon.sending.length), 1)[0]
    if (packet !== undefined) world.trace?.push(`${packet.message.name} is lost on the way`)
  },
  'lose answer': (world, x, y) => {
    const daemon = any(world, x)
    const reply = daemon?.replies.splice(y % daemon.replies.length, 1)[0]
    if (reply !== undefined) world.trace?.push(`the answer on ${reply.packet.message.name} is lost`)
  },
  refuse: (world, x, y) => {
    const packet = any(world, x)?.sending.shift()
    if (packet === undefined) return
    const code = REFUSALS[y % REFUSALS.length]!
    world.trace?.push(`${packet.message.name} is refused with ${code}`)
    world.reply(packet, refusal(code))
  },
  reorder: (world, x, y) => {
    const daemon = awake(world, x)
    if (daemon === undefined || daemon.replies.length === 0) return
    world.takeReply(daemon, y % daemon.replies.length)
    if (daemon.alive) daemon.publisher.answered(world.now)
  },
  'long time': (world, x) => pass(world, [100, 150, 400, 1100, 4000][x % 5]!),
  disconnect: (world, x, y) => {
    const daemon = awake(world, x)
    if (!daemon?.connected) return
    world.trace?.push(`${daemon.name} loses its connection`)
    arriveUnheard(world, daemon, y)
    world.cut(daemon, y % 2 === 0)
    daemon.publisher.disconnected(world.now)
  },
  ghost: (world, x, y) => {
    const pipe = world.ghosts[x % world.ghosts.length]
    if (pipe === undefined) return
    for (let left = AMOUNTS[y % AMOUNTS.length]!; left > 0 && pipe.length > 0; left--)
      world.deliver(pipe.shift()!)
    if (pipe.length === 0) world.ghosts = world.ghosts.filter(other => other !== pipe)
  },
  crash: (world, x, y) => {
    const daemon = any(world, x)
    if (daemon === undefined) return
    world.trace?.push(`${daemon.name} crashes`)
    arriveUnheard(world, daemon, y)
    world.end(daemon, y % 2 === 0)
  },
  stop: (world, x, y) => {
    const daemon = awake(world, x)
    if (daemon === undefined) return
    report(world, daemon)
    world.trace?.push(`${daemon.name} stops`)
    world.end(daemon, y % 2 === 0)
  },
  'take over': (world, x, y) => {
    const slot = x % world.slots.length
    const { holder } = world.slots[slot]!
    if (holder === null || world.daemons.length >= MOST_DAEMONS) return
    world.release(holder, (y >>> 4) % 4)
    holder.frozen = y % 4 !== 0
    world.trace?.push(`${holder.name} ${holder.frozen ? 'freezes and ' : ''}loses its slot`)
    world.start(slot)
  },
  freeze: (world, x) => {
    const daemon = awake(world, x)
    if (daemon !== undefined) daemon.frozen = true
  },
  thaw: (world, x) => thaw(world, any(world, x)),
  kill: (world, x, y) => {
    const zombies = world.daemons.filter(daemon => !daemon.holds)
    const zombie = zombies[x % zombies.length]
    if (zombie !== undefined) world.end(zombie, y % 2 === 0)
  },
  foreign: (world, x) => world.publishForeign(x % world.streams.length),
  'foreign storm': (world, x, y) => {
    // Each one is noticed by a resume of its own: five of them, and the lane is shared.
    const daemon = awake(world, y)
    for (let i = 0; i < 6; i++) {
      world.publishForeign(x % world.streams.length)
      world.wal.write((x >>> 3) + i * 64, world.setting.streams)
      if (daemon?.alive && daemon.connected) for (let n = 0; n < 3; n++) round(world, daemon)
    }
  },
  purge: (world, x) => {
    world.trace?.push(`${world.streamNames[x % world.streams.length]} is purged`)
    world.streams[x % world.streams.length]?.purge()
  },
  remove: (world, x, y) => {
    const stream = world.streams[x % world.streams.length]!
    if (stream === null || stream.lastSequence === 0) return
    const sequence = stream.lastSequence - (y % Math.min(4, stream.lastSequence))
    world.trace?.push(
      `the message at ${sequence} of ${world.streamNames[x % world.streams.length]} is removed`,
    )
    stream.remove(sequence)
  },
  retire: (world, x, y) => {
    const stream = world.streams[x % world.streams.length]!
    if (stream === null) return
    const count = 1 + (y % 6)
    world.trace?.push(`${count} messages of ${world.streamNames[x % world.streams.length]} get too old`)
    for (let i = 0; i < count; i++) stream.removeOldest()
  },
  'delete stream': (world, x) => world.deleteStream(x % world.streams.length),
  'create stream': (world, x) => world.createStream(x % world.streams.length),
  fill: (world, x, y) => {
    const stream = world.streams[x % world.streams.length]!
    if (stream === null || world.setting.keptMessages > 0) return
    world.trace?.push(`${world.streamNames[x % world.streams.length]} has room for ${y % 3} messages`)
    stream.maxMessages = Math.max(1, stream.count + (y % 3))
  },
  free: world => free(world),
  'drop batches': (world, x) => {
    const index = x % world.streams.length
    world.trace?.push(`${world.streamNames[index]} forgets the batches that are not committed`)
    world.streams[index]?.dropBatches()
  },
  'fail tail': (world, x, y) => {
    const daemon = any(world, x)
    const read = daemon?.tails[y % daemon.tails.length]
    if (daemon !== undefined && read !== undefined) world.failTail(daemon, read, 'NATS_UNAVAILABLE')
  },
  'fail over': (world, x, y) => {
    world.plain = false
    world.wal.failOver(x % 4)
    const { end } = world.wal
    world.trace?.push(`a standby becomes the primary at ${end}, on timeline ${world.wal.timeline}`)
    world.oracle.failedOver(end)
    for (const daemon of world.daemons) daemon.lastItem = Math.min(daemon.lastItem, daemon.item)
    for (const slot of world.slots) {
      if (slot.confirmed > end) slot.confirmed = end
      if (slot.holder === null) continue
      if (y % 2 === 0 || world.daemons.length >= MOST_DAEMONS) world.end(slot.holder, y % 3 === 0)
      else world.release(slot.holder)
    }
  },
}

const AMOUNTS = [1, 1, 2, 3, ALL, ALL]

function any(world: World, x: number): Daemon | undefined {
  return world.daemons[x % world.daemons.length]
}

function awake(world: World, x: number): Daemon | undefined {
  const daemon = any(world, x)
  return daemon?.frozen ? undefined : daemon
}

export function deliver(world: World, daemon: Daemon, count: number): boolean {
  let packet: Packet | undefined
  let moved = false
  for (let left = count; left > 0; left--) {
    packet = daemon.sending.shift()
    if (packet === undefined) break
    world.deliver(packet)
    moved = true
  }
  return moved
}

export function answer(world: World, daemon: Daemon, count: number): boolean {
  let moved = false
  for (let left = count; left > 0 && daemon.alive && daemon.replies.length > 0; left--) {
    world.takeReply(daemon, 0)
    moved = true
  }
  if (moved && daemon.alive) daemon.publisher.answered(world.now)
  return moved
}

/** The slot learns what the daemon confirmed. */
export function report(world: World, daemon: Daemon): void {
  const slot = world.slots[daemon.slot]!
  if (!daemon.holds || daemon.confirmed <= slot.confirmed) return
  slot.confirmed = daemon.confirmed
  world.trace?.push(`slot ${daemon.slot} is confirmed up to ${slot.confirmed}`)
}

/** Everything that is due for this daemon happens, once. Returns whether there was anything. */
export function round(world: World, daemon: Daemon): boolean {
  let moved = daemon.pump(ALL)
  if (world.setting.crowded) world.streamNames.forEach((_, index) => void world.publishForeign(index))
  moved = deliver(world, daemon, ALL) || moved
  moved = answer(world, daemon, ALL) || moved
  for (const read of [...daemon.tails]) {
    if (!daemon.alive) break
    world.readTail(daemon, read, ALL)
    moved = true
  }
  if (daemon.alive) report(world, daemon)
  return moved
}

export function pass(world: World, ms: number): void {
  world.now += ms
  world.trace?.push(`${ms} ms pass`)
  for (const daemon of [...world.daemons]) {
    if (!daemon.frozen && daemon.alive) daemon.publisher.tick(world.now)
  }
}

export function thaw(world: World, daemon: Daemon | undefined): void {
  if (!daemon?.frozen) return
  daemon.frozen = false
  world.trace?.push(`${daemon.name} thaws`)
  daemon.publisher.tick(world.now)
}

export function free(world: World): void {
  if (world.setting.keptMessages > 0) return
  for (const stream of world.streams) if (stream !== null) stream.maxMessages = 0
}

/** Some of what is in the pipe is stored, and nobody hears of it. */
function arriveUnheard(world: World, daemon: Daemon, y: number): void {
  deliver(world, daemon, (y >>> 3) % 4)
}
