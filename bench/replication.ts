/**
 * START_REPLICATION with nothing behind it, for the limits: frames are looked at and forgotten, keepalives answered,
 * nothing is confirmed.
 * https://www.postgresql.org/docs/current/protocol-replication.html
 */
import { Client, type Connection } from 'pg'

/** 2000-01-01, where PostgreSQL counts from. */
const POSTGRES_EPOCH_MS = 946_684_800_000
const HEADER_BYTES = 5
/** Of XLogData, before the message of pgoutput. */
const FRAME_BYTES = 25

export interface ReplicationReader {
  /** A read of the socket is about to be worked through. */
  begins?(): void
  /** A CopyData message of so many bytes. */
  frame?(bytes: number): void
  /** A row change of a transaction that was committed then, in milliseconds since 1970. */
  change(committedAt: number): void
  /** The read is worked through. */
  ends?(): void
}

export async function readReplication(
  url: string,
  slot: string,
  publication: string,
  reader: ReplicationReader,
): Promise<void> {
  const client = new Client({ connectionString: url, replication: 'database' } as object)
  await client.connect()
  const { stream } = (client as unknown as { connection: Connection }).connection
  let streaming = false
  let committedAt = 0
  let rest: Buffer = Buffer.alloc(0)
  stream.removeAllListeners('data')
  stream.on('data', (chunk: Buffer) => {
    reader.begins?.()
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (at + HEADER_BYTES <= data.length) {
      const end = at + 1 + data.readUInt32BE(at + 1)
      if (end > data.length) break
      onMessage(data, at, end)
      at = end
    }
    rest = at === data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(at))
    reader.ends?.()
  })
  const options = `proto_version '1', publication_names '${publication}', messages 'true'`
  ;(client as unknown as { connection: Connection }).connection.query(
    `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (${options})`,
  )

  function onMessage(data: Buffer, at: number, end: number): void {
    const tag = data[at]
    if (tag === 0x57) streaming = true
    if (tag === 0x45) throw new Error(data.toString('utf8', at + HEADER_BYTES, end))
    if (tag !== 0x64 || !streaming) return
    reader.frame?.(end - at)
    const frame = at + HEADER_BYTES
    if (data[frame] === 0x6b) {
      if (data[frame + 17] === 1) stream.write(statusUpdate())
      return
    }
    const change = data[frame + FRAME_BYTES]
    if (change === 0x42) {
      committedAt = Number(data.readBigInt64BE(frame + FRAME_BYTES + 1 + 8)) / 1000 + POSTGRES_EPOCH_MS
    }
    if (change === 0x49 || change === 0x55 || change === 0x44) reader.change(committedAt)
  }
}

function statusUpdate(): Buffer {
  const status = Buffer.alloc(39)
  status[0] = 0x64
  status.writeUInt32BE(38, 1)
  status[5] = 0x72
  return status
}
