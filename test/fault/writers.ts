/**
 * The workload: several sessions that write what applications write, at random but seeded. A session whose connection
 * breaks opens another one; what was committed is for the witness to say.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Random } from '../sim/random.ts'
import { ACTIONS, type Action, bigTransaction } from './actions.ts'

export interface WorkloadOptions {
  /** Not through a proxy: what is written must not depend on the faults of the network. */
  readonly url: string
  readonly random: Random
  /** Rows of one huge transaction, written once; 0: none. */
  readonly bigRows: number
}

/** Between two actions of the quick session. */
const LONGEST_PAUSE_MS = 40
const SLOW_SESSIONS = 2

export class Workload {
  /** What was tried, by name of the action. */
  readonly counts = new Map<string, number>()
  readonly #options: WorkloadOptions
  readonly #stop = new AbortController()
  #idleUntil = 0
  #sessions: readonly Promise<void>[] = []

  constructor(options: WorkloadOptions) {
    this.#options = options
  }

  start(): void {
    const { random, bigRows } = this.#options
    const seeds = Array.from({ length: SLOW_SESSIONS }, () => random.bits())
    this.#sessions = [
      this.#session(random.bits(), session => this.#quick(session, bigRows)),
      ...seeds.map(seed => this.#session(seed, session => this.#slow(session))),
    ]
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#sessions)
  }

  async #session(seed: number, work: (session: Session) => Promise<void>): Promise<void> {
    const session = new Session(
      this.#options.url,
      new (this.#options.random.constructor as typeof Random)(seed),
    )
    while (!this.#stop.signal.aborted) {
      try {
        await work(session)
      } catch {
        // The server restarts, or refuses this one: a lost transaction is a rollback.
        await session.close()
        await sleep(100)
      }
    }
    await session.close()
  }

  async #quick(session: Session, bigRows: number): Promise<void> {
    const { random } = session
    if (bigRows > 0 && !this.counts.has('big')) {
      await sleep(5_000)
      await this.#run(session, bigTransaction(bigRows))
    }
    await this.#pause(random.below(LONGEST_PAUSE_MS))
    if (random.chance(0.002)) {
      this.#idleUntil = Date.now() + 1_000 + random.below(4_000)
      this.#count('idle')
    }
    await this.#run(session, pickAction(random))
  }

  /** Opens a transaction, writes a little now and then, and commits late or never. */
  async #slow(session: Session): Promise<void> {
    const { random } = session
    const client = await session.client()
    await client.query('BEGIN')
    const writes = 1 + random.below(4)
    for (let write = 0; write < writes && !this.#stop.signal.aborted; write++) {
      await client.query(`INSERT INTO tb_copy (a, b) SELECT g, 'slow' FROM generate_series(1, $1) g`, [
        1 + random.below(20),
      ])
      if (random.chance(0.3)) {
        await client.query(`SAVEPOINT s; INSERT INTO tb_trunc (a) VALUES (-1); ROLLBACK TO s`)
      }
      await this.#pause(random.below(1_500))
    }
    this.#count('slow')
    await client.query(random.chance(0.8) ? 'COMMIT' : 'ROLLBACK')
  }

  async #run(session: Session, action: Action): Promise<void> {
    this.#count(action.name)
    await action.run(await session.client(), session.random)
  }

  async #pause(ms: number): Promise<void> {
    const until = Math.max(Date.now() + ms, this.#idleUntil)
    while (Date.now() < until && !this.#stop.signal.aborted) await sleep(Math.min(50, until - Date.now()))
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }
}

class Session {
  readonly random: Random
  readonly #url: string
  #client: pg.Client | null = null

  constructor(url: string, random: Random) {
    this.#url = url
    this.random = random
  }

  async client(): Promise<pg.Client> {
    if (this.#client === null) {
      const client = new pg.Client({ connectionString: this.#url, connectionTimeoutMillis: 5_000 })
      client.on('error', () => {})
      await client.connect()
      await client.query(`SET lock_timeout = '2s'; SET deadlock_timeout = '200ms'`)
      this.#client = client
    }
    return this.#client
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = null
    await client?.end().catch(() => {})
  }
}

function pickAction(random: Random): Action {
  const total = ACTIONS.reduce((sum, { weight }) => sum + weight, 0)
  let at = random.below(total)
  for (const action of ACTIONS) {
    at -= action.weight
    if (at < 0) return action
  }
  return ACTIONS.at(-1)!
}
