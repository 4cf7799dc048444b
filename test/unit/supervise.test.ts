import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FatalError, RetryableError } from '../../src/errors.ts'
import { type Backoff, backoff } from '../../src/lifecycle/retry.ts'
import { sleep } from '../../src/lifecycle/sleep.ts'
import { supervise } from '../../src/lifecycle/supervise.ts'

const lost = () => new RetryableError('lost', { code: 'lost', remedy: 'Wait.' })
const fatal = () => new FatalError('gone', { code: 'gone', remedy: 'Look.' })

test('delays double up to their bound, within the upper half', () => {
  for (const [random, expected] of [
    [0, [50, 100, 200, 250, 250]],
    [0.5, [75, 150, 300, 375, 375]],
    [1, [100, 200, 400, 500, 500]],
  ] as const) {
    const { next } = backoff({ baseMs: 100, maxMs: 500, random: () => random })
    assert.deepEqual([next(), next(), next(), next(), next()], expected)
  }
})

test('after a reset the delays start again; a bound below the base holds', () => {
  const again = backoff({ baseMs: 100, maxMs: 1_000, random: () => 1 })
  again.next()
  again.next()
  again.reset()
  assert.equal(again.next(), 100)
  assert.equal(backoff({ baseMs: 100, maxMs: 10, random: () => 1 }).next(), 10)
})

test('a sleep ends with the abort, and does not start after it', async () => {
  const controller = new AbortController()
  const asleep = sleep(3_600_000, controller.signal)
  controller.abort()
  await asleep
  await sleep(3_600_000, controller.signal)
})

function immediate(): Backoff & { readonly delays: number[] } {
  const delays: number[] = []
  let failures = 0
  return {
    delays,
    next: () => delays.push(failures++) && 0,
    reset: () => {
      failures = 0
    },
  }
}

test('a fresh run follows each retryable failure, until one returns', async () => {
  const restarts: string[] = []
  let runs = 0
  await supervise(
    {
      run: async () => {
        if (++runs < 4) throw lost()
      },
      backoff: immediate(),
      onRestart: (error, delayMs) => restarts.push(`${error.code} ${delayMs}`),
    },
    new AbortController().signal,
  )
  assert.equal(runs, 4)
  assert.deepEqual(restarts, ['lost 0', 'lost 0', 'lost 0'])
})

test('a run that got somewhere makes the next delay short again', async () => {
  const delays = immediate()
  let runs = 0
  await supervise(
    {
      run: async (_, progressed) => {
        runs++
        if (runs === 3) progressed()
        if (runs < 5) throw lost()
      },
      backoff: delays,
      onRestart: () => undefined,
    },
    new AbortController().signal,
  )
  assert.deepEqual(delays.delays, [0, 1, 0, 1])
})

test('another error ends it', async () => {
  const never = { backoff: immediate(), onRestart: () => assert.fail('restarted') }
  const { signal } = new AbortController()
  await assert.rejects(supervise({ ...never, run: () => Promise.reject(fatal()) }, signal), FatalError)
  await assert.rejects(
    supervise({ ...never, run: () => Promise.reject(new TypeError('bug')) }, signal),
    TypeError,
  )
})

test('an abort ends it: before, during a run, and while waiting', async () => {
  const aborted = new AbortController()
  aborted.abort()
  const run = (): Promise<void> => Promise.reject(lost())
  const never = { backoff: immediate(), onRestart: () => assert.fail('restarted') }
  await supervise({ ...never, run: () => assert.fail('ran') }, aborted.signal)

  const during = new AbortController()
  await supervise(
    {
      ...never,
      run: async () => {
        during.abort()
        throw lost()
      },
    },
    during.signal,
  )

  const waiting = new AbortController()
  const slow = backoff({ baseMs: 3_600_000, maxMs: 3_600_000, random: () => 1 })
  let restarts = 0
  const supervised = supervise({ run, backoff: slow, onRestart: () => restarts++ }, waiting.signal)
  setImmediate(() => waiting.abort())
  await supervised
  assert.equal(restarts, 1)
})
