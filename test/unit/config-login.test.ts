/** `[nats.auth]` and `[nats.tls]`: each kind of login, files beside the configuration, and what is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NatsAuth } from '../../src/config/config.ts'
import { inspectFiles } from '../kit/config-files.ts'

const SEED = 'SUAOTVRWCGSU3O25XVVZLVOVLYMVBQ6ZEXSBUHR2QFKPXBUXOYHHDRLPYE'
const PUBLIC = 'UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L'
const JWT = 'eyJ0eXAiOiJKV1QifQ.eyJqdGkiOiJYIn0.c2lnbmF0dXJl'

const FILES = {
  'user.nk': `${SEED}\n`,
  'public.nk': PUBLIC,
  'empty.nk': '',
  'user.jwt': JWT,
  'x.creds': 'creds',
  'x.pem': '',
}

function login(text: string, files: Readonly<Record<string, string>> = FILES) {
  return inspectFiles({ ...files, 'fraiseql.toml': text })
}

describe('[nats.auth]', () => {
  const KINDS: readonly [string, string, NatsAuth | RegExp][] = [
    ['nothing', '', { type: 'none' }],
    ['token', 'type = "token"\ntoken = "t"', { type: 'token', token: 't' }],
    ['user', 'type = "user"\nuser = "u"\npassword = "p"', { type: 'user', user: 'u', password: 'p' }],
    ['user in other words', 'username = "u"\npass = "p"', { type: 'user', user: 'u', password: 'p' }],
    ['a seed', `type = "nkey"\nnkey = "${SEED}"`, { type: 'nkey', seed: SEED }],
    ['a seed by another name', `seed = "${SEED}"`, { type: 'nkey', seed: SEED }],
    ['a file of a seed', 'nkey = "user.nk"', /\/user\.nk$/],
    ['jwt', `jwt = "${JWT}"\nnkey = "${SEED}"`, { type: 'jwt', jwt: JWT, seed: SEED }],
    ['creds', 'creds_file = "x.creds"', /\/x\.creds$/],
    ['without type, what is there', 'token = "t"', { type: 'token', token: 't' }],
  ]
  for (const [title, text, expected] of KINDS) {
    it(title, () => {
      const { config, messages } = login(`[nats.auth]\n${text}\n`)
      assert.deepEqual(messages, [])
      if (expected instanceof RegExp) {
        const { auth } = config.nats
        assert.match(auth.type === 'nkey' ? auth.seed : auth.type === 'creds' ? auth.file : '', expected)
      } else assert.deepEqual(config.nats.auth, expected)
    })
  }

  const MISTAKES: readonly [string, string, RegExp][] = [
    ['a public key', `nkey = "${PUBLIC}"`, /:2: nats\.auth\.nkey: is a public key; give the seed/],
    ['a file with a public key', 'nkey = "public.nk"', /:2: .*is a file with a public key/],
    ['a file without a seed', 'nkey = "empty.nk"', /:2: .*is a file without a seed/],
    ['neither seed nor file', 'nkey = "none.nk"', /:2: .*is neither a seed/],
    ["an account's seed", `nkey = "SA${SEED.slice(2)}"`, /:2: .*is not a user's seed/],
    [
      'a missing password',
      'type = "user"\nuser = "u"',
      /nats\.auth\.password: is missing: .*type = "user" needs it/,
    ],
    [
      'a key of another kind',
      'type = "token"\ntoken = "t"\nuser = "u"',
      /:4: nats\.auth\.user: does not belong to/,
    ],
    [
      'a missing file',
      'creds = "none.creds"',
      /:2: nats\.auth\.creds: names a file that can not be read: none\.creds$/,
    ],
    [
      'what a file holds',
      'creds = "-----BEGIN NATS USER JWT-----"',
      /:2: nats\.auth\.creds: must be the path/,
    ],
    [
      'an unknown kind',
      'type = "tokn"\ntoken = "t"',
      /:2: nats\.auth\.type: must be one of .*did you mean "token"\?$/,
    ],
  ]
  for (const [title, text, expected] of MISTAKES) {
    it(`refuses ${title}`, () => {
      const { messages } = login(`[nats.auth]\n${text}\n`)
      assert.equal(messages.length, 1, messages.join('\n'))
      assert.match(messages[0]!, expected)
    })
  }
})

describe('[nats.tls]', () => {
  const tls = (text: string) => login(text).config.nats.tls

  it('is off without the table, on with it, and can be said', () => {
    assert.equal(tls(''), null)
    assert.notEqual(tls('[nats.tls]\n'), null)
    assert.equal(tls('[nats.tls]\nenabled = false\n'), null)
    assert.equal(tls('[transport.nats.tls]\nserver_name = "a"\n')?.server_name, 'a')
  })

  it('takes files beside the configuration', () => {
    const { config, messages } = login(
      '[nats.tls]\nca = "x.pem"\ncert_file = "x.pem"\nclient_key = "x.pem"\n',
    )
    assert.deepEqual(messages, [])
    const { ca_file, cert_file, key_file } = config.nats.tls!
    for (const file of [ca_file, cert_file, key_file]) assert.match(file!, /^\/.*\/x\.pem$/)
  })

  it('refuses half a client certificate and missing files', () => {
    assert.match(
      login('[nats.tls]\ncert_file = "x.pem"\n').messages.join(),
      /:2: nats\.tls\.cert_file: needs key_file/,
    )
    assert.match(
      login('[nats.tls]\nkey_file = "x.pem"\n').messages.join(),
      /:2: nats\.tls\.key_file: needs cert_file/,
    )
    assert.match(
      login('[nats.tls]\nca_file = "y.pem"\n').messages.join(),
      /:2: nats\.tls\.ca_file: names a file/,
    )
  })
})
