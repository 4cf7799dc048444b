/** The replication slot on a real server: made, judged, waited for, lost. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Client } from 'pg'
import { ConfigurationError, FatalError, RetryableError } from '../../src/errors.ts'
import { connectReplication, connectSql } from '../../src/postgres.ts'
import { classifyPostgresError, codeOf } from '../../src/postgres-codes.ts'
import {
  dropSlot,
  ensureSlot,
  explainSlotFailure,
  judgeSlot,
  readSlot,
  type SlotHolder,
  type SlotLag,
  slotLag,
  waitForSlot,
} from '../../src/source/replication/slot.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres.ts'

const options = { applicationName: 'slot-test' }
let server: PostgresServer
let client: Client

before(async () => {
  server = await startPostgres({ settings: { max_slot_wal_keep_size: '16MB', max_wal_size: '32MB' } })
  client = await connectSql({ url: server.url, connect_timeout_ms: 5000 }, options)
})
after(async () => {
  await client.end()
  await server.stop()
})

const connect = () => connectReplication({ url: server.url, connect_timeout_ms: 5000 }, options)

async function lagOf(name: string): Promise<SlotLag | null> {
  const slot = await readSlot(client, name)
  return slot === null ? null : slotLag(slot)
}

/** Holds the slot as a streaming daemon would; the returned client ends it. */
async function hold(slot: string): Promise<Client> {
  await server.sql('CREATE PUBLICATION holder').catch(() => {})
  const holder = await connect()
  const streaming = new Promise<void>(resolve => holder.connection.once('replicationStart', () => resolve()))
  const start = `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (proto_version '1', publication_names 'holder')`
  holder.query(start).catch(() => {})
  await streaming
  return holder
}

describe('ensureSlot', () => {
  it('makes a slot, and finds it again', async () => {
    const made = await ensureSlot(client, 'made')
    assert.ok(made.state === 'ready' && made.created)
    assert.equal(made.walStatus, 'reserved')
    assert.ok(made.restartLsn > 0n && made.confirmedFlush >= made.restartLsn)
    const found = await ensureSlot(client, 'made')
    assert.deepEqual(found, {
      ...made,
      created: false,
      safeWalSize: found.state === 'ready' && found.safeWalSize,
    })
    const [row] = await server.sql(
      "SELECT to_jsonb(s) AS slot FROM pg_replication_slots s WHERE slot_name = 'made'",
    )
    const slot = row?.slot as Record<string, unknown>
    assert.equal(slot.plugin, 'pgoutput')
    assert.equal(slot.temporary, false)
    if (server.major >= 17) assert.equal(slot.failover, true)
  })

  it('makes one slot when two ask at once', async () => {
    const other = await connectSql({ url: server.url, connect_timeout_ms: 5000 }, options)
    const made = await Promise.all([ensureSlot(client, 'twice'), ensureSlot(other, 'twice')].map(settled))
    const created = made.filter(slot => !(slot instanceof Error) && slot.state === 'ready' && slot.created)
    assert.equal(created.length, 1)
    // The slower one may have met the slot while it was being made: busy, or to be tried again.
    assert.ok(made.every(slot => !(slot instanceof Error) || slot instanceof RetryableError))
    await other.end()
  })

  it('never takes a slot that is being made for a foreign one', async () => {
    const other = await connectSql({ url: server.url, connect_timeout_ms: 5000 }, options)
    let making = true
    const watching = (async () => {
      const met = new Set<string>()
      while (making) {
        const slot = await readSlot(other, 'young')
        if (slot === null) continue
        try {
          met.add(judgeSlot(slot).state)
        } catch (error) {
          met.add(codeOf(error) ?? String(error))
        }
      }
      return met
    })()
    for (let made = 0; made < 200; made++) {
      await ensureSlot(client, 'young')
      await dropSlot(client, 'young')
    }
    making = false
    // Met while it was made it is busy, or (without its first position) neither one nor the other.
    const met = await watching
    assert.deepEqual(
      [...met].filter(state => !['ready', 'busy', 'SLOT_UNSETTLED'].includes(state)),
      [],
    )
    assert.ok(met.has('busy'))
    await other.end()
  })

  it("waits for running transactions, whatever the role's statement_timeout is", async () => {
    await server.sql("CREATE ROLE hasty LOGIN REPLICATION; ALTER ROLE hasty SET statement_timeout = '100ms'")
    const writer = await connectSql({ url: server.url, connect_timeout_ms: 5000 }, options)
    await writer.query('BEGIN; SELECT pg_current_xact_id()')
    const url = server.url.replace('postgres@', 'hasty@')
    const hasty = await connectSql({ url, connect_timeout_ms: 5000 }, options)
    let done = false
    const making = ensureSlot(hasty, 'patient').finally(() => {
      done = true
    })
    await server.sql('SELECT pg_sleep(0.4)')
    assert.equal(done, false)
    await writer.query('COMMIT')
    assert.equal((await making).state, 'ready')
    await writer.end()
    await hasty.end()
  })

  it('refuses a name that PostgreSQL would refuse', async () => {
    for (const name of ['', 'Own', 'a-b', "a'b", 'x'.repeat(64)]) {
      await assert.rejects(ensureSlot(client, name), ConfigurationError)
    }
  })

  it('refuses a slot of another plugin, another database, another kind', async () => {
    const elsewhere = await server.createDatabase()
    await server.sql("SELECT pg_create_logical_replication_slot('elsewhere', 'pgoutput')", [], elsewhere)
    await server.sql("SELECT pg_create_logical_replication_slot('decoding', 'test_decoding')")
    await server.sql("SELECT pg_create_logical_replication_slot('prepared', 'pgoutput', false, true)")
    await server.sql("SELECT pg_create_physical_replication_slot('physical')")
    await client.query("SELECT pg_create_logical_replication_slot('passing', 'pgoutput', true)")
    for (const name of ['elsewhere', 'decoding', 'prepared', 'physical', 'passing']) {
      await assert.rejects(ensureSlot(client, name), { name: 'ConfigurationError', code: 'SLOT_FOREIGN' })
    }
    for (const name of ['decoding', 'prepared', 'physical', 'passing']) {
      await client.query('SELECT pg_drop_replication_slot($1)', [name])
    }
    await server.sql("SELECT pg_drop_replication_slot('elsewhere')", [], elsewhere)
  })

  it('explains a role that may not', async () => {
    await server.sql('CREATE ROLE weak LOGIN')
    const url = server.url.replace('postgres@', 'weak@')
    const weak = await connectSql({ url, connect_timeout_ms: 5000 }, options)
    await assert.rejects(ensureSlot(weak, 'never'), { name: 'ConfigurationError', code: '42501' })
    await weak.end()
  })

  it('explains that no slot is free', async () => {
    const full = await startPostgres({ settings: { max_replication_slots: '1' } })
    const sql = await connectSql({ url: full.url, connect_timeout_ms: 5000 }, options)
    await ensureSlot(sql, 'first')
    await assert.rejects(ensureSlot(sql, 'second'), { name: 'ConfigurationError', code: '53400' })
    await sql.end()
    await full.stop()
  })
})

describe('a slot that another session holds', () => {
  it('is waited for, until it is free', async () => {
    await ensureSlot(client, 'shared')
    const holder = await hold('shared')
    const busy = await ensureSlot(client, 'shared')
    assert.ok(busy.state === 'busy')
    assert.equal(busy.holder.application, 'slot-test')
    assert.equal(busy.holder.clientAddress, '127.0.0.1')
    assert.equal((await lagOf('shared'))?.active, true)
    const met: SlotHolder[] = []
    const signal = new AbortController().signal
    const free = waitForSlot(client, 'shared', {
      signal,
      onSlot: () => {},
      onHolder: one => {
        met.push(one)
        holder.end().catch(() => {})
      },
    })
    await free
    assert.deepEqual(met, [busy.holder])
    assert.equal((await ensureSlot(client, 'shared')).state, 'ready')
  })

  it('is not waited for any longer than wanted', async () => {
    const holder = await hold('shared')
    const stop = new AbortController()
    const reason = new Error('stopping')
    const waiting = waitForSlot(client, 'shared', {
      signal: stop.signal,
      onSlot: () => {},
      onHolder: () => stop.abort(reason),
    })
    await assert.rejects(waiting, reason)
    const second = await connect()
    const start = "START_REPLICATION SLOT shared LOGICAL 0/0 (proto_version '1', publication_names 'holder')"
    const error = await settled(second.query(start))
    assert.ok(classifyPostgresError(error, { replication: true }) instanceof RetryableError)
    await second.end()
    await holder.end()
  })
})

describe('slotLag', () => {
  it('counts the WAL since then, and knows a slot that is gone', async () => {
    const before = await lagOf('made')
    await server.sql(
      'CREATE TABLE IF NOT EXISTS filler AS SELECT g, repeat(md5(g::text), 4) FROM generate_series(1, 500) g',
    )
    const after = await lagOf('made')
    assert.ok(before !== null && after !== null)
    assert.ok(after.lagBytes > before.lagBytes && after.retainedBytes >= after.lagBytes)
    assert.ok(after.safeWalSize !== null && !after.active)
    assert.equal(await lagOf('nowhere'), null)
  })
})

describe('a slot that was lost', () => {
  it('stops with exit code 79, before and while streaming', async () => {
    await ensureSlot(client, 'doomed')
    const status = async () =>
      (await server.sql("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'doomed'"))[0]
        ?.wal_status
    for (let i = 0; i < 20 && (await status()) !== 'lost'; i++) {
      await server.sql('SELECT pg_logical_emit_message(false, $1, repeat($2, 4000000))', ['fill', 'x'])
      await server.sql('SELECT pg_switch_wal()')
      await server.sql('CHECKPOINT')
    }
    await assert.rejects(ensureSlot(client, 'doomed'), (error: unknown) => {
      assert.ok(error instanceof FatalError)
      assert.equal(error.exitCode, 79)
      assert.match(error.message, /missing in the stream/)
      return true
    })
    const replication = await connect()
    const start = "START_REPLICATION SLOT doomed LOGICAL 0/0 (proto_version '1', publication_names 'holder')"
    const raw = await settled(replication.query(start))
    const ambiguous = classifyPostgresError(raw, { replication: true })
    const explained = await explainSlotFailure(client, 'doomed', ambiguous)
    assert.ok(explained instanceof FatalError)
    assert.equal(explained.exitCode, 79)
    await replication.end()
    assert.equal((await lagOf('doomed'))?.walStatus, 'lost')
    await client.query("SELECT pg_drop_replication_slot('doomed')")
    const gone = await explainSlotFailure(client, 'doomed', ambiguous)
    assert.match(gone.message, /was dropped/)
  })
})

async function settled<T>(promise: Promise<T>): Promise<T | Error> {
  return promise.catch((error: Error) => error)
}
