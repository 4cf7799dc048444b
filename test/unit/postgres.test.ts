/** Which server is the wanted one, and which ways of TLS are tried: the decisions of connecting. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { suits, tlsUses } from '../../src/postgres.ts'
import type { SslMode, TargetSession } from '../../src/postgres-url.ts'

describe('suits', () => {
  /** Of a primary, a primary whose sessions are read-only, and a standby: which will do. */
  const CASES: readonly [TargetSession, boolean, boolean, boolean][] = [
    ['any', true, true, true],
    ['prefer-standby', true, true, true],
    ['primary', true, true, false],
    ['standby', false, false, true],
    ['read-write', true, false, false],
    ['read-only', false, true, true],
  ]
  for (const [wanted, ...expected] of CASES) {
    it(wanted, () => {
      assert.deepEqual(
        [suits(wanted, false, false), suits(wanted, false, true), suits(wanted, true, true)],
        expected,
      )
    })
  }
})

describe('tlsUses', () => {
  const CASES: readonly [SslMode, ReturnType<typeof tlsUses>][] = [
    ['disable', ['no', null]],
    ['allow', ['no', 'yes']],
    ['prefer', ['if-offered', 'no']],
    ['require', ['yes', null]],
    ['verify-ca', ['yes', null]],
    ['verify-full', ['yes', null]],
  ]
  for (const [mode, expected] of CASES) it(mode, () => assert.deepEqual(tlsUses(mode), expected))
})
