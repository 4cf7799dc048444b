/**
 * Damaged replication messages, through the decoder and on through every format: each is decoded or refused with one
 * clear error, in work that its length bounds, and whatever lies beside it in the socket's buffer makes no difference.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FatalError, PoisonError } from '../../src/errors.ts'
import { ByteWriter } from '../../src/event/bytes.ts'
import { createFormat, type FormatName } from '../../src/event/encode.ts'
import type { Encoder } from '../../src/event/encoder.ts'
import type { Event, Operation, Relation } from '../../src/event/event.ts'
import { MessageId } from '../../src/event/message-id.ts'
import type { ValueType } from '../../src/event/value-type.ts'
import { PgoutputDecoder } from '../../src/source/replication/pgoutput.ts'
import { begin, commit, cstring, message, relation, tuple, u8, u32, u64 } from '../kit/pgoutput-message.ts'
import { OPTIONS, SYSTEM } from './sample-event.ts'

const ORDER = 16_384
const MOOD = 16_385
const OWN_TYPE = 70_000
const FORMATS: readonly FormatName[] = ['fraiseql', 'row', 'debezium', 'cloudevents']
/** What the catalog says of OWN_TYPE. */
const PAIR: ValueType = {
  kind: 'composite',
  fields: [
    { name: 'n', type: { kind: 'integer' } },
    { name: 'list', type: { kind: 'array', element: { kind: 'string' }, delimiter: 0x2c } },
  ],
}

const COLUMNS = [
  { name: 'id', type: 23, key: true },
  { name: 'note', type: 25 },
  { name: 'at', type: 1184 },
  { name: 'price', type: 1700 },
  { name: 'weight', type: 701 },
  { name: 'done', type: 16 },
  { name: 'tags', type: 1009 },
  { name: 'numbers', type: 1007 },
]
const ROW = [
  '1',
  'a "b"',
  '2024-05-06 07:08:09.1+00',
  '1.50',
  '1e-07',
  't',
  '{a,"b,c",NULL}',
  '{{1,2},{3,4}}',
]
const NEXT = ['1', 'unchanged', null, '-0.00', 'NaN', 'f', '{}', '[0:1]={1,2}'] as const
const KEY = ['1', null, null, null, null, null, null, null] as const

/** A transaction with everything in it. */
const SAMPLES: readonly Buffer[] = [
  message('M', u8(0), u64(90n), cstring('alone'), u32(8), '{"a": 1}'),
  begin(100n, 5n, 3),
  relation(ORDER, 'public', 'tb_order', COLUMNS),
  message('O', u64(1n), cstring('upstream')),
  message('Y', u32(OWN_TYPE), cstring('public'), cstring('pair')),
  relation(MOOD, 'public', 'tb_mood', [{ name: 'pair', type: OWN_TYPE }], 'f'),
  message('I', u32(ORDER), 'N', tuple(...ROW)),
  message('U', u32(ORDER), 'N', tuple(...NEXT)),
  message('U', u32(ORDER), 'K', tuple(...KEY), 'N', tuple(...NEXT)),
  message('U', u32(ORDER), 'O', tuple(...ROW), 'N', tuple(...NEXT)),
  message('I', u32(MOOD), 'N', tuple('(1,"{x,""y z""}")')),
  message('D', u32(ORDER), 'K', tuple(...KEY)),
  message('D', u32(ORDER), 'O', tuple(...ROW)),
  message('T', u32(2), u8(3), u32(ORDER), u32(MOOD)),
  message('M', u8(1), u64(95n), cstring('prefix'), u32(3), 'abc'),
  commit(100n, 120n),
]

interface Outcome {
  /** What came out of it, as text: events with their payloads, positions, types that were asked for. */
  readonly said: readonly string[]
  readonly error: string | null
}

/** Plays the messages as the replication stream does, each between `beside`; ends at the first error. */
function play(messages: readonly Buffer[], beside: Buffer): Outcome {
  const said: string[] = []
  const decoder = new PgoutputDecoder({ get: oid => (oid === OWN_TYPE ? PAIR : undefined) }, () => {})
  const writer = new Writer()
  let changes = 0
  const sink = {
    change(event: Event) {
      changes++
      said.push(...writer.write(event))
    },
    progress: (lsn: bigint) => void said.push(`progress ${lsn}`),
  }
  for (const bytes of messages) {
    const framed = Buffer.concat([beside, bytes, beside])
    const [start, end] = [beside.length, beside.length + bytes.length]
    changes = 0
    try {
      const missing = decoder.decode(framed, start, end, sink)
      if (missing !== null) {
        said.push(`types ${missing.join()}`)
        assert.equal(decoder.decode(framed, start, end, sink, true), null)
      }
    } catch (error) {
      assert.ok(error instanceof FatalError, String(error instanceof Error ? error.stack : error))
      assert.equal(error.code, 'PGOUTPUT_MALFORMED')
      assert.notEqual(error.remedy, '')
      return { said, error: error.message }
    }
    assert.ok(changes <= 1 + bytes.length / 4, `${changes} changes of ${bytes.length} bytes`)
  }
  return { said, error: null }
}

/** Each event in each format; where a value is not of its type, the error that makes it a dead letter. */
class Writer {
  readonly #out = new ByteWriter()
  readonly #id = new MessageId(SYSTEM)
  readonly #formats = FORMATS.map(name => createFormat(name, OPTIONS))
  readonly #encoders = new Map<Relation | null, Map<Operation, readonly Encoder[]>>()
  readonly #passJson = new Set<Relation>()

  write(event: Event): string[] {
    this.#id.set(event, null)
    return [this.#id.toString(), ...this.#encodersOf(event).map(encoder => this.#encode(encoder, event))]
  }

  #encodersOf({ relation: table, operation }: Event): readonly Encoder[] {
    const ofTable = this.#encoders.get(table) ?? new Map<Operation, readonly Encoder[]>()
    const known = ofTable.get(operation)
    if (known !== undefined) return known
    const made = this.#formats.map(format =>
      table === null ? format.forMessage('Message') : format.forRelation(table, 'Order', operation),
    )
    this.#encoders.set(table, ofTable.set(operation, made))
    if (table !== null && passesJson(table)) this.#passJson.add(table)
    return made
  }

  #encode(encoder: Encoder, event: Event): string {
    this.#out.begin()
    try {
      encoder.encode(event, this.#id, this.#out)
    } catch (error) {
      this.#out.rollback()
      assert.ok(error instanceof PoisonError, String(error instanceof Error ? error.stack : error))
      return `malformed: ${error.message}`
    }
    const text = Buffer.from(this.#out.cut()).toString('latin1')
    if (event.relation === null || !this.#passJson.has(event.relation)) JSON.parse(text)
    return text
  }
}

/** Text of a json column passes as it is. None is among the samples, but a damaged OID can make one. */
function passesJson({ columns }: Relation): boolean {
  return JSON.stringify(columns.map(({ type }) => type)).includes('"json"')
}

type Damage = (bytes: Buffer) => Buffer

const position = fc.nat(300)

/** What can become of the bytes of a message. */
const damage: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ at: position, byte: fc.nat(255) }).map(overwritten) },
  fc.record({ at: position, bit: fc.nat(7) }).map(flipped),
  fc.record({ at: position, length: fc.integer({ min: 1, max: 20 }) }).map(shortened),
  fc.record({ at: position, more: fc.uint8Array({ minLength: 1, maxLength: 12 }) }).map(lengthened),
  fc
    .record({ at: position, value: fc.constantFrom(0, 1, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff) })
    .map(number),
  position.map(end => (bytes: Buffer) => bytes.subarray(0, end % (bytes.length + 1))),
)

const stream = fc
  .array(
    fc.record({ at: fc.nat(SAMPLES.length - 1), how: fc.array(damage, { minLength: 1, maxLength: 3 }) }),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  .map(hits => {
    const messages = [...SAMPLES]
    for (const { at, how } of hits) messages[at] = how.reduce((bytes, change) => change(bytes), messages[at]!)
    return messages
  })

const BESIDE = [Buffer.alloc(64, 0xff), Buffer.alloc(64, 0), Buffer.from('n"tt\0\0\0\x01x\0{},:1'.repeat(4))]

test('random damage: decoded within the bytes of the message, or one clear error', () => {
  let refused = 0
  let poisoned = 0
  let whole = 0
  fc.assert(
    fc.property(stream, messages => {
      const [first, ...others] = BESIDE.map(beside => play(messages, beside))
      for (const other of others) assert.deepEqual(other, first)
      if (first!.error !== null) refused++
      else if (first!.said.some(text => text.startsWith('malformed'))) poisoned++
      else whole++
    }),
    { numRuns: 600 },
  )
  assert.ok(
    refused > 60 && poisoned > 0 && whole > 6,
    `${refused} refused, ${poisoned} poisoned, ${whole} whole`,
  )
})

test('random order: messages that are whole, but where none of them belongs', () => {
  let refused = 0
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...SAMPLES), { maxLength: 30 }), messages => {
      if (play(messages, BESIDE[0]!).error !== null) refused++
    }),
    { numRuns: 1_000 },
  )
  assert.ok(refused > 100, `${refused} refused`)
})

test('random bytes: behind each letter that begins a message', () => {
  const letters = [...'BCIUDTRMOYEPSKA\0\xff'].map(letter => Buffer.from(letter, 'latin1'))
  const bytes = fc.tuple(fc.constantFrom(...letters), fc.uint8Array({ maxLength: 60 })).map(Buffer.concat)
  fc.assert(
    fc.property(fc.array(bytes, { minLength: 1, maxLength: 4 }), messages => {
      play([...SAMPLES.slice(1, 3), ...messages], BESIDE[1]!)
    }),
    { numRuns: 2_000 },
  )
})

function overwritten({ at, byte }: { at: number; byte: number }): Damage {
  return changed(at, (copy, place) => {
    copy[place] = byte
  })
}

function flipped({ at, bit }: { at: number; bit: number }): Damage {
  return changed(at, (copy, place) => {
    copy[place] = copy[place]! ^ (1 << bit)
  })
}

/** In place of the four bytes there: lengths, counts and OIDs, when it hits. */
function number({ at, value }: { at: number; value: number }): Damage {
  return changed(at, (copy, place) => void u32(value).copy(copy, place))
}

function shortened({ at, length }: { at: number; length: number }): Damage {
  return bytes => {
    const place = at % (bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + length)])
  }
}

function lengthened({ at, more }: { at: number; more: Uint8Array }): Damage {
  return bytes => {
    const place = at % (bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, place), more, bytes.subarray(place)])
  }
}

function changed(at: number, change: (copy: Buffer, place: number) => void): Damage {
  return bytes => {
    const copy = Buffer.from(bytes)
    if (copy.length > 0) change(copy, at % copy.length)
    return copy
  }
}
