import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { formatBytes, formatCount, formatDuration, formatRate } from '../../src/http/format-figures.ts'
import { PAGE_SECURITY_POLICY, renderPage } from '../../src/http/page.ts'
import { SCRIPT } from '../../src/http/page-assets.ts'
import { HISTORY_SECONDS, RateMeter } from '../../src/http/rate-meter.ts'
import { reasonsNotAlive, reasonsNotReady } from '../../src/http/status.ts'
import { sampleStatus } from '../kit/sample-status.ts'

const healthy = sampleStatus()
const still = { perSecond: 0, history: [] }

test('a healthy daemon is ready and alive', () => {
  assert.deepEqual(reasonsNotReady(healthy), [])
  assert.deepEqual(reasonsNotAlive(healthy), [])
})

test('each thing that stops the flow is a reason', () => {
  const nats = { ...healthy.nats, state: 'disconnected' } as const
  const postgres = { ...healthy.postgres, state: 'connecting' } as const
  assert.deepEqual(reasonsNotReady(sampleStatus({ state: 'reconnecting', nats, postgres })), [
    'PostgreSQL is connecting',
    'NATS is disconnected',
    'reconnecting',
  ])
  assert.deepEqual(reasonsNotReady(sampleStatus({ standstill: 'full (maximum bytes exceeded)' })), [
    'publishing stands still: full (maximum bytes exceeded)',
  ])
  assert.deepEqual(reasonsNotReady(sampleStatus({ state: 'standby' })), [
    'standby: the slot fraiseql_observer is active elsewhere',
  ])
})

test('a server that is away does not make the daemon dead; a loop that stands still does', () => {
  const nats = { ...healthy.nats, state: 'disconnected' } as const
  assert.deepEqual(reasonsNotAlive(sampleStatus({ nats })), [])
  const stuck = sampleStatus({ loops: [{ name: 'pipeline', last_turn_seconds: 90.4, limit_seconds: 60 }] })
  assert.deepEqual(reasonsNotAlive(stuck), ['the pipeline loop has not turned for 90 s'])
  assert.deepEqual(reasonsNotReady(stuck), ['the pipeline loop has not turned for 90 s'])
})

test('the page shows state, position, lag, streams, rate and the last error with its remedy', () => {
  const last_error = {
    at: healthy.started_at,
    message: 'slot is busy',
    code: '55006',
    remedy: 'Stop the other.',
  }
  const page = renderPage(sampleStatus({ last_error }), { perSecond: 1_234.5, history: [1, 2] })
  for (const piece of [
    'streaming',
    '16/B374D848',
    '184 B',
    'fraiseql_events',
    '1,234,567',
    'fenced',
    '1,235',
    'slot is busy',
    '55006',
    'Stop the other.',
    'over since',
    '1 d 2 h',
    '48.0 MiB',
    '2.6 ms',
    'db.example:5432/shop',
    'every table of the publication goes to its default subject',
  ]) {
    assert.ok(page.includes(piece), piece)
  }
})

test('nothing that is shown can become markup', () => {
  const evil = `"><script>alert('x')</script>&amp;`
  const page = renderPage(
    sampleStatus({
      version: evil,
      postgres: { ...healthy.postgres, server: evil, server_version: evil, since: evil },
      slot: { ...healthy.slot, name: evil, publication: evil, wal_status: evil },
      streams: [{ name: evil, last_sequence: 1, fenced: false }],
      rules: [{ source: evil, operations: [evil], subject: evil, stream: evil, format: evil, note: evil }],
      last_error: { at: evil, message: evil, code: evil, remedy: evil },
    }),
    still,
  )
  assert.ok(!page.includes('<script>alert'))
  assert.equal(page.match(/<script>/g)?.length, 1)
  assert.ok(page.includes('&#60;script&#62;alert(&#39;x&#39;)'))
})

test('the page loads nothing, and its policy lets its own script run and no other', () => {
  const page = renderPage(healthy, still)
  assert.doesNotMatch(page, /\b(?:src|href)="(?:https?:)?\/\//)
  const hash = createHash('sha256').update(SCRIPT).digest('base64')
  assert.ok(PAGE_SECURITY_POLICY.includes(`script-src 'sha256-${hash}'`), `the script's hash is ${hash}`)
  assert.ok(page.includes(`<script>${SCRIPT}</script>`))
})

test('a rate is the mean of the last seconds, and its history is bounded', () => {
  const meter = new RateMeter()
  assert.equal(meter.perSecond, 0)
  for (let second = 0; second < 300; second++) meter.sample(second * 10, second * 1_000)
  assert.equal(meter.perSecond, 10)
  assert.equal(meter.history.length, HISTORY_SECONDS)
  meter.sample(0, 300_000)
  assert.equal(meter.history.at(-1), 0)
})

test('figures for people', () => {
  const table: readonly (readonly [string, string])[] = [
    [formatBytes(0), '0 B'],
    [formatBytes(1_023), '1023 B'],
    [formatBytes(1_024), '1.0 KiB'],
    [formatBytes(10_737_418_240), '10.0 GiB'],
    [formatBytes(null), '-'],
    [formatDuration(0), '0 s'],
    [formatDuration(0.00042), '420 us'],
    [formatDuration(0.0026), '2.6 ms'],
    [formatDuration(0.9999), '1000 ms'],
    [formatDuration(42), '42 s'],
    [formatDuration(754), '12 min 34 s'],
    [formatDuration(3_725), '1 h 2 min'],
    [formatDuration(93_784), '1 d 2 h'],
    [formatDuration(null), '-'],
    [formatCount(1_234_567), '1,234,567'],
    [formatRate(0), '0'],
    [formatRate(0.44), '0.4'],
    [formatRate(12_345.6), '12,346'],
  ]
  for (const [made, wanted] of table) assert.equal(made, wanted)
})
