/**
 * The demo as a person runs it: a fixed number of orders with its check, Ctrl-C, and an end by force, after which
 * nothing may run on.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { canListen } from '../../tools/server-process.ts'
import { until } from '../kit/daemon.ts'
import { projectRoot } from '../kit/project-root.ts'

const MAIN = fileURLToPath(new URL('../../demo/main.js', import.meta.url))
const EVENT = /^\d\d:\d\d:\d\d\.\d{3} +\d+\.\d\d ms {2}(\S+) +[0-9a-f]{8} {3}\S/gm

const started = new Set<Demo>()

describe('npm run demo', () => {
  after(() => {
    for (const demo of started) demo.kill('SIGKILL')
  })

  it('--once writes its orders, sees each event once and in order, and exits with 0', async () => {
    const demo = new Demo(['--once', '--orders', '9'])
    assert.deepEqual(await demo.exit, [0, null], demo.output)
    assert.match(demo.output, /every event arrived once and in commit order\n$/)
    const summary = /^9 orders, (\d+) row changes written, (\d+) events in the stream$/m.exec(demo.output)
    const subjects = [...demo.output.matchAll(EVENT)].map(([, subject]) => subject)
    assert.equal(subjects.length, Number(summary?.[1]))
    assert.equal(subjects.length, Number(summary?.[2]))
    assert.deepEqual([...new Set(subjects)].sort(), [
      'fraiseql.mutation.Order.DELETE',
      'fraiseql.mutation.OrderItem.DELETE',
      'fraiseql.mutation.OrderItem.INSERT',
      'fraiseql.mutation.OrderItem.UPDATE',
      'order_created',
      'order_status_changed',
    ])
    await demo.leavesNothing()
  })

  it('shows its metrics, and stops at Ctrl-C with its summary', async () => {
    const demo = new Demo([])
    await demo.shows(EVENT)
    const metrics = /^ {2}metrics +(http:\S+)/m.exec(demo.output)?.[1] ?? 'no metrics'
    const text = await fetch(metrics).then(response => response.text())
    assert.match(text, /^fraiseql_observer_events_processed_total [1-9]/m)
    demo.kill('SIGINT')
    assert.deepEqual(await demo.exit, [0, null], demo.output)
    assert.match(demo.output, /every event arrived once and in commit order\n$/)
    await demo.leavesNothing()
  })

  it('leaves nothing running when it is ended by SIGKILL', async () => {
    const demo = new Demo([])
    await demo.shows(EVENT)
    demo.kill('SIGKILL')
    assert.deepEqual(await demo.exit, [null, 'SIGKILL'])
    await demo.leavesNothing()
  })

  it('says what is wrong with its command line', async () => {
    const demo = new Demo(['--orders', 'many'])
    assert.deepEqual(await demo.exit, [1, null])
    assert.equal(demo.output, 'demo: --orders must be a whole number from 1 on, not many\n')
  })
})

class Demo {
  output = ''
  readonly exit: Promise<unknown[]>
  readonly #child: ChildProcess

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.exit = once(this.#child, 'close')
    started.add(this)
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', text => (this.output += text))
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  shows(pattern: RegExp): Promise<void> {
    return until(
      () => this.output.search(pattern) >= 0,
      () => `no ${pattern}:\n${this.output}`,
    )
  }

  /** Its three ports are free again, and its folders are gone. */
  async leavesNothing(): Promise<void> {
    const ports = [...this.output.matchAll(/127\.0\.0\.1:(\d+)(?:\/shop|\/metrics|$)/gm)].map(match =>
      Number(match[1]),
    )
    assert.equal(ports.length, 3, this.output)
    for (const port of ports) {
      await until(
        () => canListen(port),
        () => `port ${port} is still in use`,
      )
    }
    const folders = () =>
      readdirSync(join(projectRoot, '.demo')).filter(name => name.includes(`-${this.#child.pid}-`))
    await until(
      () => folders().length === 0,
      () => `left behind: ${folders().join(', ')}`,
    )
  }
}
