/** Publish acks: the fast way and JSON.parse give the same, whatever bytes come. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type PubAck, parsePubAck } from '../../src/publish/pub-ack.ts'

test('what nats-server sends', () => {
  const stored = (seq: number, duplicate = false): PubAck => ({ kind: 'stored', seq, duplicate })
  const cases: [text: string, expected: PubAck][] = [
    ['{"stream":"fraiseql_events","seq":1}', stored(1)],
    ['{"stream":"S","seq":22,"duplicate": true}', stored(22, true)],
    ['{"stream":"S","seq":22,"duplicate":true}', stored(22, true)],
    ['{"stream":"S","domain":"hub","seq":9007199254740991}', stored(9007199254740991)],
    ['{"stream":"S","domain":"hub","seq":7,"duplicate": true}', stored(7, true)],
    ['{"stream":"S","seq":7,"domain":"hub"}', stored(7)],
    ['{"stream":"S","seq":300,"batch":"b1","count":3}', stored(300)],
    ['{"stream":"S","seq":5,"val":"12"}', stored(5)],
    [
      '{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"S","seq":0}',
      { kind: 'refused', code: 10071, description: 'wrong last sequence: 3' },
    ],
    [
      '{"type":"io.nats.jetstream.api.v1.pub_ack_response","error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"S","seq":0}',
      { kind: 'refused', code: 10077, description: 'maximum messages exceeded' },
    ],
    ['{"error":{"code":503}}', { kind: 'refused', code: 503, description: '' }],
  ]
  for (const [text, expected] of cases) assert.deepEqual(parsePubAck(Buffer.from(text)), expected, text)
})

test('what is no publish ack is refused with code 0 and its beginning', () => {
  for (const text of [
    '',
    'x',
    'null',
    '[]',
    '{}',
    '7',
    '"a"',
    '{"stream":"S"}',
    '{"stream":"S","seq":}',
    '{"seq":"1"}',
  ]) {
    const ack = parsePubAck(Buffer.from(text))
    assert.deepEqual(ack, { kind: 'refused', code: 0, description: `not a publish ack: ${text}` })
  }
})

test('a view into a larger buffer is read within its bounds', () => {
  const text = Buffer.from('{"seq":9}{"stream":"S","seq":12}3}')
  assert.deepEqual(parsePubAck(text.subarray(9, text.length - 2)), {
    kind: 'stored',
    seq: 12,
    duplicate: false,
  })
})

test('the same as JSON.parse, for answers of every shape and for damaged ones', () => {
  const name = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{0,12}$/),
    fc.string({ unit: 'grapheme', maxLength: 8 }),
  )
  const seq = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 53 - 1, 1e15, 999_999_999_999_999))
  const answer = fc
    .record(
      { stream: name, domain: name, seq, duplicate: fc.boolean(), batch: name, count: fc.nat() },
      { requiredKeys: ['stream', 'seq'] },
    )
    .map(({ stream, domain, seq, duplicate, batch, count }) =>
      JSON.stringify({ stream, domain, seq, duplicate, batch, count }).replace(
        '"duplicate":true',
        '"duplicate": true',
      ),
    )
  const damage = fc.record({
    at: fc.nat(200),
    remove: fc.nat(3),
    insert: fc.constantFrom('', '0', '"', '}', ' ', '\\', '-', '.', 'e1', '\n'),
  })
  fc.assert(
    fc.property(answer, fc.option(damage), (text, hit) => {
      const damaged =
        hit === null ? text : text.slice(0, hit.at) + hit.insert + text.slice(hit.at + hit.remove)
      assert.deepEqual(parsePubAck(Buffer.from(damaged)), reference(damaged))
    }),
    { numRuns: 5_000 },
  )
})

function reference(damaged: string): PubAck {
  // Half a surrogate pair doesn't survive the way through bytes.
  const text = Buffer.from(damaged).toString()
  const unreadable: PubAck = {
    kind: 'refused',
    code: 0,
    description: `not a publish ack: ${text.slice(0, 200)}`,
  }
  let answer: { seq?: unknown; duplicate?: unknown } | null
  try {
    answer = JSON.parse(text)
  } catch {
    return unreadable
  }
  if (typeof answer !== 'object' || answer === null || typeof answer.seq !== 'number') return unreadable
  return { kind: 'stored', seq: answer.seq, duplicate: answer.duplicate === true }
}
