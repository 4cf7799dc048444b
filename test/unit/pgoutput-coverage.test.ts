/**
 * Every block of the decoder, and of the value encoders that it feeds, is reached by the tests that say what comes out:
 * tables of cases alone, for chance must not decide what is covered.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Coverage, runCovered, unreached } from '../kit/coverage.ts'

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url))
const HERE = fileURLToPath(new URL('.', import.meta.url))
const TESTS = [
  ...['pgoutput', 'pgoutput-edges', 'encode-value', 'encode-edges', 'encode-trimmed', 'format-fraiseql'],
  ...['formats', 'timestamp', 'message-id', 'row-encoders'],
]
/** Tests of random input, by their names. The root of all tests has a name too, `<root>` or none, and lets all others in. */
const RANDOM = 'random|mutated|any text|no name and no value|whatever'
const WITHOUT_CHANCE = `--test-name-pattern=/^(?!<root>|$|.*(${RANDOM}))/`
const RAN_BY_CHANCE = new RegExp(`^ok .*(${RANDOM})(?!.*# SKIP)`, 'm')
/** Code that nothing can reach: it can only be left out here if this says why. */
const BEYOND_REACH = [
  // Who calls writeSpecial has seen a byte that is no sign, so the text is never empty.
  'event/encode-number.js: : 0',
]

const FILES = [
  'source/replication/pgoutput.js',
  'source/replication/partition-roots.js',
  ...readdirSync(`${SOURCE}event`)
    .filter(name => /^(encode-.*|quoted-text|builtin-types|timestamp)\.js$/.test(name))
    .map(name => `event/${name}`),
]

test('every block of the decoder and of the value encoders is reached', async t => {
  const coverage: Coverage = new Map()
  const runs = TESTS.map(async name => {
    const args = ['--test-reporter=tap', WITHOUT_CHANCE, `${HERE}${name}.test.js`]
    const { code, output } = await runCovered(args, coverage)
    assert.equal(code, 0, `${name}:\n${output}`)
    assert.doesNotMatch(output, RAN_BY_CHANCE)
    assert.match(output, /^ok 1 /m)
  })
  await Promise.all(runs)
  const missing: string[] = []
  for (const file of FILES) {
    const gaps = (await unreached(`${SOURCE}${file}`, coverage)).filter(
      ({ code }) => !BEYOND_REACH.includes(`${file}: ${code}`),
    )
    t.diagnostic(`${file}: ${gaps.length === 0 ? 'every block reached' : `${gaps.length} gaps`}`)
    missing.push(...gaps.map(({ line, code }) => `${file} line ${line}: ${code}`))
  }
  assert.deepEqual(missing, [])
})
