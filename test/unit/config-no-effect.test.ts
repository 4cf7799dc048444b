/** What a release does not have yet is accepted and told once: by its line, and in the words that a person needs. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspectFiles } from '../kit/config-files.ts'

const RULE = '[[observers]]\ntable = "tb_order"\n'
const T = 'fraiseql.toml'

describe('what has no effect in this release', () => {
  const CASES: readonly [string, string, readonly string[]][] = [
    [
      'a condition of a rule that publishes',
      `${RULE}event = ["INSERT", "UPDATE"]\ncondition = "total > 100"\n`,
      [
        `${T}:4: observers[0].condition: has no effect in this release: every INSERT and UPDATE of tb_order is ` +
          'published, whether the condition holds or not',
      ],
    ],
    [
      'actions of a rule that publishes',
      `${RULE}actions = [{ type = "webhook" }]\n`,
      [`${T}:3: observers[0].actions: has no effect in this release: the rule only publishes`],
    ],
    [
      "a worker's rule, once",
      '[[observers]]\nentity = "Order"\ncondition = "total > 100"\nactions = [{ type = "webhook" }]\n',
      [
        `${T}:1: observers[0]: has no effect in this release, which has no worker: nothing is published for it`,
      ],
    ],
    [
      'settings, one line for each table',
      '[worker]\nmax_deliver = 3\nack_wait_seconds = 5\n[outbox]\nbatch_size = 3\n[notify]\nchannel = "c"\n' +
        '[observers]\nflush_interval_ms = 1\nbatch_size = 1\n[consumers.x]\nstream = "s"\n[nats]\nconsumer_name = "c"\n',
      [
        `${T}:2: worker: max_deliver, ack_wait_seconds have no effect in this release, which has no worker`,
        `${T}:5: outbox.batch_size: has no effect in this release, which has no outbox source`,
        `${T}:7: notify.channel: has no effect in this release, which has no notify source`,
        `${T}:9: observers: flush_interval_ms, batch_size have no effect in this release, which has no worker`,
        `${T}:12: consumers.x.stream: has no effect in this release, which has no worker`,
        `${T}:14: nats.consumer_name: has no effect in this release, which has no worker`,
      ],
    ],
  ]
  for (const [title, text, expected] of CASES) {
    it(title, () => {
      const { messages, warned } = inspectFiles(text)
      assert.deepEqual([messages, warned], [[], expected])
    })
  }
})
