import assert from 'node:assert/strict'
import { test } from 'node:test'
import { notesOn } from '../../src/publish/stream-check.ts'
import type { StreamConfig } from '../../src/publish/stream-config.ts'

const CONFIG: StreamConfig = {
  name: 's',
  retention: 'limits',
  storage: 'file',
  discard: 'old',
  num_replicas: 1,
  max_age: 0,
  max_bytes: -1,
  max_msgs: -1,
  duplicate_window: 120e9,
}

const PECULIAR: readonly (readonly [Partial<StreamConfig>, readonly RegExp[]])[] = [
  [{}, []],
  [{ retention: 'workqueue' }, [/consumed messages are gone.*\(2 min\)$/]],
  [{ retention: 'interest' }, [/consumed messages are gone/, /no consumer is dropped at once/]],
  [{ persist_mode: 'async' }, [/acks come before the file is written/]],
  [{ storage: 'memory' }, [/a restart of the server loses the messages/]],
  [{ max_msgs_per_subject: 1 }, [/last 1 messages of a subject.*stored again behind a newer one/]],
]

test('what a stream can not promise is told', () => {
  for (const [part, expected] of PECULIAR) {
    const notes = notesOn({ ...CONFIG, ...part }, null)
    assert.equal(notes.length, expected.length, JSON.stringify(part))
    for (const [i, pattern] of expected.entries()) assert.match(notes[i]!, pattern)
  }
})
