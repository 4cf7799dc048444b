import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLsn } from '../../src/lsn.ts'
import { parseTimelines } from '../../src/source/replication/timeline.ts'

test('a history file gives the end of each timeline that was left', () => {
  const text =
    '# written by hand\n1\t0/3000158\tno recovery target specified\n\n2\t1A/40000A0\tbefore transaction 12\n'
  assert.deepEqual(
    parseTimelines(text),
    new Map([
      [1, parseLsn('0/3000158')],
      [2, parseLsn('1A/40000A0')],
    ]),
  )
  assert.equal(parseTimelines('').size, 0)
})
