/** What a slot that is present means, case by case. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigurationError, FatalError, RetryableError } from '../../src/errors.ts'
import { type Lsn, parseLsn } from '../../src/lsn.ts'
import { judgeSlot, type SlotFacts, slotLag } from '../../src/source/replication/slot.ts'

const HEALTHY: SlotFacts = {
  name: 'own',
  plugin: 'pgoutput',
  database: 'shop',
  currentDatabase: 'shop',
  temporary: false,
  twoPhase: false,
  holder: null,
  confirmedFlush: parseLsn('0/2000'),
  restartLsn: parseLsn('0/1000'),
  walStatus: 'reserved',
  safeWalSize: null,
  invalidationReason: null,
  synced: false,
  currentLsn: parseLsn('0/5000'),
}
const holder = { pid: 7, application: 'other', clientAddress: '10.0.0.1' }

describe('judgeSlot', () => {
  it('takes a healthy slot', () => {
    assert.deepEqual(judgeSlot(HEALTHY), {
      state: 'ready',
      created: false,
      confirmedFlush: 0x2000n,
      restartLsn: 0x1000n,
      walStatus: 'reserved',
      safeWalSize: null,
    })
    assert.equal(judgeSlot({ ...HEALTHY, walStatus: 'unreserved' }).state, 'ready')
  })

  it('says who holds it', () => {
    assert.deepEqual(judgeSlot({ ...HEALTHY, holder }), { state: 'busy', holder })
  })

  const FOREIGN: readonly [Partial<SlotFacts>, RegExp][] = [
    [{ plugin: 'wal2json' }, /output plugin wal2json/],
    [{ plugin: null, database: null }, /physical/],
    [{ database: 'other' }, /database "other", not "shop"/],
    [{ temporary: true, holder }, /temporary.*pid 7/],
    [{ twoPhase: true }, /two_phase/],
  ]
  for (const [facts, message] of FOREIGN) {
    it(`refuses ${JSON.stringify(facts)}`, () => {
      assert.throws(
        () => judgeSlot({ ...HEALTHY, ...facts }),
        (error: unknown) => {
          assert.ok(error instanceof ConfigurationError)
          assert.match(error.message, message)
          assert.match(error.remedy, /pg_drop_replication_slot\('own'\)/)
          return true
        },
      )
    })
  }

  const LOST: readonly Partial<SlotFacts>[] = [
    { walStatus: 'lost', restartLsn: null },
    { walStatus: 'lost', invalidationReason: 'wal_removed', holder },
    { invalidationReason: 'idle_timeout' },
  ]
  for (const facts of LOST) {
    const title = JSON.stringify(facts)
    it(`stops with exit code 79 at ${title}`, () => {
      assert.throws(
        () => judgeSlot({ ...HEALTHY, ...facts }),
        (error: unknown) => {
          assert.ok(error instanceof FatalError)
          assert.equal(error.exitCode, 79)
          assert.match(error.message, /after 0\/2000, up to about 0\/5000/)
          return true
        },
      )
    })
  }

  it("waits for promotion where the slot is a standby's copy", () => {
    assert.throws(() => judgeSlot({ ...HEALTHY, synced: true }), RetryableError)
  })

  it('tries again where the slot is not finished', () => {
    assert.throws(() => judgeSlot({ ...HEALTHY, confirmedFlush: null }), RetryableError)
  })
})

describe('slotLag', () => {
  it('measures from restart_lsn and from confirmed_flush_lsn, and never below zero', () => {
    assert.deepEqual(slotLag({ ...HEALTHY, holder, safeWalSize: 5n }), {
      retainedBytes: 0x4000n,
      lagBytes: 0x3000n,
      safeWalSize: 5n,
      walStatus: 'reserved',
      active: true,
    })
    const ahead = slotLag({ ...HEALTHY, currentLsn: 1n as Lsn })
    assert.deepEqual([ahead.retainedBytes, ahead.lagBytes, ahead.active], [0n, 0n, false])
  })
})
