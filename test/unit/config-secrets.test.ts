/** Secrets reach no error, warning, source or printed value, whatever is wrong with the configuration. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { validateConfig } from '../../src/cli/validate-config.ts'
import { KEYS } from '../../src/config/keys.ts'
import { shownValues } from '../../src/config/redact.ts'
import { redactUrl } from '../../src/redact.ts'
import { ENV, inspectFiles, withFolder } from '../kit/config-files.ts'

const SECRET = 'hunter2hunter2'

describe('redactUrl', () => {
  const CASES: readonly [string, string][] = [
    [`postgresql://u:${SECRET}@h:5432/d`, 'postgresql://u:***@h:5432/d'],
    [`postgresql://u:a@${SECRET}/x@h/d`, 'postgresql://u:***@h/d'],
    [`postgresql://u@h/d?password=${SECRET}&x=1`, 'postgresql://u@h/d?password=***&x=1'],
    [`nats://${SECRET}@h`, 'nats://***@h'],
    [`u:${SECRET}@h:4222`, 'nats://u:***@h:4222'],
    [`tls://u:${SECRET}@h`, 'tls://u:***@h'],
    [`postgresql://u:${SECRET} "'<>\t${SECRET}@h/d`, 'postgresql://u:***@h/d'],
    [`nats://u:a"${SECRET}@h,tls://${SECRET} x@i`, 'nats://u:***@h,tls://***@i'],
    [`postgresql://u@h/d?x=1&password=a ${SECRET}`, 'postgresql://u@h/d?x=1&password=***'],
    ['postgresql://h/d', 'postgresql://h/d'],
    ['', ''],
  ]
  for (const [url, expected] of CASES) it(url, () => assert.equal(redactUrl(url), expected))
})

describe('secrets', () => {
  /** Each holds the secret in a place where it belongs, or where somebody might put it by mistake. */
  const TEXTS = [
    `[nats.auth]\ntoken = "${SECRET}"\n`,
    `[nats.auth]\ntype = "tokn"\ntoken = "${SECRET}"\n`,
    `[nats.auth]\npassword = "${SECRET}"\n`,
    `[nats.auth]\nnkey = "${SECRET}"\n`,
    `[nats.auth]\njwt = "${SECRET}"\nnkey = "${SECRET}"\n`,
    `[nats.auth]\npassword = ["${SECRET}"]\n`,
    `[nats.auth]\npasword = "${SECRET}"\n`,
    `[nats.auth]\ntoken = "${SECRET}\n`,
    `[nats.auth]\ntoken = ${SECRET}\n`,
    `[nats.auth]\ncreds = "-----BEGIN NATS USER JWT-----\\n${SECRET}"\n`,
    `[database]\nurl = "postgresql://u:${SECRET}@h/d"\n`,
    `[database]\nurl = "postgresql://u:x ${SECRET}@h/d"\n`,
    `[database]\nurl = "postgresql://u:p@${SECRET}/w@h:5432/d"\n`,
    `[database]\nurl = "postgresql://u:1234/${SECRET}@h:5432/d"\n`,
    `[database]\nurl = "u:${SECRET}@h/d"\n`,
    `[database]\nurl = "postgresql://u:${SECRET}@h:x/d"\n`,
    `[database]\nurl = "postgresql://u:%${SECRET}@h/d"\n`,
    `[database]\nurl = "\${NO_URL:-mysql://u:${SECRET}@h}"\n`,
    `[database]\nurl = "\${${SECRET}"\n`,
    `[nats]\nservers = ["nats://u:${SECRET}@h", "http://u:${SECRET}@h"]\n`,
    `[nats]\nservers = "nats://u:${SECRET}@h,nats://u:other@h"\n`,
    `[nats]\nservers = { a = "${SECRET}" }\n`,
    `[observers]\nnats_url = "nats://${SECRET}@a"\n[nats]\nurl = "nats://b"\n`,
    `[[observers]]\nentity = "A"\n[[observers.actions]]\nurl = "https://x/${SECRET}"\n`,
  ]

  it('are not told by validate-config, in either format', async () => {
    for (const text of TEXTS) {
      for (const format of ['human', 'json'] as const) {
        const printed = await withFolderAsync(text, format)
        assert.ok(!printed.includes(SECRET), `${text}\n${printed}`)
      }
    }
  })

  it('do not reach warnings and sources', () => {
    for (const text of TEXTS) {
      const { warnings, sources, problems } = inspectFiles(text, { env: { NATS_URL: `nats://${SECRET}@x` } })
      assert.ok(!JSON.stringify([warnings, [...sources], problems]).includes(SECRET), text)
    }
  })

  it('are hidden in every key that is declared secret', () => {
    const text = KEYS.filter(({ secret }) => secret !== undefined)
      .map(({ path }) => path.join('.'))
      .sort()
    assert.deepEqual(text, [
      'database.url',
      'nats.auth.jwt',
      'nats.auth.nkey',
      'nats.auth.password',
      'nats.auth.token',
      'nats.servers',
    ])
  })

  it('stay hidden whatever they are', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9%@:/.,?&= -]{6,20}$/).map(tail => `Zq7${tail}7qZ`)
    fc.assert(
      fc.property(secret, fc.constantFrom('token', 'password', 'jwt', 'nkey', 'creds'), (value, key) => {
        const text = `[nats.auth]\n${key} = ${JSON.stringify(value)}\nuser = "u"\n`
        const { config, sources, messages } = inspectFiles(text)
        const shown = shownValues(config, sources).filter(entry => entry.key !== 'nats.auth.creds')
        assert.ok(!JSON.stringify(shown).includes(value))
        if (key !== 'creds') assert.ok(!messages.join().includes(value))
      }),
      { numRuns: 100 },
    )
  })
})

async function withFolderAsync(text: string, format: 'human' | 'json'): Promise<string> {
  let printed = ''
  const write = (piece: string) => {
    printed += piece
  }
  // validateConfig reads the files before its first await.
  await withFolder({ 'fraiseql.toml': text }, config =>
    validateConfig({ config, format, env: { ...ENV, DATABASE_URL: undefined }, write }),
  )
  return printed
}
