/** The check of the demo: whatever is lost, doubled, invented or out of order must be found, and be told. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Message } from '../../demo/arrivals.ts'
import { type Change, compare } from '../../demo/change.ts'
import { quantile, whatChanged } from '../../demo/screen.ts'

const change = (id: string, value: string, operation: Change['operation'] = 'UPDATE'): Change => ({
  ...{ operation, entity: 'Order', id, value },
})
const A = change('a', 'pending', 'INSERT')
const B = change('a', 'paid')
const C = change('b', 'paid')

const CASES: readonly [what: string, arrived: readonly Change[], findings: readonly string[]][] = [
  ['the same', [A, B, C], []],
  ['one lost', [A, C], ['missing: UPDATE Order a (paid)']],
  ['one twice', [A, B, B, C], ['arrived 2 times: UPDATE Order a (paid)']],
  ['one from nowhere', [A, B, C, change('x', 'paid')], ['never written: UPDATE Order x (paid)']],
  [
    'two in another order',
    [A, C, B],
    ['out of order from event 2 on: UPDATE Order b (paid) before UPDATE Order a (paid)'],
  ],
]

describe('compare', () => {
  for (const [what, arrived, findings] of CASES) {
    it(what, () => assert.deepEqual(compare([A, B, C], arrived), { good: findings.length === 0, findings }))
  }

  it('tells the first few findings only', () => {
    const written = Array.from({ length: 50 }, (_, i) => change(`${i}`, 'paid'))
    assert.equal(compare(written, []).findings.length, 5)
  })
})

describe('whatChanged', () => {
  const order = { identifier: 'ORD-1', customer: 'Ada', status: 'pending', total: 36.5 }
  const item = { quantity: 2, product: 'teapot', price: 34 }
  const message = (parts: Partial<Message>): Message => ({
    ...{
      event_type: 'INSERT',
      entity_type: 'Order',
      entity_id: 'a',
      data: order,
      changes: null,
      timestamp: '',
    },
    ...parts,
  })
  const cases: readonly [Partial<Message>, string][] = [
    [{}, 'new: ORD-1 of Ada, pending, 36.50'],
    [{ event_type: 'DELETE' }, 'gone: ORD-1 of Ada, pending, 36.50'],
    [{ entity_type: 'OrderItem', data: item }, 'new: 2 x teapot at 34.00'],
    [{ event_type: 'UPDATE' }, 'now: ORD-1 of Ada, pending, 36.50'],
    [
      {
        event_type: 'UPDATE',
        changes: { status: { old: 'pending', new: 'paid' }, total: { old: 1, new: 2.5 } },
      },
      'status: pending -> paid, total: 1.00 -> 2.50',
    ],
  ]
  for (const [parts, text] of cases) it(text, () => assert.equal(whatChanged(message(parts)), text))
})

it('quantile', () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2)
  assert.equal(quantile([3, 1, 2], 0.99), 3)
  assert.ok(Number.isNaN(quantile([], 0.5)))
})
