/**
 * Looks at the slot some ten times a second: how far is confirmed, and how far is the WAL. From that comes whether
 * anything was confirmed early, and when the daemon has caught up after a fault.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { DaemonProcess } from './daemon-process.ts'
import type { Sample } from './ledger.ts'
import { parseLsn } from './witness.ts'
import { SLOT } from './world.ts'

const SAMPLE_MS = 100

export class Sampler {
  readonly samples: Sample[] = []
  /** Position of the WAL at the last look; 0: none yet. */
  walAt = 0n
  confirmed = 0n
  readonly #url: string
  readonly #daemons: readonly DaemonProcess[]
  #client: pg.Client | null = null
  #stopping = false
  #running: Promise<void> = Promise.resolve()

  constructor(url: string, daemons: readonly DaemonProcess[]) {
    this.#url = url
    this.#daemons = daemons
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
    await this.#client?.end().catch(() => {})
  }

  /** Waits until all that is committed now is confirmed. Returns how long that took; null: not within the limit. */
  async caughtUp(limitMs: number): Promise<number | null> {
    const begun = Date.now()
    let target: bigint | null = null
    while (Date.now() - begun < limitMs) {
      const looks = this.samples.length
      while (this.samples.length === looks && Date.now() - begun < limitMs) await sleep(20)
      target ??= this.walAt
      if (this.confirmed >= target && this.samples.length > looks) return Date.now() - begun
    }
    return null
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      await this.#look().catch(async () => {
        await this.#client?.end().catch(() => {})
        this.#client = null
      })
      for (const daemon of this.#daemons) daemon.lookAtMemory()
      await sleep(SAMPLE_MS)
    }
  }

  async #look(): Promise<void> {
    if (this.#client === null) {
      const client = new pg.Client({ connectionString: this.#url, connectionTimeoutMillis: 2_000 })
      client.on('error', () => {})
      await client.connect()
      this.#client = client
    }
    const { rows } = await this.#client.query(
      `SELECT confirmed_flush_lsn::text AS confirmed, pg_current_wal_flush_lsn()::text AS wal
       FROM pg_replication_slots WHERE slot_name = $1`,
      [SLOT],
    )
    if (rows[0]?.confirmed == null) return
    this.walAt = parseLsn(rows[0].wal)
    this.confirmed = parseLsn(rows[0].confirmed)
    // The clock shows whole milliseconds that are over.
    this.samples.push({ at: Date.now() + 1, confirmed: this.confirmed })
  }
}
