/** Codes of PostgreSQL, Node.js and TLS -> what the program does. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigurationError, exitCodeOf, FatalError, RetryableError } from '../../src/errors.ts'
import { classifyPostgresError } from '../../src/postgres-codes.ts'

const failure = (code: string | undefined, message = 'x') =>
  Object.assign(new Error(message), code === undefined ? {} : { code })

const CASES: readonly [string | undefined, typeof RetryableError | typeof FatalError, number][] = [
  ['28P01', ConfigurationError, 78],
  ['28000', ConfigurationError, 78],
  ['3D000', ConfigurationError, 78],
  ['42501', ConfigurationError, 78],
  ['53400', ConfigurationError, 78],
  ['TLS_REFUSED', ConfigurationError, 78],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', ConfigurationError, 78],
  ['ERR_TLS_CERT_ALTNAME_INVALID', ConfigurationError, 78],
  ['ERR_SSL_WRONG_VERSION_NUMBER', ConfigurationError, 78],
  ['ECONNREFUSED', RetryableError, 69],
  ['ENOTFOUND', RetryableError, 69],
  ['ETIMEDOUT', RetryableError, 69],
  ['EADDRNOTAVAIL', RetryableError, 69],
  ['53300', RetryableError, 69],
  ['53200', RetryableError, 69],
  ['55006', RetryableError, 69],
  ['57P01', RetryableError, 69],
  ['57P02', RetryableError, 69],
  ['57P03', RetryableError, 69],
  ['40001', RetryableError, 69],
  ['08006', RetryableError, 69],
  ['XX000', RetryableError, 69],
  [undefined, RetryableError, 69],
  ['57P04', FatalError, 1],
  ['55000', FatalError, 1],
  ['42704', FatalError, 1],
  ['55000', FatalError, 1],
  ['0A000', FatalError, 1],
  ['22012', FatalError, 1],
  ['22021', FatalError, 1],
  ['22P05', FatalError, 1],
  ['XX001', FatalError, 1],
  ['58P01', FatalError, 79],
]

describe('classifyPostgresError', () => {
  for (const [code, expected, exitCode] of CASES) {
    it(`${code} is a ${expected.name}, exit code ${exitCode}`, () => {
      const error = classifyPostgresError(failure(code))
      assert.equal(error.constructor, expected)
      assert.equal(exitCodeOf(error), exitCode)
      assert.equal(error.code, code ?? 'CONNECTION_LOST')
      assert.notEqual(error.remedy, '')
    })
  }

  it('names the server, the role and the database, and keeps the cause', () => {
    const cause = failure('28P01', 'password authentication failed for user "ann"')
    const error = classifyPostgresError(cause, { server: 'db:5432', user: 'ann', database: 'shop' })
    assert.equal(
      error.message,
      'PostgreSQL at db:5432, role "ann", database "shop": PostgreSQL refuses the password ' +
        '(28P01: password authentication failed for user "ann")',
    )
    assert.equal(error.cause, cause)
  })

  it('reads 42501, 08P01 and 42601 another way on a replication connection', () => {
    const context = { replication: true, user: 'o"x' }
    const role = classifyPostgresError(failure('42501'), context)
    assert.match(role.remedy, /ALTER ROLE "o""x" REPLICATION;/)
    for (const code of ['08P01', '42601']) {
      const error = classifyPostgresError(failure(code), context)
      assert.ok(error instanceof ConfigurationError)
      assert.match(error.remedy, /pooler/)
    }
  })

  it('takes 55000 for a passing state while it connects: the database accepts no connections', () => {
    const error = classifyPostgresError(failure('55000'), { connecting: true })
    assert.ok(error instanceof RetryableError)
    assert.match(error.remedy, /ALLOW_CONNECTIONS/)
  })

  it('leaves our own errors as they are', () => {
    const own = new FatalError('x', { code: 'X', remedy: 'y', exitCode: 79 })
    assert.equal(classifyPostgresError(own), own)
  })

  it('takes anything that is thrown', () => {
    for (const thrown of [undefined, null, 'text', { code: 7 }]) {
      assert.ok(classifyPostgresError(thrown) instanceof RetryableError)
    }
  })
})
