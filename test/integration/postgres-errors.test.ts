/** What goes wrong on the way to PostgreSQL: each with its class, its code, a remedy, and never with the password. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigurationError, RetryableError } from '../../src/errors.ts'
import { connectReplication, connectSql, PINNED_SETTINGS } from '../../src/postgres.ts'
import {
  checkServer,
  identifySystem,
  inspectServer,
  serverError,
} from '../../src/source/replication/server.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'

const HBA = `
host all secretive 127.0.0.1/32 scram-sha-256
host all old       127.0.0.1/32 md5
host all nobody    127.0.0.1/32 reject
host all all       127.0.0.1/32 trust
local all all                   trust
`

type Ours = ConfigurationError | RetryableError
let server: PostgresServer

before(async () => {
  server = await startPostgres({ hba: HBA, settings: { max_replication_slots: '2', max_wal_senders: '3' } })
  await server.sql(`
    CREATE ROLE secretive LOGIN PASSWORD 'p@ss/w:rd%#?'; CREATE ROLE old LOGIN PASSWORD 'p@ss/w:rd%#?';
    CREATE ROLE nobody LOGIN; CREATE ROLE plain LOGIN; CREATE ROLE streamer LOGIN REPLICATION;
    CREATE ROLE shut NOLOGIN; CREATE ROLE odd LOGIN REPLICATION;
    ALTER ROLE odd SET datestyle = 'German'; ALTER ROLE odd SET intervalstyle = 'sql_standard';
    ALTER ROLE odd SET extra_float_digits = '-5'; ALTER ROLE odd SET timezone = 'Asia/Kathmandu';
    ALTER ROLE odd SET client_min_messages = 'error'; ALTER DATABASE postgres SET bytea_output = 'escape';`)
})
after(() => server.stop())

const options = { applicationName: 'test' }

function database(url: string, connect_timeout_ms = 5000) {
  return { url, connect_timeout_ms }
}

function urlOf(user: string, { password = '', path = 'postgres', host = `127.0.0.1:${server.port}` } = {}) {
  return `postgresql://${user}${password === '' ? '' : `:${encodeURIComponent(password)}`}@${host}/${path}`
}

async function failureOf(attempt: Promise<{ end(): Promise<void> }>): Promise<Ours> {
  try {
    await (await attempt).end()
  } catch (error) {
    assert.ok(error instanceof ConfigurationError || error instanceof RetryableError, String(error))
    assert.notEqual(error.remedy, '')
    return error
  }
  return assert.fail('it connected')
}

describe('connectSql', () => {
  it('takes a password of special characters, by SCRAM and by MD5', async () => {
    for (const user of ['secretive', 'old']) {
      const client = await connectSql(database(urlOf(user, { password: 'p@ss/w:rd%#?' })), options)
      const { rows } = await client.query(
        'SELECT current_user AS role, application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()',
      )
      assert.deepEqual(rows, [{ role: user, application_name: 'test' }])
      await client.end()
    }
  })

  it('takes a socket directory', async () => {
    const url = `postgresql://plain@/postgres?host=${encodeURIComponent(server.socketDir)}&port=${server.port}`
    const client = await connectSql(database(url), options)
    assert.deepEqual((await client.query('SELECT inet_client_addr() AS address')).rows, [{ address: null }])
    await client.end()
  })

  const REFUSED: readonly [
    string,
    () => string,
    string,
    typeof ConfigurationError | typeof RetryableError,
  ][] = [
    ['a wrong password', () => urlOf('secretive', { password: 'Wr0ng' }), '28P01', ConfigurationError],
    ['a missing password', () => urlOf('secretive'), 'PASSWORD_MISSING', ConfigurationError],
    ['an unknown role', () => urlOf('stranger'), '28000', ConfigurationError],
    ['a role without LOGIN', () => urlOf('shut'), '28000', ConfigurationError],
    ['a line of pg_hba.conf that rejects', () => urlOf('nobody'), '28000', ConfigurationError],
    ['an unknown database', () => urlOf('plain', { path: 'shopp' }), '3D000', ConfigurationError],
    ['a server without TLS', () => `${urlOf('plain')}?sslmode=require`, 'TLS_REFUSED', ConfigurationError],
    ['a closed port', () => urlOf('plain', { host: '127.0.0.1:1' }), 'ECONNREFUSED', RetryableError],
    ['an unknown host', () => urlOf('plain', { host: 'nowhere.invalid' }), 'ENOTFOUND', RetryableError],
    ['a socket that is not there', () => 'postgresql:///d?host=/nowhere', 'ENOENT', RetryableError],
  ]
  for (const [what, url, code, expected] of REFUSED) {
    it(`explains ${what}`, async () => {
      const error = await failureOf(connectSql(database(url()), options))
      // Without a network, a resolver may not get as far as "no such name".
      if (!(code === 'ENOTFOUND' && error.code === 'EAI_AGAIN')) assert.equal(error.code, code, error.message)
      assert.ok(error instanceof expected, error.message)
      assert.doesNotMatch(`${error.message} ${error.remedy} ${error.stack} ${error.cause}`, /Wr0ng/)
    })
  }

  it('explains a certificate or key file that cannot be read', async () => {
    const url = `${urlOf('plain')}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem`
    const error = await failureOf(connectSql(database(url), options))
    assert.match(error.message, /sslrootcert.*\/nowhere\/ca\.pem/)
  })

  it('gives up on a server that says nothing, and when it is told to', async () => {
    const silent = createServer(socket => socket.on('error', () => {}))
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const url = urlOf('plain', { host: `127.0.0.1:${port}` })
    const error = await failureOf(connectSql(database(url, 200), options))
    assert.equal(error.code, 'CONNECT_TIMEOUT')
    const stop = new AbortController()
    const reason = new Error('stopping')
    const attempt = connectSql(database(`${url}?sslmode=disable`), { ...options, signal: stop.signal })
    setTimeout(() => stop.abort(reason), 50)
    await assert.rejects(attempt, reason)
    await assert.rejects(connectSql(database(url), { ...options, signal: stop.signal }), reason)
    silent.close()
  })

  it('explains something that is not PostgreSQL', async () => {
    const web = createServer(socket => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve))
    const address = web.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const error = await failureOf(
      connectSql(database(urlOf('plain', { host: `127.0.0.1:${port}` })), options),
    )
    assert.equal(error.code, 'NOT_POSTGRESQL')
    web.close()
  })

  it('tries several hosts in order, and none after a wrong password', async () => {
    const host = `127.0.0.1:1,127.0.0.1:${server.port}`
    const client = await connectSql(database(urlOf('plain', { host })), options)
    await client.end()
    const error = await failureOf(
      connectSql(database(urlOf('plain', { host: '127.0.0.1:1,127.0.0.1:2' })), options),
    )
    assert.match(error.message, /127\.0\.0\.1:1.*127\.0\.0\.1:2/)
    const twice = `127.0.0.1:${server.port},127.0.0.1:1`
    assert.equal(
      (await failureOf(connectSql(database(urlOf('secretive', { host: twice, password: 'x' })), options)))
        .code,
      '28P01',
    )
  })

  it('wants the primary of several hosts', async () => {
    const host = `127.0.0.1:${server.port},127.0.0.1:${server.port}`
    const client = await connectSql(database(urlOf('plain', { host })), options)
    await client.end()
    const url = `${urlOf('plain', { host })}?target_session_attrs=standby`
    assert.equal((await failureOf(connectSql(database(url), options))).code, 'WRONG_SERVER')
    const either = await connectSql(
      database(`${urlOf('plain')}?target_session_attrs=prefer-standby`),
      options,
    )
    await either.end()
  })

  it('gives a client whose broken connection throws nothing by itself', async () => {
    const client = await connectSql(database(urlOf('plain')), options)
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
    const ended = new Promise<void>(resolve => client.on('end', () => resolve()))
    await server.sql('SELECT pg_terminate_backend($1)', [rows[0].pid])
    await ended
    await assert.rejects(client.query('SELECT 1'))
    await client.end()
  })
})

describe('a session', () => {
  it('is cut when its signal aborts, whatever it waits for, as an orderly stop needs it', async () => {
    const stop = new AbortController()
    const client = await connectSql(database(urlOf('streamer')), { ...options, signal: stop.signal })
    const waiting = client.query('SELECT pg_sleep(60)')
    setTimeout(() => stop.abort(), 100)
    await assert.rejects(waiting)
  })

  it('has a limit on the server too, over the one of its role, so that nothing waits there without it', async () => {
    const client = await connectSql(database(urlOf('streamer')), options)
    const { rows } = await client.query(
      "SELECT current_setting('statement_timeout') AS a, current_setting('client_connection_check_interval') AS b",
    )
    assert.deepEqual(rows, [{ a: '25s', b: '5s' }])
    await client.end()
  })
})

describe('connectReplication', () => {
  it('pins the settings that a role and a database set otherwise', async () => {
    const sql = await connectSql(database(urlOf('odd')), options)
    const names = Object.keys(PINNED_SETTINGS)
    const show = `SELECT lower(name) AS name, setting FROM pg_settings
      WHERE lower(name) IN ('${names.join("','")}') ORDER BY 1`
    const before = (await sql.query(show)).rows
    await sql.end()
    const client = await connectReplication(database(urlOf('odd')), options)
    const pinned = (await client.query(show)).rows
    await client.end()
    const of = (rows: readonly { name: string; setting: string }[]) =>
      Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
    assert.deepEqual(of(before), {
      bytea_output: 'escape',
      client_min_messages: 'error',
      datestyle: 'German, DMY',
      extra_float_digits: '-5',
      intervalstyle: 'sql_standard',
      timezone: 'Asia/Kathmandu',
    })
    assert.deepEqual(of(pinned), { ...PINNED_SETTINGS, datestyle: 'ISO, DMY' })
  })

  it('has the settings that the URL asks for, as docs/performance.md says', async () => {
    const url = `${urlOf('streamer')}?options=-c%20logical_decoding_work_mem%3D256MB`
    const client = await connectReplication(database(url), options)
    const { rows } = await client.query('SHOW logical_decoding_work_mem')
    await client.end()
    assert.deepEqual(rows, [{ logical_decoding_work_mem: '256MB' }])
  })

  it('explains a role without REPLICATION', async () => {
    const error = await failureOf(connectReplication(database(urlOf('plain')), options))
    assert.equal(error.code, '42501')
    assert.match(error.remedy, /ALTER ROLE "plain" REPLICATION;/)
  })

  it('identifies the same system as SQL does', async () => {
    const sql = await connectSql(database(urlOf('streamer')), options)
    const replication = await connectReplication(database(urlOf('streamer')), options)
    const { rows } = await sql.query('SELECT system_identifier::text AS id FROM pg_control_system()')
    const { systemId, timeline, walEnd } = await identifySystem(replication)
    assert.deepEqual([String(systemId), timeline], [BigInt.asUintN(64, BigInt(rows[0].id)).toString(), 1])
    assert.ok(walEnd > 0n)
    await sql.end()
    await replication.end()
  })

  it('explains that no WAL sender is left', async () => {
    const clients = await Promise.all(
      [1, 2, 3].map(() => connectReplication(database(urlOf('streamer')), options)),
    )
    const error = await failureOf(connectReplication(database(urlOf('streamer')), options))
    assert.ok(error instanceof RetryableError)
    assert.equal(error.code, '53300')
    const sql = await connectSql(database(urlOf('streamer')), options)
    const problems = checkServer(await inspectServer(sql), { slotExists: true })
    assert.deepEqual(
      problems.map(({ code, severity }) => [code, severity]),
      [['NO_FREE_WAL_SENDER', 'warning']],
    )
    await Promise.all([...clients, sql].map(client => client.end()))
    while ((await server.sql('SELECT FROM pg_stat_replication')).length > 0) await sleep(20)
  })
})

describe('inspectServer', () => {
  it('finds nothing wrong where nothing is', async () => {
    const client = await connectSql(database(urlOf('streamer')), options)
    const facts = await inspectServer(client)
    assert.equal(Math.trunc(facts.version / 10_000), server.major)
    assert.equal(facts.walLevel, 'logical')
    assert.deepEqual(
      [facts.database, facts.role, facts.standby, facts.pooled],
      ['postgres', 'streamer', false, false],
    )
    assert.deepEqual([facts.superuser, facts.mayReplicate], [false, true])
    assert.deepEqual(facts.slots, { max: 2, used: 0 })
    assert.deepEqual(checkServer(facts, { slotExists: false }), [])
    assert.equal(serverError([]), null)
    await client.end()
  })

  it('finds a role without REPLICATION and no free slot, both at once', async () => {
    for (const name of ['one', 'two'])
      await server.sql(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)
    const client = await connectSql(database(urlOf('plain')), options)
    const facts = await inspectServer(client)
    const error = serverError(checkServer(facts, { slotExists: false }))
    assert.match(error?.message ?? '', /role "plain" lacks REPLICATION; no free replication slot: 2 of/)
    assert.match(error?.remedy ?? '', /ALTER ROLE "plain" REPLICATION;.*max_replication_slots/)
    assert.deepEqual(
      checkServer(facts, { slotExists: true }).map(({ code }) => code),
      ['ROLE_REPLICATION'],
    )
    await client.end()
    for (const name of ['one', 'two']) await server.sql(`SELECT pg_drop_replication_slot('${name}')`)
  })
})

describe('a server with wal_level = replica', () => {
  it('is found out before a slot fails to be made', async () => {
    const replica = await startPostgres({ settings: { wal_level: 'replica' } })
    const client = await connectSql(database(replica.url), options)
    const error = serverError(checkServer(await inspectServer(client), { slotExists: false }))
    assert.match(error?.message ?? '', /wal_level is replica/)
    assert.match(error?.remedy ?? '', /ALTER SYSTEM SET wal_level = logical/)
    await client.end()
    await replica.stop()
  })
})
