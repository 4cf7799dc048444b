/**
 * A reporter of node:test for `test/run.mjs`: a line of JSON for each test that begins and each that ended. Suites are
 * told only when they failed by themselves (a hook, say), and tests that failed only by their subtests not at all, so
 * that each outcome counts. The last line tells that node:test came to its end.
 */
import { inspect } from 'node:util'

export default async function* report(events) {
  const path = []
  for await (const { type, data } of events) {
    if (type === 'test:dequeue') yield line({ name: data.name, outcome: 'begun' })
    if (type === 'test:start') path.splice(data.nesting, path.length, data.name)
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const { error, type: kind } = data.details
    if (type === 'test:fail' && error?.failureType === 'subtestsFailed') continue
    const marked = data.skip !== undefined || data.todo !== undefined
    if (type === 'test:pass' && kind === 'suite' && !marked) continue
    const name = [...path.slice(0, data.nesting), data.name].join(' > ')
    // What is marked as to do may fail without a word, so it counts as skipped.
    if (marked) yield line({ name, outcome: 'skipped' })
    else if (type === 'test:pass') yield line({ name, outcome: 'passed' })
    else yield line({ name, outcome: 'failed', error: describe(error) })
  }
  yield line({ outcome: 'end' })
}

function describe(error) {
  const cause = error?.cause instanceof Error ? error.cause : error
  const text = inspect(cause, { depth: 4, breakLength: 110 })
  return text
    .replace(/^ +at .*\bnode:internal\/.*\n?/gm, '')
    .replace(/^ +at .*\(node:async_hooks:.*\n?/gm, '')
}

function line(value) {
  return `${JSON.stringify(value)}\n`
}
