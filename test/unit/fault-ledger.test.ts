/**
 * The checker of the fault bench must be able to fail: each promise, broken by hand, is reported as what it is, and what
 * is excused is counted where it belongs.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { judge, type Kind, type Sample, type Stored, type Verdict } from '../fault/ledger.ts'
import type { Expected } from '../fault/witness.ts'

const WINDOW = 4
const DUPLICATE_WINDOW_MS = 1_000

/** Committed: three transactions of two changes, and a message outside of any; ends at 101, 200, 301, 401. */
const COMMITTED: readonly Expected[] = [
  expected('a0', 100n, 0, 101n),
  expected('a1', 100n, 1, 101n),
  expected('m', 200n, -1, 200n),
  expected('b0', 300n, 0, 301n),
  expected('b1', 300n, 1, 301n),
  expected('c0', 400n, 0, 401n),
  expected('c1', 400n, 1, 401n),
]
const IDS = COMMITTED.map(({ msgId }) => msgId)

function expected(msgId: string, commitLsn: bigint, ordinal: number, endLsn: bigint): Expected {
  return { msgId, commitLsn, ordinal, endLsn, content: `row of ${msgId}` }
}

type Given = string | (Partial<Stored> & { readonly id: string | null })

/** Stored one after the other, each at its sequence and 10 ms after the one before, unless it says otherwise. */
function stored(...messages: readonly Given[]): Stored[] {
  let last = { epoch: 0, seq: 0, at: 1_000 }
  return messages.map(given => {
    const { id, ...rest } = typeof given === 'string' ? { id: given } : given
    const seq = (rest.epoch ?? last.epoch) === last.epoch ? last.seq + 1 : 1
    const message: Stored = {
      ...{ epoch: last.epoch, seq, at: last.at + 10 },
      ...{ msgId: id, fenced: true, follows: null, floor: null, content: `row of ${id}` },
      ...rest,
    }
    last = message
    return message
  })
}

const STRANGER = { id: null, content: 'not of the daemon' }
const FIVE_STRANGERS = Array.from({ length: 5 }, () => STRANGER)

function verdictOf(messages: readonly Stored[], samples: readonly Sample[] = []): Verdict {
  return judge(COMMITTED, messages, samples, { window: WINDOW, duplicateWindowMs: DUPLICATE_WINDOW_MS })
}

type Counts = Partial<Record<Kind, number>>

function countsOf({ counts }: Verdict): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
}

const without = (id: string): string[] => IDS.filter(one => one !== id)
const unfenced = (id: string, at?: number) => ({ id, fenced: false, ...(at === undefined ? {} : { at }) })
const floored = (id: string, commitLsn: bigint, ordinal: number) => ({ id, floor: { commitLsn, ordinal } })

/** What the stream got, and what must be reported of it. */
const STREAMS: readonly (readonly [name: string, messages: readonly Given[], counts: Counts])[] = [
  ['all, once, in order', IDS, {}],
  ['nothing at all', [], { loss: 7 }],
  ['the first one lost', without('a0'), { loss: 1 }],
  ['the last one lost', without('c1'), { loss: 1 }],
  ['one in the middle lost', without('b0'), { loss: 1 }],
  ['one twice, next to each other', ['a0', 'a0', ...IDS.slice(1)], { duplicate: 1 }],
  ['one twice, far later', [...IDS, { id: 'a0', at: 900_000 }], { duplicate: 1 }],
  ['a transaction twice', [...IDS, 'b0', 'b1'], { duplicate: 2 }],
  ['two changed places', ['a1', 'a0', ...IDS.slice(2)], { misorder: 1 }],
  ['a transaction overtaken', ['a0', 'a1', 'm', 'c0', 'c1', 'b0', 'b1'], { misorder: 2 }],
  ['a row that differs', [{ id: 'a0', content: 'another row' }, ...IDS.slice(1)], { difference: 1 }],
  ['a message of nothing committed', ['x', ...IDS], { invention: 1 }],
  ['a true floor', ['a0', 'a1', floored('m', 200n, -1), ...IDS.slice(3)], {}],
  ['a floor that is too high by one', ['a0', floored('a1', 200n, -1), ...IDS.slice(2)], { 'false floor': 1 }],
  ['no fence for no reason', [unfenced('a0'), ...IDS.slice(1)], { 'no fence': 1 }],
  ['a chain', [IDS[0]!, { id: IDS[1]!, follows: IDS[0]! }, ...IDS.slice(2)], {}],
  [
    'a chain that JetStream broke',
    [IDS[0]!, { id: IDS[1]!, follows: IDS[2]! }, ...IDS.slice(2)],
    { 'no fence': 1 },
  ],
  ['no fence after few strangers', [STRANGER, STRANGER, unfenced('a0'), ...IDS.slice(1)], { 'no fence': 1 }],
  ['lost and doubled', ['a0', 'a0', ...IDS.slice(2)], { loss: 1, duplicate: 1 }],
]

describe('a stream', () => {
  for (const [name, messages, counts] of STREAMS) {
    it(name, () => assert.deepEqual(countsOf(verdictOf(stored(...messages))), counts))
  }

  it('tells which message it was', () => {
    const { violations } = verdictOf(stored('a1', 'a1', ...IDS.slice(2)))
    assert.deepEqual(
      violations.map(({ kind, text }) => [kind, /a[01]/.exec(text)?.[0]]),
      [
        ['duplicate', 'a1'],
        ['loss', 'a0'],
      ],
    )
  })
})

describe('an early confirmation', () => {
  const messages = stored(...IDS)
  const at = (id: string): number => messages.find(({ msgId }) => msgId === id)!.at

  /** When how far was confirmed, and whether that was early. */
  const SAMPLES: readonly (readonly [name: string, sample: Sample, early: number])[] = [
    ['nothing confirmed before anything is stored', { at: 0, confirmed: 100n }, 0],
    ['a transaction just after its last message', { at: at('a1') + 1, confirmed: 101n }, 0],
    ['a transaction between its messages', { at: at('a0') + 1, confirmed: 101n }, 1],
    ['a transaction up to its commit record', { at: at('a0') + 1, confirmed: 100n }, 0],
    ['a message outside before it is stored', { at: at('a1') + 1, confirmed: 200n }, 1],
    ['all, one message early', { at: at('c1') - 1, confirmed: 999n }, 1],
    ['all, at the end', { at: at('c1') + 1, confirmed: 999n }, 0],
  ]
  for (const [name, sample, early] of SAMPLES) {
    it(name, () => {
      assert.deepEqual(
        countsOf(verdictOf(messages, [sample])),
        early === 0 ? {} : { 'early confirmation': early },
      )
    })
  }

  it('of what is never stored', () => {
    const { counts } = verdictOf(stored(...without('b1')), [
      { at: 9_999_999, confirmed: 300n },
      { at: 9_999_999, confirmed: 301n },
    ])
    assert.equal(counts['early confirmation'], 1)
  })

  it('of what was stored before a purge is none', () => {
    const purged = stored(...IDS, { id: 'c1', epoch: 1, at: 50_000 })
    assert.equal(verdictOf(purged, [{ at: 20_000, confirmed: 401n }]).counts['early confirmation'], 0)
  })
})

describe('what is excused is counted', () => {
  it('again after a purge, but not twice there', () => {
    const verdict = verdictOf(stored(...IDS, { id: 'b0', epoch: 1 }, 'b1', 'b1'))
    assert.deepEqual(countsOf(verdict), { duplicate: 1 })
    assert.equal(verdict.againAfterPurge, 2)
  })

  it("late after a stranger's message, but only near it", () => {
    const near = verdictOf(stored('a0', STRANGER, 'm', 'a1', 'b0', 'b1', 'c0', 'c1'))
    assert.deepEqual([near.lateByStranger, near.counts.misorder], [1, 0])
    const before = verdictOf(stored('a0', 'm', STRANGER, 'a1', 'b0', 'b1', 'c0', 'c1'))
    assert.deepEqual([before.lateByStranger, before.counts.misorder], [0, 1])
    const far = verdictOf(stored(STRANGER, 'a0', 'a1', 'm', 'b0', 'c0', { id: 'b1', seq: 90 }, 'c1'))
    assert.deepEqual([far.lateByStranger, far.counts.misorder], [0, 1])
  })

  it('twice without the fence, after the duplicate window only', () => {
    const again = (at: number) => verdictOf(stored(...FIVE_STRANGERS, ...IDS, unfenced('c1', at)))
    const { at } = stored(...FIVE_STRANGERS, ...IDS).at(-1)!
    const after = again(at + DUPLICATE_WINDOW_MS)
    assert.deepEqual([after.doubledUnfenced, after.counts.duplicate], [1, 0])
    const within = again(at + DUPLICATE_WINDOW_MS - 1)
    assert.deepEqual([within.doubledUnfenced, within.counts.duplicate], [0, 1])
  })

  it('late without the fence', () => {
    const verdict = verdictOf(
      stored(...FIVE_STRANGERS, ...IDS.slice(0, 5), { id: 'c1', seq: 50 }, { ...unfenced('c0'), seq: 51 }),
    )
    assert.deepEqual(countsOf(verdict), {})
    assert.equal(verdict.lateUnfenced, 1)
  })
})
