/** sslmode against servers with and without TLS, as libpq has it. */
import assert from 'node:assert/strict'
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import { connectReplication, connectSql } from '../../src/postgres.ts'
import { createAuthority } from '../kit/certificates.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'

const HBA = `
hostssl   all secured   127.0.0.1/32 trust
hostnossl all unsecured 127.0.0.1/32 trust
hostssl   all certified 127.0.0.1/32 cert
host      all postgres  127.0.0.1/32 trust
local     all all                    trust
`
/** Answers of a connection: over TLS, in plain text, or the code of the failure. */
type Outcome = 'tls' | 'plain' | 'untrusted' | (string & {})

/** Which one OpenSSL reports depends on the chain and on its release. */
const UNTRUSTED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
])

let files: string
let server: PostgresServer

before(async () => {
  files = mkdtempSync(join(tmpdir(), 'fraiseql-test-tls-'))
  const authority = createAuthority(files, 'ca')
  createAuthority(files, 'stranger')
  authority.issue('certified')
  const own = authority.issue('localhost', ['localhost'])
  server = await startPostgres({ hba: HBA })
  const { uid, gid } = statSync(server.dataDir)
  const inside = { 'server.crt': own.certFile, 'server.key': own.keyFile, 'root.crt': authority.certFile }
  for (const [name, file] of Object.entries(inside)) {
    writeFileSync(join(server.dataDir, name), readFileSync(file), { mode: 0o600 })
    chownSync(join(server.dataDir, name), uid, gid)
  }
  for (const role of ['secured', 'unsecured', 'certified'])
    await server.sql(`CREATE ROLE ${role} LOGIN REPLICATION`)
})
after(async () => {
  await server.stop()
  rmSync(files, { recursive: true })
})

async function outcome(query: string, { user = 'postgres', host = '127.0.0.1' } = {}): Promise<Outcome> {
  const url = `postgresql://${user}@${host}:${server.port}/postgres?${query.replaceAll('FILES', files)}`
  try {
    const client = await connectSql({ url, connect_timeout_ms: 5000 }, { applicationName: 'test' })
    const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
    await client.end()
    return rows[0].ssl ? 'tls' : 'plain'
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error))
    return UNTRUSTED.has(error.code) ? 'untrusted' : error.code
  }
}

describe('a server without TLS', () => {
  const CASES: readonly [string, Outcome][] = [
    ['', 'plain'],
    ['sslmode=disable', 'plain'],
    ['sslmode=allow', 'plain'],
    ['sslmode=prefer', 'plain'],
    ['sslmode=require', 'TLS_REFUSED'],
    ['sslmode=verify-full', 'TLS_REFUSED'],
  ]
  for (const [query, expected] of CASES) {
    it(`${query || 'no sslmode'}: ${expected}`, async () => assert.equal(await outcome(query), expected))
  }
})

describe('a server with TLS', () => {
  before(async () => {
    await server.sql('ALTER SYSTEM SET ssl = on')
    await server.sql("ALTER SYSTEM SET ssl_ca_file = 'root.crt'")
    await server.stop()
    await server.start()
  })

  const CASES: readonly [string, Outcome, { user?: string; host?: string }?][] = [
    ['', 'tls'],
    ['sslmode=disable', 'plain'],
    ['sslmode=allow', 'plain'],
    ['sslmode=prefer', 'tls'],
    ['sslmode=require', 'tls'],
    ['sslmode=require&sslrootcert=FILES/ca.pem', 'tls'],
    ['sslmode=require&sslrootcert=FILES/stranger.pem', 'untrusted'],
    ['sslmode=verify-ca&sslrootcert=FILES/ca.pem', 'tls'],
    ['sslmode=verify-ca&sslrootcert=FILES/stranger.pem', 'untrusted'],
    ['sslmode=verify-full&sslrootcert=FILES/ca.pem', 'tls', { host: 'localhost' }],
    ['sslmode=verify-full&sslrootcert=FILES/ca.pem', 'ERR_TLS_CERT_ALTNAME_INVALID', { host: '127.0.0.1' }],
    ['sslmode=verify-full', 'untrusted', { host: 'localhost' }],
    ['sslmode=prefer', 'plain', { user: 'unsecured' }],
    ['sslmode=require', '28000', { user: 'unsecured' }],
    ['sslmode=allow', 'tls', { user: 'secured' }],
    ['sslmode=disable', '28000', { user: 'secured' }],
    [
      'sslmode=require&sslcert=FILES/certified.pem&sslkey=FILES/certified-key.pem',
      'tls',
      { user: 'certified' },
    ],
    ['sslmode=require', '28000', { user: 'certified' }],
  ]
  for (const [query, expected, as] of CASES) {
    it(`${query || 'no sslmode'} ${JSON.stringify(as ?? {})}: ${expected}`, async () => {
      assert.equal(await outcome(query, as), expected)
    })
  }

  it('uses no TLS on a Unix socket', async () => {
    const url = `postgresql://postgres@/postgres?host=${encodeURIComponent(server.socketDir)}&port=${server.port}`
    const database = { url: `${url}&sslmode=require`, connect_timeout_ms: 5000 }
    const client = await connectSql(database, { applicationName: 'test' })
    await client.end()
  })

  it('starts with TLS where that is asked for, and where PostgreSQL knows it (17)', async () => {
    const direct = outcome('sslmode=require&sslnegotiation=direct')
    if (server.major >= 17) assert.equal(await direct, 'tls')
    else await assert.rejects(direct, /ECONNRESET/)
  })

  it('streams over TLS', async () => {
    const url = `postgresql://secured@127.0.0.1:${server.port}/postgres?sslmode=require`
    const client = await connectReplication({ url, connect_timeout_ms: 5000 }, { applicationName: 'test' })
    const rows = await server.sql('SELECT ssl FROM pg_stat_ssl JOIN pg_stat_replication USING (pid)')
    assert.deepEqual(rows, [{ ssl: true }])
    await client.end()
  })
})
