/** What goes wrong at a start and later, as the program tells it: exit code, message, remedy, and never a secret. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Daemon, until } from '../kit/daemon.ts'
import { startNats } from '../kit/nats.ts'
import { startPostgres } from '../kit/postgres.ts'
import { projectRoot } from '../kit/project-root.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'

const SECRET = 's3cret-Pa55word'

const servers = shareServers({
  postgres: {
    settings: { max_slot_wal_keep_size: '16MB', max_wal_size: '32MB' },
    hba: 'host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
  },
  prepare: async ({ postgres }) => {
    await postgres.sql(`
      CREATE ROLE app LOGIN REPLICATION PASSWORD '${SECRET}';
      CREATE ROLE plain LOGIN PASSWORD '${SECRET}'`)
  },
})

/** The same database as another role. */
function as(stage: Scene, role: string, password = SECRET): { database: { url: string } } {
  const url = new URL(stage.url)
  url.username = role
  url.password = password
  return { database: { url: url.href } }
}

function quiet(daemon: Daemon): void {
  assert.ok(!daemon.output.includes(SECRET), `a secret is told:\n${daemon.output}`)
}

/** It ends by itself, with this exit code, and says these. */
async function ends(daemon: Daemon, code: number, ...says: readonly RegExp[]): Promise<void> {
  const exit = await daemon.ended()
  for (const text of says) assert.match(daemon.output, text)
  assert.deepEqual(exit, { code, signal: null }, daemon.output)
  quiet(daemon)
}

interface Case {
  readonly what: string
  readonly code: number
  readonly says: readonly RegExp[]
  /** Makes it go wrong; what it returns is done at the end. */
  readonly arrange: (stage: Scene) => Promise<(() => unknown) | undefined>
}

const rule = (table: string) => `[[observers]]\ntable = "${table}"\n`

const CASES: readonly Case[] = [
  {
    what: 'the role lacks REPLICATION',
    code: 78,
    says: [/role \\?"plain\\?" lacks REPLICATION/, /ALTER ROLE \\?"plain\\?" REPLICATION/],
    arrange: async stage => {
      stage.settings = as(stage, 'plain')
      return undefined
    },
  },
  {
    what: 'a wrong password',
    code: 78,
    says: [/refuses the password/, /Correct it in DATABASE_URL/],
    arrange: async stage => {
      stage.settings = as(stage, 'app', `${SECRET}-wrong`)
      return undefined
    },
  },
  {
    what: 'a publication of another owner that lacks a table',
    code: 78,
    says: [/publication \\?"publication_of_another\\?"/, /ALTER PUBLICATION/],
    arrange: async stage => {
      await stage.sql(
        'CREATE PUBLICATION publication_of_another; GRANT ALL ON ALL TABLES IN SCHEMA public TO app',
      )
      stage.rules = rule('tb_order')
      stage.settings = { ...as(stage, 'app'), replication: { publication_name: 'publication_of_another' } }
      return undefined
    },
  },
  {
    what: 'a table that is not there, with close names',
    code: 78,
    says: [/fraiseql\.toml:\d+: table \\?"tb_ordr\\?" does not exist; did you mean tb_order/],
    arrange: async stage => {
      stage.rules = rule('tb_ordr')
      return undefined
    },
  },
  {
    what: 'a slot of another plugin',
    code: 78,
    says: [/belongs to the output plugin test_decoding, not pgoutput/, /pg_drop_replication_slot\('/],
    arrange: async stage => {
      await stage.sql("SELECT pg_create_logical_replication_slot($1, 'test_decoding')", [stage.slot])
      // Not even when told to make a lost slot anew.
      stage.settings = { replication: { on_slot_lost: 'recreate' } }
      return async () => {
        assert.equal(
          (await stage.sql('SELECT FROM pg_replication_slots WHERE slot_name = $1', [stage.slot])).length,
          1,
        )
      }
    },
  },
  {
    what: 'a slot of another database',
    code: 78,
    says: [/belongs to database \\?"postgres\\?", not \\?"mistake_/],
    arrange: async stage => {
      await servers.postgres.sql("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [stage.slot])
      stage.settings = { replication: { on_slot_lost: 'recreate' } }
      return () => servers.postgres.sql('SELECT pg_drop_replication_slot($1)', [stage.slot])
    },
  },
  {
    what: "a subject that overlaps another stream's",
    code: 78,
    says: [/overlaps subject .*\.Order\.\* of stream theirs/, /Two streams can't share a subject/],
    arrange: async stage => {
      const { streams } = await stage.jsm()
      await streams.add({ name: 'theirs', subjects: [`${stage.prefix}.Order.*`] })
      return () => streams.delete('theirs')
    },
  },
  {
    what: 'a port in use',
    code: 78,
    says: [/HTTP port \d+ on 127\.0\.0\.1 is in use by another process/, /FRAISEQL_HTTP_PORT/],
    arrange: async stage => {
      const holder = createServer().listen(0, '127.0.0.1')
      await once(holder, 'listening')
      stage.settings = { http: { port: (holder.address() as { port: number }).port } }
      return () => holder.close()
    },
  },
  {
    what: 'mistakes in the TOML, all at once',
    code: 78,
    says: [/fraiseql\.toml:\d+: .*slot_nme.*slot_name/, /fraiseql\.toml:\d+: .*tabel.*table/],
    arrange: async stage => {
      stage.settings = { replication: { slot_nme: 'x' } }
      stage.rules = '[[observers]]\ntabel = "tb_order"\n'
      return undefined
    },
  },
  {
    what: 'TOML that is none',
    code: 78,
    says: [/fraiseql\.toml:\d+/],
    arrange: async stage => {
      stage.rules = '[[observers]\n'
      return undefined
    },
  },
  {
    what: 'DATABASE_URL that is not set',
    code: 78,
    says: [/DATABASE_URL/, /not set/],
    arrange: async stage => {
      stage.settings = { database: { url: `\${DATABASE_URL}` } }
      return undefined
    },
  },
  {
    what: 'a slot whose WAL was removed',
    code: 79,
    says: [
      /replication slot \\?"[a-z_0-9]+\\?" is lost/,
      /pg_drop_replication_slot|on_slot_lost/,
      /max_slot_wal_keep_size/,
    ],
    arrange: async stage => {
      await stage.start().then(daemon => daemon.stop())
      for (let i = 0; i < 6; i++)
        await stage.sql("SELECT pg_logical_emit_message(false, '', 'x'), pg_switch_wal()")
      await stage.sql('CHECKPOINT')
      return undefined
    },
  },
]

CASES.forEach(({ what, code, says, arrange }, i) => {
  test(what, async () => {
    const stage = await servers.scene({
      name: `mistake_${i}`,
      schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)',
    })
    const undo = await arrange(stage)
    await ends(stage.launch(), code, ...says)
    await undo?.()
    await stage.end()
  })
})

test('wal_level is replica and no slot is free: both at once', async () => {
  const postgres = await startPostgres({ settings: { wal_level: 'replica', max_replication_slots: '1' } })
  await postgres.sql("SELECT pg_create_physical_replication_slot('taken')")
  const stage = await servers.scene({ name: 'wal_level' })
  stage.settings = { database: { url: postgres.url } }
  const says = [/wal_level is replica/, /ALTER SYSTEM SET wal_level = logical/, /no free replication slot/]
  await ends(stage.launch(), 78, ...says)
  await stage.end()
  await postgres.stop()
})

test('the slot was dropped while the daemon was between two connections', async () => {
  const stage = await servers.scene({ name: 'dropped', schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)' })
  const daemon = await stage.start()
  await stage.sql('INSERT INTO tb_order VALUES (1)')
  await stage.caughtUp()
  await stage.sql(`DO $$ BEGIN
    PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'dropped';
    LOOP
      BEGIN PERFORM pg_drop_replication_slot('dropped'); EXIT;
      EXCEPTION WHEN object_in_use THEN PERFORM pg_sleep(0.01); END;
    END LOOP; END $$`)
  await ends(daemon, 79, /replication slot \\?"dropped\\?"/, /on_slot_lost|new slot/)
  await stage.end()
})

test('NATS refuses the credentials: told with what they are, but not their words, and the end', async () => {
  const nats = await startNats({ config: `authorization { user: observer, password: "${SECRET}" }` })
  const stage = await servers.scene({
    name: 'credentials',
    schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)',
  })
  stage.settings = { nats: { servers: [nats.url.replace('//', `//observer:${SECRET}x@`)] } }
  await ends(stage.launch(), 78, /refuses user \\?"observer\\?" of the URL/, /Correct \[nats\.auth\]/)
  await nats.stop()
  await stage.end()
})

test('NATS that is not there is tried again, later each time, and used when it comes', async () => {
  const nats = await startNats()
  await nats.stop()
  const stage = await servers.scene({ name: 'absent', schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)' })
  stage.settings = {
    nats: { servers: [nats.url.replace('//', `//observer:${SECRET}@`)] },
    log: { level: 'debug' },
  }
  const daemon = stage.launch()
  const errors = () => daemon.logs.filter(({ retry_in_ms }) => typeof retry_in_ms === 'number')
  await until(
    () => errors().length >= 3,
    () => daemon.lastLines(),
  )
  assert.equal((await daemon.status()).state, 'reconnecting')
  const delays = errors().map(({ retry_in_ms }) => Number(retry_in_ms))
  assert.ok(delays[2]! > delays[0]!, `${delays}`)
  for (const { msg, err } of errors()) {
    assert.match(String(msg), /127\.0\.0\.1:\d+/)
    assert.ok((err as { remedy?: string }).remedy)
  }
  await nats.start()
  await daemon.streaming()
  assert.deepEqual(await daemon.kill('SIGTERM'), { code: 0, signal: null })
  quiet(daemon)
  await nats.stop()
  await stage.end()
})

test('the command line: what is no command, and a variable that is set to nothing', () => {
  const { url } = servers.postgres
  const cli = (args: readonly string[], env: Record<string, string> = {}) => {
    const main = join(projectRoot, 'dist', 'src', 'main.js')
    const options = { encoding: 'utf8', cwd: tmpdir(), env: { DATABASE_URL: url, ...env } } as const
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], options)
    return { status, stdout, stderr }
  }
  for (const args of [['validate'], ['--config', 'x.toml', 'validate'], ['validate', '--format', 'json']]) {
    const { status, stderr } = cli(args)
    assert.equal(status, 64)
    assert.match(stderr, /unknown command "validate"; the commands are run, validate-config\n.*--help/)
  }
  assert.match(cli(['--help']).stdout, /--config <file>/)
  assert.equal(cli(['validate-config'], { FRAISEQL_CONFIG: '' }).status, 0)
  assert.match(cli(['validate-config'], { FRAISEQL_CONFIG: 'no.toml' }).stdout, /no\.toml: can't be read/)
  assert.match(cli(['validate-config', '--config', '']).stdout, /"": can't be read/)
})
