/** What `validate-config` prints, for people and for machines, and its exit code. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { validateConfig } from '../../src/cli/validate-config.ts'
import type { Environment } from '../../src/config/expand.ts'
import { EXIT } from '../../src/errors.ts'
import { ENV, withFolder } from '../kit/config-files.ts'
import { projectRoot } from '../kit/project-root.ts'

async function validate(text: string, format: 'human' | 'json' = 'human', env: Environment = ENV) {
  let printed = ''
  const write = (piece: string) => {
    printed += piece
  }
  const { folder, exit } = withFolder({ 'fraiseql.toml': text }, config => ({
    folder: config,
    exit: validateConfig({ config, format, env, write }),
  }))
  const code = await exit
  return { code, text: printed.replaceAll(`${folder}/`, '') }
}

const documentation = (variant: string) =>
  readFileSync(join(projectRoot, 'test/fixtures/documentation', variant, 'fraiseql.toml'), 'utf8')

const NATS = { ...ENV, NATS_URL: 'nats://user:secret@nats:4222', NATS_TOKEN: 'token' }

describe('validate-config', () => {
  it('prints each value with where it came from', async () => {
    const { code, text } = await validate('[http]\nport = 1\n', 'human', NATS)
    assert.equal(code, EXIT.ok)
    assert.match(text, /^Files: fraiseql\.toml\n/)
    assert.match(text, /^ {2}http\.port += 1 +fraiseql\.toml:2$/m)
    assert.match(text, /^ {2}http\.host += "0\.0\.0\.0" +default$/m)
    assert.match(text, /^ {2}nats\.servers += \["nats:\/\/user:\*\*\*@nats:4222"\] +env NATS_URL$/m)
    assert.match(text, /\n\nThe configuration is valid\.\n$/)
  })

  const ROUTES: readonly [string, readonly RegExp[]][] = [
    [
      'a',
      [
        /^ {2}fraiseql\.toml:2 +tb_order INSERT +-> order_created +-> fraiseql_events$/m,
        /^ {2}fraiseql\.toml:6 +tb_order UPDATE +-> order_status_changed +-> fraiseql_events$/m,
      ],
    ],
    [
      'b',
      [
        /^ {2}no rules +every table, every event +-> fraiseql\.mutation\.\{Entity\}\.\{OPERATION\} +-> fraiseql_events$/m,
      ],
    ],
    ['c', [/^ {2}fraiseql\.toml:10 +tb_order INSERT +-> events\.order\.created +-> events$/m]],
    [
      'd',
      [
        /^ {2}fraiseql\.toml:19 +channel saga_step_completed +-> fraiseql\.saga\.step +-> fraiseql_saga +NOTIFY on this channel needs the notify source; logical messages are published$/m,
      ],
    ],
  ]
  for (const [variant, lines] of ROUTES) {
    it(`prints the rules of the documentation's variant ${variant}`, async () => {
      const { code, text } = await validate(documentation(variant), 'human', NATS)
      assert.equal(code, EXIT.ok, text)
      for (const line of lines) assert.match(text, line)
    })
  }

  it('prints default subjects, configured streams, partitions, and rules of a worker', async () => {
    const { text } = await validate(
      '[[observers]]\ntable = "sales.tb_order"\nevent = ["INSERT", "DELETE"]\n' +
        '[[observers]]\nentity = "Order"\ncondition = "total > 1"\n' +
        '[streams.all]\nsubjects = ["fraiseql.mutation.Order.INSERT.>"]\n' +
        '[partitions]\nenabled = true\n[stream]\nsubject_prefix = "p"\n',
    )
    assert.match(text, /:1 +sales\.tb_order INSERT, DELETE +-> p\.Order\.INSERT\.\* +-> fraiseql_events/)
    assert.match(text, /:1 +sales\.tb_order INSERT, DELETE +-> p\.Order\.DELETE\.\* +-> fraiseql_events/)
    assert.match(text, /:4 +entity Order \* .*a worker's rule; nothing is published/)
  })

  it('says at the rule that nothing is filtered by its condition', async () => {
    const { code, text } = await validate('[[observers]]\ntable = "tb_order"\ncondition = "total > 100"\n')
    assert.equal(code, EXIT.ok)
    assert.match(text, /:1 +tb_order \* .* condition ignored: see the warnings/)
    assert.match(
      text,
      /\nWarnings\n {2}fraiseql\.toml:3: observers\[0\]\.condition: has no effect in this release: every change of tb_order is published/,
    )
  })

  it('names a stream by its name, with the lines of its table', async () => {
    const { text } = await validate(
      '[streams.t]\nname = "s"\nsubjects = ["x"]\nmax_msgs = 5\n[stream]\nmax_bytes = 9\n',
    )
    assert.match(text, /^ {2}streams\.s\.max_msgs += 5 +fraiseql\.toml:4$/m)
    assert.match(text, /^ {2}streams\.s\.max_bytes += 9 +fraiseql\.toml:6$/m)
    assert.match(text, /^ {2}streams\.s\.replicas += 1 +default$/m)
  })

  it('prints every problem and warning, and ends with 78', async () => {
    const { code, text } = await validate('[http]\nprot = 1\nport = "x"\n[replicaton]\n', 'human', {})
    assert.equal(code, EXIT.configuration)
    assert.match(text, /\nWarnings\n {2}fraiseql\.toml:4: replicaton: .*\n/)
    assert.match(
      text,
      /\nProblems\n {2}fraiseql\.toml: database\.url: .*\n {2}fraiseql\.toml:2: .*\n {2}fraiseql\.toml:3: .*\n\n3 problems\.\n$/,
    )
    assert.ok(!text.includes('Rules'))
  })

  it('finds what the daemon refuses to start with: a source that this release does not have', async () => {
    for (const source of ['notify', 'outbox']) {
      const { code, text } = await validate(`[observers]\nsource = "${source}"\n`)
      assert.equal(code, EXIT.configuration)
      assert.match(text, /\nProblems\n {2}fraiseql\.toml:2: observers\.source: .*"cdc"/)
    }
    const { text } = await validate('', 'human', { ...ENV, FRAISEQL_OBSERVERS_SOURCE: 'notify' })
    assert.match(text, /\nProblems\n {2}observers\.source: .*"cdc"/)
  })

  it('finds streams that would share a subject', async () => {
    const { code, text } = await validate(
      '[streams.a]\nsubjects = ["x.>"]\n[streams.b]\nsubjects = ["x.y"]\n[[observers]]\ntable = "t"\nsubject = "x.y"\n',
    )
    assert.equal(code, EXIT.configuration)
    assert.match(text, /\nProblems\n.*overlaps/)
  })

  it('prints JSON for machines', async () => {
    const { code, text } = await validate('[http]\nport = "x"\n[log]\nlevel = "warn"\n', 'json')
    const report = JSON.parse(text)
    assert.equal(code, EXIT.configuration)
    assert.equal(report.ok, false)
    assert.deepEqual(report.files, ['fraiseql.toml'])
    assert.deepEqual(report.problems, [
      { file: 'fraiseql.toml', line: 2, key: 'http.port', message: 'must be a whole number, not text' },
    ])
    assert.deepEqual(
      report.values.find((value: { key: string }) => value.key === 'log.level'),
      { key: 'log.level', value: 'warn', source: 'fraiseql.toml:4' },
    )
    const fine = JSON.parse((await validate(documentation('c'), 'json', NATS)).text)
    assert.equal(fine.ok, true)
    assert.deepEqual(fine.rules[0], {
      origin: 'fraiseql.toml:10',
      what: 'tb_order INSERT',
      note: null,
      subject: 'events.order.created',
      stream: 'events',
    })
  })
})
