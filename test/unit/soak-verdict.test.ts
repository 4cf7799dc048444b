/** The soak run's verdict: what it calls growth, loss and leftovers, and what it lets pass. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Gauges } from '../soak/gauges.ts'
import type { SoakResult } from '../soak/soak.ts'
import { meansOf, trendOf } from '../soak/trend.ts'
import { judge } from '../soak/verdict.ts'

const IDLE: Gauges = {
  ...{ seconds: 0, rssMib: 100, peakMib: 110, fds: 25, threads: 11, heapMib: 20 },
  ...{ resources: new Map([['Timeout', 4]]), lagSeconds: 0, lagBytes: 0, retainedBytes: 0, inFlight: 0 },
  ...{ reconnects: 0, resumes: 0, retried: 0, skipped: 0, duplicates: 0, fenceBreaks: 0 },
}
/** Saw teeth of garbage collection, the same in each minute. */
const tooth = (i: number) => (i % 7) * 2

/** Half an hour, looked at every other second. */
function samplesOf(change: (i: number) => Partial<Gauges>): Gauges[] {
  return Array.from({ length: 900 }, (_, i) => ({ ...IDLE, seconds: i * 2, ...change(i) }))
}

const GOOD: SoakResult = {
  ...{ written: 9_000_000, stored: 9_000_000, read: 9_000_000, wrong: [], wrongs: 0 },
  ...{
    faults: { nats: 15, postgres: 14 },
    seconds: 1_830,
    delays: new Map([[0, 9_000_000]]),
    slowestMs: 900,
  },
  ...{ before: IDLE, after: { ...IDLE, reconnects: 29 }, badEnd: null, versions: '', logFile: '' },
  samples: samplesOf(i => ({ rssMib: 100 + tooth(i) })),
}

test('a line through points on a line has their slope and no error', () => {
  const points = [0, 1, 2, 3].map(i => ({ seconds: i * 900, value: 5 + i }))
  const { slope, error, mean, rise } = trendOf(points)
  assert.deepEqual(
    [slope, error, mean, rise].map(value => Math.round(value * 1e9) / 1e9),
    [4, 0, 6.5, 3],
  )
})

test('points about a line have the error that the textbook gives', () => {
  const points = [1, 3, 2, 5].map((value, i) => ({ seconds: i * 3600, value }))
  const { slope, error } = trendOf(points)
  assert.equal(slope.toFixed(4), '1.1000')
  assert.equal(error.toFixed(4), '0.5196')
})

test('without three points nothing is sure', () => {
  for (const values of [[], [1], [1, 9]]) {
    const { error } = trendOf(values.map((value, seconds) => ({ seconds, value })))
    assert.equal(error, Number.POSITIVE_INFINITY)
  }
})

test('stretches are averaged, each with the time in its middle', () => {
  const points = [0, 20, 40, 60, 80].map(seconds => ({ seconds, value: seconds + 1 }))
  assert.deepEqual(meansOf(points, 60), [
    { seconds: 20, value: 21 },
    { seconds: 70, value: 71 },
  ])
})

test('a run in which all is well has no violation', () => {
  assert.deepEqual(judge(GOOD, 60).violations, [])
})

const BAD: readonly (readonly [what: string, change: Partial<SoakResult>, told: RegExp])[] = [
  [
    'memory grows',
    { samples: samplesOf(i => ({ rssMib: 100 + tooth(i) + i / 100 })) },
    /RSS grows by \+1\d\.\d/,
  ],
  ['the heap grows', { samples: samplesOf(i => ({ heapMib: 20 + tooth(i) + i / 100 })) }, /heap grows/],
  [
    'memory is high once',
    { samples: samplesOf(i => ({ peakMib: i === 700 ? 151 : 110 })) },
    /RSS reached 151/,
  ],
  ['an event is lost', { stored: 8_999_999 }, /8999999 are stored/],
  ['an event was not read', { read: 8_999_999 }, /8999999 were read/],
  ['order is lost', { wrong: ['row 3 follows row 1'], wrongs: 2 }, /row 3 follows row 1/],
  [
    'lag in WAL',
    { samples: samplesOf(i => ({ lagBytes: i === 500 ? 2 ** 30 : 0 })) },
    /1024 MiB of WAL behind/,
  ],
  ['lag in time', { slowestMs: 16_000 }, /16\.0 s from a commit/],
  ['a socket is left open', { after: { ...GOOD.after, fds: 26 } }, /25 file descriptors .* 26/],
  ['a timer is left', { after: { ...GOOD.after, resources: new Map([['Timeout', 5]]) } }, /4 Timeout .* 5/],
  [
    'a handle is left',
    { after: { ...GOOD.after, resources: new Map([['TCPSocketWrap', 1]]) } },
    /0 TCPSocketWrap/,
  ],
  ['it is behind at the end', { after: { ...GOOD.after, lagSeconds: 3 } }, /3 s behind/],
  ['it does not end', { badEnd: 'a stack' }, /orderly: a stack/],
  ['the faults hit nothing', { after: IDLE }, /29 connections were broken, and only 0/],
]

for (const [what, change, told] of BAD) {
  test(`${what}: that is a violation`, () => {
    const { violations } = judge({ ...GOOD, ...change }, 60)
    assert.match(violations.join('\n'), told)
  })
}

test('growth while it warms up is none, nor is what goes up and down', () => {
  const warming = samplesOf(i => ({ rssMib: 80 + Math.min(20, i / 10) + tooth(i) }))
  const swinging = samplesOf(i => ({ rssMib: 100 + 10 * Math.sin(i / 60) }))
  const short = samplesOf(i => ({ rssMib: 90 + Math.min(10, i / 28) + tooth(i) })).slice(0, 540)
  for (const samples of [warming, swinging, short]) {
    assert.deepEqual(judge({ ...GOOD, samples }, 60).violations, [])
  }
})

test('a few minutes say nothing about growth', () => {
  const samples = samplesOf(i => ({ rssMib: 50 + i })).slice(0, 300)
  assert.deepEqual(judge({ ...GOOD, samples }, 60).violations, [])
})
