/**
 * An independent witness: a second slot on the same WAL, read through SQL functions and decoded here, without code of
 * the program. What it gives is what must be in the stream, in this order.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
import type { PostgresServer } from './postgres.ts'

/** Values are PostgreSQL's text; undefined: TOASTed, unchanged, not sent. */
export type Values = Readonly<Record<string, string | null | undefined>>

export interface WitnessedChange {
  readonly xid: number
  /** LSN of the commit record, upper-case hex of 64 bits without leading zeros. */
  readonly commitLsn: string
  /** Counts the changes of the transaction from 0. */
  readonly ordinal: number
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE' | 'CUSTOM'
  readonly schema: string
  readonly table: string
  readonly after: Values | null
  readonly before: Values | null
  readonly content: string | null
}

export interface SecondSlot {
  /** All that was committed since the last call. */
  read(): Promise<WitnessedChange[]>
}

/** Make it before the first change, on a publication that publishes the same tables. */
export async function openSecondSlot(
  server: PostgresServer,
  { url, name, publication }: { readonly url: string; readonly name: string; readonly publication: string },
): Promise<SecondSlot> {
  await server.sql('SELECT pg_create_logical_replication_slot($1, $2)', [name, 'pgoutput'], url)
  const witness = new Witness()
  return {
    async read() {
      const rows = await server.sql<{ data: Buffer }>(
        `SELECT data FROM pg_logical_slot_get_binary_changes($1, NULL, NULL,
           'proto_version', '1', 'publication_names', $2, 'messages', 'true')`,
        [name, publication],
        url,
      )
      return rows.flatMap(({ data }) => witness.decode(data))
    },
  }
}

interface Table {
  readonly schema: string
  readonly table: string
  readonly columns: readonly string[]
}

/** A cursor over one message. */
class Bytes {
  at = 1
  readonly data: Buffer

  constructor(data: Buffer) {
    this.data = data
  }

  int(length: number): number {
    this.at += length
    return this.data.readUIntBE(this.at - length, length)
  }

  long(): bigint {
    this.at += 8
    return this.data.readBigUInt64BE(this.at - 8)
  }

  name(): string {
    const end = this.data.indexOf(0, this.at)
    const text = this.data.toString('utf8', this.at, end)
    this.at = end + 1
    return text
  }

  text(length: number): string {
    this.at += length
    return this.data.toString('utf8', this.at - length, this.at)
  }

  letter(): string {
    return this.text(1)
  }
}

class Witness {
  readonly #tables = new Map<number, Table>()
  #xid = 0
  #lsn = ''
  #ordinal = 0

  decode(data: Buffer): WitnessedChange[] {
    const bytes = new Bytes(data)
    switch (data.toString('latin1', 0, 1)) {
      case 'B':
        this.#lsn = hex(bytes.long())
        bytes.long()
        this.#xid = bytes.int(4)
        this.#ordinal = 0
        return []
      case 'R':
        this.#describe(bytes)
        return []
      case 'I': {
        const table = this.#table(bytes)
        bytes.letter()
        return [this.#change('INSERT', table, row(bytes, table), null)]
      }
      case 'U':
        return [this.#update(bytes)]
      case 'D': {
        const table = this.#table(bytes)
        bytes.letter()
        return [this.#change('DELETE', table, null, row(bytes, table))]
      }
      case 'T': {
        const count = bytes.int(4)
        bytes.int(1)
        const tables = Array.from({ length: count }, () => this.#table(bytes))
        return tables.map(table => this.#change('TRUNCATE', table, null, null))
      }
      case 'M':
        return [this.#message(bytes)]
      default:
        return []
    }
  }

  #update(bytes: Bytes): WitnessedChange {
    const table = this.#table(bytes)
    const old = bytes.letter() === 'N' ? null : row(bytes, table)
    if (old !== null) bytes.letter()
    return this.#change('UPDATE', table, row(bytes, table), old)
  }

  #message(bytes: Bytes): WitnessedChange {
    const transactional = bytes.int(1) === 1
    const lsn = hex(bytes.long())
    const prefix = bytes.name()
    const content = bytes.text(bytes.int(4))
    const change = {
      operation: 'CUSTOM',
      schema: '',
      table: prefix,
      after: null,
      before: null,
      content,
    } as const
    return transactional
      ? { ...change, xid: this.#xid, commitLsn: this.#lsn, ordinal: this.#ordinal++ }
      : { ...change, xid: 0, commitLsn: lsn, ordinal: -1 }
  }

  #describe(bytes: Bytes): void {
    const oid = bytes.int(4)
    const schema = bytes.name()
    const table = bytes.name()
    bytes.letter()
    const columns = Array.from({ length: bytes.int(2) }, () => {
      bytes.int(1)
      const name = bytes.name()
      bytes.int(4)
      bytes.int(4)
      return name
    })
    this.#tables.set(oid, { schema, table, columns })
  }

  #table(bytes: Bytes): Table {
    return this.#tables.get(bytes.int(4))!
  }

  #change(
    operation: WitnessedChange['operation'],
    { schema, table }: Table,
    after: Values | null,
    before: Values | null,
  ): WitnessedChange {
    const place = { xid: this.#xid, commitLsn: this.#lsn, ordinal: this.#ordinal++ }
    return { ...place, operation, schema, table, after, before, content: null }
  }
}

function row(bytes: Bytes, { columns }: Table): Values {
  const count = bytes.int(2)
  const values: Record<string, string | null | undefined> = {}
  for (const column of columns.slice(0, count)) {
    const kind = bytes.letter()
    values[column] = kind === 't' ? bytes.text(bytes.int(4)) : kind === 'n' ? null : undefined
  }
  return values
}

function hex(value: bigint): string {
  return value.toString(16).toUpperCase()
}

/** The Msg-Id that the contract promises for a change: written down here once more, on purpose. */
export function promisedId(system: string, { xid, commitLsn, ordinal }: WitnessedChange): string {
  return ordinal < 0 ? `${system}.0.${commitLsn}.m` : `${system}.${xid}.${commitLsn}.${ordinal}`
}
