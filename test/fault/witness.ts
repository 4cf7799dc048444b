/**
 * The independent witness: a second slot on the same WAL, read through SQL functions all the time and decoded here,
 * without code of the program. What it gives is what must be in the stream, in this order.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Change, Decoder } from './decoder.ts'
import { RowTexts, spelled } from './row-texts.ts'
import { TABLES } from './schema.ts'

/** A committed change, as its message must be. */
export interface Expected {
  readonly msgId: string
  readonly commitLsn: bigint
  /** -1: outside a transaction. */
  readonly ordinal: number
  /** Where the transaction's commit record ends: confirmed beyond it means confirmed. */
  readonly endLsn: bigint
  /** What the message must say, in canonical JSON. */
  readonly content: string
}

export interface WitnessOptions {
  /** Not through a proxy. */
  readonly url: string
  readonly onChanges: (changes: readonly Expected[]) => void
}

type Place = readonly [lsn: bigint, ordinal: number]

const SLOT = 'fault_witness'
const POLL_MS = 300
/** A whole transaction comes at once all the same. */
const CHANGES_AT_ONCE = 5_000

export class Witness {
  readonly #options: WitnessOptions
  readonly #decoder = new Decoder()
  #client: pg.Client | null = null
  #rows: RowTexts | null = null
  #system = ''
  /** The slot moves after its changes were taken, and a crash moves it back; what comes again is known by this. */
  #seen: Place = [0n, -2]
  readonly #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()
  /** Everything committed before this position was given to `onChanges`. */
  readUpTo = 0n

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  /** Before the first change. */
  async start(): Promise<void> {
    const client = await this.#connect()
    await client.query(
      `CREATE PUBLICATION ${SLOT} FOR TABLE ${TABLES.join(', ')} WITH (publish_via_partition_root = true)`,
    )
    await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [SLOT])
    const { rows } = await client.query('SELECT system_identifier::text AS id FROM pg_control_system()')
    this.#system = BigInt(rows[0].id).toString(36)
    this.#running = this.#run()
  }

  /** Reads what there is, and ends. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    while (await this.#read());
    await this.#client?.end().catch(() => {})
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        if (!(await this.#read())) await sleep(POLL_MS)
      } catch (error) {
        if (!isServerGone(error)) throw error
        await this.#client?.end().catch(() => {})
        this.#client = null
        await sleep(POLL_MS)
      }
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#options.url, connectionTimeoutMillis: 5_000 })
    client.on('error', () => {})
    await client.connect()
    await client.query(
      "SET datestyle = ISO; SET intervalstyle = iso_8601; SET extra_float_digits = 3; SET timezone = 'UTC'; SET bytea_output = hex",
    )
    this.#client = client
    this.#rows = new RowTexts(client)
    return client
  }

  /** True: there may be more. */
  async #read(): Promise<boolean> {
    const client = this.#client ?? (await this.#connect())
    const { rows: now } = await client.query('SELECT pg_current_wal_flush_lsn()::text AS lsn')
    const upTo = parseLsn(now[0].lsn)
    const { rows } = await client.query<{ data: Buffer }>(
      `SELECT data FROM pg_logical_slot_peek_binary_changes('${SLOT}', $1, $2,
         'proto_version', '1', 'publication_names', '${SLOT}', 'messages', 'true')`,
      [now[0].lsn, CHANGES_AT_ONCE],
    )
    const decoded = rows.flatMap(({ data }) => this.#decoder.decode(data))
    const changes = decoded.filter(change => isAfter(this.#seen, change))
    const contents = await this.#rows!.contents(changes)
    this.#options.onChanges(changes.map((change, i) => this.#expected(change, contents[i]!)))
    const last = decoded.at(-1)
    if (last !== undefined) {
      if (isAfter(this.#seen, last)) this.#seen = [last.commitLsn, last.ordinal]
      await client.query('SELECT pg_replication_slot_advance($1, $2)', [SLOT, spelled(last.endLsn)])
    }
    if (rows.length < CHANGES_AT_ONCE) this.readUpTo = upTo
    return rows.length >= CHANGES_AT_ONCE
  }

  #expected({ commitLsn, ordinal, endLsn, xid }: Change, content: string): Expected {
    const lsn = commitLsn.toString(16).toUpperCase()
    const msgId = ordinal < 0 ? `${this.#system}.0.${lsn}.m` : `${this.#system}.${xid}.${lsn}.${ordinal}`
    return { msgId, commitLsn, ordinal, endLsn, content }
  }
}

export function parseLsn(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`)
}

/** It restarts, and will be back. */
function isServerGone(error: unknown): boolean {
  const { code = '' } = error as { code?: string }
  return !/^[0-9A-Z]{5}$/.test(code) || /^(57|08|53|55006)/.test(code)
}

function isAfter([lsn, ordinal]: Place, change: Change): boolean {
  return change.commitLsn > lsn || (change.commitLsn === lsn && change.ordinal > ordinal)
}
