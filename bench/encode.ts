/**
 * What encoding costs: microseconds per event of the 8-column row that all figures are given for, without a server.
 * `node dist/bench/encode.js [events] [format]`: the best of three runs. Rows differ from event to event, as they do in a stream.
 */
import { builtinType } from '../src/event/builtin-types.ts'
import { ByteWriter } from '../src/event/bytes.ts'
import { createFormat, type FormatName } from '../src/event/encode.ts'
import { type Event, type Relation, type Row, TEXT } from '../src/event/event.ts'
import { MessageId, systemBase36 } from '../src/event/message-id.ts'
import { toLsn } from '../src/lsn.ts'

const ROWS = 1000

/** Name, type OID, text: 288 bytes of pgoutput with their lengths. */
function columnsOf(row: number): readonly (readonly [string, number, string])[] {
  const hex = (row * 2654435761).toString(16).padStart(12, '0').slice(-12)
  return [
    ['pk_order', 20, String(1_000_000 + row)],
    ['id', 2950, `0190d5a6-7c3e-7b21-9f00-${hex}`],
    ['identifier', 25, `order-2024-${100_000 + row}`],
    ['customer_email', 25, `customer.${row}@example.com`],
    ['status', 25, row % 2 === 0 ? 'pending' : 'confirmed'],
    ['total', 1700, `${row}.99`],
    [
      'data',
      3802,
      `{"items": [{"sku": "A-${row}", "qty": 2}, {"sku": "B-7", "qty": 1}], "note": "leave at the door"}`,
    ],
    ['created_at', 1184, '2024-05-06 07:08:09.123456+00'],
  ]
}

function makeRelation(): Relation {
  const columns = columnsOf(0).map(([name, oid], index) => ({
    name,
    key: index === 0,
    type: builtinType(oid)!,
  }))
  return { oid: 16_400, index: 0, schema: 'public', table: 'tb_order', replicaIdentity: 'key', columns }
}

/** All rows in one buffer, as they come from a socket. */
function makeRows(): Row[] {
  const texts = Array.from({ length: ROWS }, (_, row) =>
    columnsOf(row).map(([, , text]) => Buffer.from(text)),
  )
  const source = Buffer.concat(texts.flat())
  let at = 0
  return texts.map(row => {
    const state = new Uint8Array(row.length).fill(TEXT)
    const start = new Uint32Array(row.length)
    const end = new Uint32Array(row.length)
    row.forEach((text, column) => {
      start[column] = at
      at += text.length
      end[column] = at
    })
    return { source, count: row.length, state, start, end }
  })
}

interface Case {
  readonly format: FormatName
  readonly entity: 'copy' | 'omit'
  readonly transactionSize: number
  readonly update: boolean
}

function measure({ format, entity, transactionSize, update }: Case, rows: readonly Row[], events: number) {
  const source = {
    system: systemBase36(7_400_000_000_000_000_000n),
    database: 'app',
    name: 'app',
    version: '1.0.0',
  }
  const encoder = createFormat(format, { numbers: 'number', entity, source }).forRelation(
    relation,
    'Order',
    'INSERT',
  )
  const id = new MessageId(source.system)
  const out = new ByteWriter()
  const event: Event = {
    bytes: 0,
    operation: update ? 'UPDATE' : 'INSERT',
    relation,
    after: null,
    before: null,
    beforeIsKey: false,
    truncation: null,
    message: null,
    commitLsn: toLsn(0x16_b374_d848n),
    ordinal: 0,
    xid: 571,
    commitTimeUs: 1_715_000_000_000_000n,
  }
  let bytes = 0
  const started = process.cpuUsage()
  for (let i = 0; i < events; i++) {
    if (i % transactionSize === 0) {
      event.xid = 571 + i
      event.commitLsn = toLsn(event.commitLsn + 400n)
      event.commitTimeUs = event.commitTimeUs! + 97n
    }
    event.ordinal = i % transactionSize
    event.after = rows[i % ROWS]!
    if (update) event.before = rows[(i + 1) % ROWS]!
    id.set(event, null)
    out.begin()
    encoder.encode(event, id, out)
    bytes += out.cut().length
  }
  const { user, system } = process.cpuUsage(started)
  return { us: (user + system) / events, bytes: bytes / events }
}

const relation = makeRelation()
const rows = makeRows()
const events = Number(process.argv[2] ?? 1_000_000)
const one = { transactionSize: events, update: false }
const cases: Case[] = [
  { format: 'fraiseql', entity: 'copy', ...one },
  { format: 'fraiseql', entity: 'omit', ...one },
  { format: 'fraiseql', entity: 'copy', transactionSize: 1, update: false },
  { format: 'fraiseql', entity: 'copy', transactionSize: events, update: true },
  { format: 'row', entity: 'copy', ...one },
  { format: 'debezium', entity: 'copy', ...one },
  { format: 'cloudevents', entity: 'copy', ...one },
]
const only = process.argv[3]
for (const one of cases) {
  if (only !== undefined && one.format !== only) continue
  measure(one, rows, Math.min(events, 100_000))
  const runs = [1, 2, 3].map(() => measure(one, rows, events))
  const { us, bytes } = runs.sort((a, b) => a.us - b.us)[0]!
  const name = `${one.format} entity=${one.entity} ${one.transactionSize === 1 ? 'single-row transactions' : ''}${one.update ? 'updates, old row known' : ''}`
  console.log(`${us.toFixed(2)} us  ${bytes.toFixed(0).padStart(5)} B  ${name}`)
}
