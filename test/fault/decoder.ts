/**
 * The witness's own reading of pgoutput, protocol 1: plain objects, nothing reused, nothing shared with the program.
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */

/** PostgreSQL's text; undefined: TOASTed, unchanged, not sent. */
export type Values = readonly (string | null | undefined)[]

export interface Table {
  readonly schema: string
  readonly name: string
  readonly identity: string
  readonly columns: readonly { readonly name: string; readonly type: number; readonly key: boolean }[]
}

export interface Change {
  readonly xid: number
  readonly commitLsn: bigint
  /** -1: a message outside a transaction. */
  readonly ordinal: number
  readonly endLsn: bigint
  readonly operation: 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE' | 'CUSTOM'
  readonly table: Table | null
  readonly after: Values | null
  readonly before: Values | null
  /** `before` is the key alone. */
  readonly beforeIsKey: boolean
  readonly flags: number
  readonly prefix: string
  readonly content: string
}

const NOTHING = {
  table: null,
  after: null,
  before: null,
  beforeIsKey: false,
  flags: 0,
  prefix: '',
  content: '',
}

export class Decoder {
  readonly #tables = new Map<number, Table>()
  #transaction: { xid: number; commitLsn: bigint; changes: Omit<Change, 'endLsn'>[] } | null = null

  /** The changes that are complete with this message: a transaction's come with its commit. */
  decode(data: Buffer): Change[] {
    const bytes = new Bytes(data)
    const tag = bytes.letter()
    if (tag === 'B') {
      const commitLsn = bytes.long()
      bytes.long()
      this.#transaction = { xid: bytes.int(4), commitLsn, changes: [] }
    } else if (tag === 'C') {
      bytes.int(1)
      bytes.long()
      const endLsn = bytes.long()
      const { changes } = this.#transaction!
      this.#transaction = null
      return changes.map(change => ({ ...change, endLsn }))
    } else if (tag === 'R') this.#describe(bytes)
    else if (tag === 'M') return this.#message(bytes)
    else if (tag === 'T') this.#truncate(bytes)
    else if (tag === 'I' || tag === 'U' || tag === 'D') this.#row(tag, bytes)
    return []
  }

  #row(tag: 'I' | 'U' | 'D', bytes: Bytes): void {
    const table = this.#tables.get(bytes.int(4))!
    let kind = bytes.letter()
    let before: Values | null = null
    let beforeIsKey = false
    if (kind !== 'N') {
      beforeIsKey = kind === 'K'
      before = bytes.values()
      kind = tag === 'D' ? '' : bytes.letter()
    }
    const after = kind === 'N' ? bytes.values() : null
    const operation = ({ I: 'INSERT', U: 'UPDATE', D: 'DELETE' } as const)[tag]
    this.#add({ ...NOTHING, operation, table, after, before, beforeIsKey })
  }

  #truncate(bytes: Bytes): void {
    const count = bytes.int(4)
    const flags = bytes.int(1)
    for (let i = 0; i < count; i++) {
      this.#add({ ...NOTHING, operation: 'TRUNCATE', table: this.#tables.get(bytes.int(4))!, flags })
    }
  }

  #message(bytes: Bytes): Change[] {
    const transactional = bytes.int(1) === 1
    const lsn = bytes.long()
    const prefix = bytes.name()
    const message = { ...NOTHING, operation: 'CUSTOM', prefix, content: bytes.text(bytes.int(4)) } as const
    if (!transactional) return [{ ...message, xid: 0, commitLsn: lsn, ordinal: -1, endLsn: lsn }]
    this.#add(message)
    return []
  }

  #add(change: Omit<Change, 'xid' | 'commitLsn' | 'ordinal' | 'endLsn'>): void {
    const { xid, commitLsn, changes } = this.#transaction!
    changes.push({ ...change, xid, commitLsn, ordinal: changes.length })
  }

  #describe(bytes: Bytes): void {
    const oid = bytes.int(4)
    const schema = bytes.name()
    const name = bytes.name()
    const identity = bytes.letter()
    const columns = Array.from({ length: bytes.int(2) }, () => {
      const key = (bytes.int(1) & 1) === 1
      const column = { name: bytes.name(), type: bytes.int(4), key }
      bytes.int(4)
      return column
    })
    this.#tables.set(oid, { schema, name, identity, columns })
  }
}

/** A cursor over one message. */
class Bytes {
  #at = 0
  readonly #data: Buffer

  constructor(data: Buffer) {
    this.#data = data
  }

  int(length: number): number {
    this.#at += length
    return this.#data.readUIntBE(this.#at - length, length)
  }

  long(): bigint {
    this.#at += 8
    return this.#data.readBigUInt64BE(this.#at - 8)
  }

  name(): string {
    const text = this.text(this.#data.indexOf(0, this.#at) - this.#at)
    this.#at++
    return text
  }

  text(length: number): string {
    this.#at += length
    return this.#data.toString('utf8', this.#at - length, this.#at)
  }

  letter(): string {
    return this.text(1)
  }

  values(): Values {
    return Array.from({ length: this.int(2) }, () => {
      const kind = this.letter()
      return kind === 't' ? this.text(this.int(4)) : kind === 'n' ? null : undefined
    })
  }
}
