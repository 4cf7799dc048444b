/** The test kit itself: real servers that start, crash, come back with their data, and never outlive a test. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startNats, startNatsCluster } from '../kit/nats.ts'
import { startPostgres } from '../kit/postgres.ts'
import { startStandby } from '../kit/standby.ts'

const kit = fileURLToPath(new URL('../kit/', import.meta.url))

describe('startPostgres', () => {
  it('keeps its data over a crash and takes settings, rules and databases', async () => {
    const server = await startPostgres({ settings: { work_mem: '123kB' } })
    try {
      const url = await server.createDatabase('strange "name"')
      await server.sql('CREATE TABLE t (a int); INSERT INTO t VALUES (1)', undefined, url)
      await server.stop('immediate')
      await server.start()
      assert.deepEqual(await server.sql('SELECT a + $1::int AS a FROM t', [1], url), [{ a: 2 }])
      assert.deepEqual(await server.sql('SHOW work_mem; SHOW wal_level'), [{ wal_level: 'logical' }])
      assert.deepEqual(await server.sql('SHOW work_mem'), [{ work_mem: '123kB' }])
      const major = Math.floor(
        Number((await server.sql('SHOW server_version_num'))[0]?.server_version_num) / 1e4,
      )
      assert.equal(major, server.major)
      if (process.env.TEST_PG_MAJOR !== undefined) assert.equal(major, Number(process.env.TEST_PG_MAJOR))
    } finally {
      await server.stop()
    }
  })

  it('refuses whom the given pg_hba.conf refuses', async () => {
    const server = await startPostgres({ hba: 'host all all all reject\n' })
    try {
      await assert.rejects(server.sql('SELECT 1'), { code: '28000' })
    } finally {
      await server.stop()
    }
  })

  it('gives a system identifier of its own on demand', async () => {
    const servers = [await startPostgres(), await startPostgres({ ownSystemId: true })] as const
    try {
      const id = 'SELECT system_identifier::text FROM pg_control_system()'
      const [shared, own] = await Promise.all(servers.map(server => server.sql(id)))
      assert.notDeepEqual(shared, own)
    } finally {
      await Promise.all(servers.map(server => server.stop()))
    }
  })

  it('tells why a server does not start', async () => {
    await assert.rejects(startPostgres({ settings: { wal_level: 'nonsense' } }), /wal_level/)
  })
})

describe('startStandby', () => {
  it('follows its primary, and is one after its promotion', async () => {
    const primary = await startPostgres()
    const servers = [primary]
    try {
      await primary.sql("SELECT pg_create_logical_replication_slot('left', 'pgoutput')")
      await primary.sql('CREATE TABLE t (a int)')
      const standby = await startStandby(primary)
      servers.push(standby)
      await primary.sql('INSERT INTO t VALUES (1)')
      while ((await standby.sql('SELECT a FROM t')).length === 0) await sleep(20)
      await primary.stop('immediate')
      await standby.sql('SELECT pg_promote()')
      await standby.sql('INSERT INTO t VALUES (2)')
      assert.deepEqual(await standby.sql('SELECT a FROM t ORDER BY a'), [{ a: 1 }, { a: 2 }])
      assert.deepEqual(await standby.sql('SELECT slot_name FROM pg_replication_slots'), [])
    } finally {
      await Promise.all(servers.map(server => server.stop()))
    }
  })
})

describe('startNats', () => {
  it('comes back on its port with its store after a kill', async () => {
    const server = await startNats()
    try {
      const { pid, port } = server
      await server.kill()
      await assert.rejects(fetch(`${server.monitorUrl}/varz`))
      await server.start()
      assert.notEqual(server.pid, pid)
      const varz = (await (await fetch(`${server.monitorUrl}/varz`)).json()) as {
        port: number
        version: string
      }
      assert.deepEqual([varz.port, varz.version], [port, server.version])
      assert.ok(existsSync(server.storeDir))
    } finally {
      await server.stop()
    }
  })

  it('answers nothing while frozen, and goes on after the thaw', async () => {
    const server = await startNats({ jetstream: false })
    try {
      server.freeze()
      await assert.rejects(fetch(`${server.monitorUrl}/varz`, { signal: AbortSignal.timeout(300) }))
      server.thaw()
      assert.equal((await fetch(`${server.monitorUrl}/varz`)).status, 200)
    } finally {
      await server.stop()
    }
  })

  it('starts as a cluster of three with a leader, and outlives the loss of one', async () => {
    const cluster = await startNatsCluster()
    try {
      assert.equal(cluster.url.split(',').length, 3)
      const [, , last] = cluster.servers
      assert.ok(last)
      await last.restart()
      // Current again with its peers; the test's time limit is the bound.
      while ((await fetch(`${last.monitorUrl}/healthz`)).status !== 200) await sleep(50)
    } finally {
      await cluster.stop()
    }
  })
})

describe('the watchdog', () => {
  it('ends the servers of a test process that was killed, and removes their folders', async () => {
    const script = `
      import { startNats } from ${JSON.stringify(pathToFileURL(join(kit, 'nats.js')).href)}
      import { startPostgres } from ${JSON.stringify(pathToFileURL(join(kit, 'postgres.js')).href)}
      const [nats, postgres] = await Promise.all([startNats(), startPostgres()])
      process.stdout.write(JSON.stringify([nats.pid, postgres.pid, nats.storeDir, postgres.dataDir]))
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const [natsPid, postgresPid, storeDir, dataDir] = JSON.parse(line.toString()) as [
      number,
      number,
      string,
      string,
    ]
    assert.ok(alive(natsPid) && alive(postgresPid))
    child.kill('SIGKILL')
    while (alive(natsPid) || alive(postgresPid) || existsSync(storeDir) || existsSync(dataDir)) {
      await sleep(50)
    }
  })
})

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
