/**
 * Tables that come, go and come again while the daemon runs: those that it may publish are published within seconds,
 * and nothing else that is done to tables interrupts it.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Daemon, until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()
const TABLE = 'CREATE TABLE tb_late (id int PRIMARY KEY)'
const ORDER = 'CREATE TABLE tb_order (id int PRIMARY KEY)'
const ORDER_RULE = '[[observers]]\ntable = "tb_order"\n'

const warned = ({ logs }: Daemon): string[] =>
  logs.flatMap(({ level, msg }) => (level === 'warn' ? [String(msg)] : []))

const starts = ({ logs }: Daemon): number => logs.filter(({ msg }) => msg === 'streaming').length

/** Ends the session that streams, and waits for the next run. */
async function cut(stage: Scene, daemon: Daemon): Promise<void> {
  const before = starts(daemon)
  await stage.sql('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [
    stage.slot,
  ])
  await until(
    async () => starts(daemon) > before,
    () => daemon.lastLines(),
  )
}

const idsOf = async (stage: Scene): Promise<unknown[]> =>
  (await stage.events()).map(({ entity_id }) => entity_id)

async function published(stage: Scene, table: string, there = true): Promise<void> {
  await until(
    async () => {
      const rows = await stage.sql(
        'SELECT FROM pg_publication_tables WHERE pubname = $1 AND tablename = $2',
        [stage.slot, table],
      )
      return rows.length > 0 === there
    },
    () => `${table} is ${there ? 'not ' : ''}published`,
  )
}

// Side by side: most of their time they wait for the daemon to look.
describe('tables that come while the daemon runs', { concurrency: 6 }, () => {
  it('FOR ALL TABLES, and there is none yet: nothing to warn of, and the first one is published', async () => {
    const stage = await servers.scene({
      name: 'late_all',
      schema: 'CREATE PUBLICATION late_all FOR ALL TABLES',
    })
    const daemon = await stage.start()
    await stage.sql(TABLE)
    await stage.sql('INSERT INTO tb_late VALUES (1)')
    assert.deepEqual(
      (await stage.messages()).map(({ subject }) => subject),
      [`${stage.prefix}.Late.INSERT`],
    )
    assert.deepEqual(warned(daemon), [])
    await stage.end()
  })

  it('an empty database: it stays up, and takes in the first table and the next, without a new start', async () => {
    const stage = await servers.scene({ name: 'late_own' })
    const daemon = await stage.start()
    assert.match(
      String(warned(daemon)[0]),
      /there is no table to publish yet: .* taken in as they are created/,
    )
    for (const [i, table] of ['tb_first', 'tb_second'].entries()) {
      await stage.sql(`CREATE TABLE ${table} (id int PRIMARY KEY)`)
      await daemon.says(`"public"."${table}" came into the publication`)
      await stage.sql(`INSERT INTO ${table} VALUES (${i})`)
    }
    await stage.sql('UPDATE tb_first SET id = 5; DROP TABLE tb_second')
    const events = await stage.events()
    assert.deepEqual(
      events.map(({ entity_type, event_type }) => [entity_type, event_type]),
      [
        ['First', 'INSERT'],
        ['Second', 'INSERT'],
        ['First', 'UPDATE'],
      ],
    )
    assert.equal((await daemon.status()).totals.reconnects, 0)
    assert.equal(starts(daemon), 1)
    // What was published of the dropped one is not scraped for ever.
    await until(
      async () => !/messages_published_total.*Second/.test(await daemon.metrics()),
      () => 'its series stays',
    )
    assert.match(await daemon.metrics(), /messages_published_total.*First/)
    await stage.end()
  })

  it('a table of a rule is dropped and made again: the others go on, it is told, and it comes back', async () => {
    const stage = await servers.scene({
      name: 'late_again',
      schema: `${ORDER}; CREATE TABLE tb_item (id int PRIMARY KEY)`,
      rules: `[[observers]]\ntable = "tb_order"\nevent = ["INSERT", "DELETE"]\nsubject = "{prefix}.o"\n
      [[observers]]\ntable = "tb_item"\nevent = "INSERT"\n`,
    })
    const daemon = await stage.start()
    await stage.sql('INSERT INTO tb_order VALUES (1)')
    await stage.sql('DROP TABLE tb_order')
    await daemon.says('table "tb_order" does not exist')
    await stage.sql('INSERT INTO tb_item VALUES (2)')
    // A lost connection meanwhile is no reason to end with the code of a mistake in the rules.
    await cut(stage, daemon)
    await stage.sql(ORDER)
    await daemon.says('"public"."tb_order" came into the publication')
    await stage.sql('INSERT INTO tb_order VALUES (3); INSERT INTO tb_item VALUES (4); DELETE FROM tb_order')
    assert.deepEqual(await idsOf(stage), ['1', '2', '3', '4', '3'])
    assert.equal(warned(daemon).filter(text => text.includes('does not exist')).length, 1)
    assert.equal(starts(daemon), 2)
    await stage.end()
  })

  it('the only table of the rules goes, and comes as a new one by rename, and the swap back', async () => {
    const stage = await servers.scene({ name: 'late_swap', schema: ORDER, rules: ORDER_RULE })
    const daemon = await stage.start()
    await stage.sql('INSERT INTO tb_order VALUES (1)')
    await stage.sql('CREATE TABLE tb_order_new (LIKE tb_order INCLUDING ALL)')
    await stage.sql(
      'ALTER TABLE tb_order RENAME TO tb_order_old; ALTER TABLE tb_order_new RENAME TO tb_order',
    )
    await daemon.says('"public"."tb_order" came into the publication')
    await published(stage, 'tb_order_old', false)
    await stage.sql('INSERT INTO tb_order VALUES (2); INSERT INTO tb_order_old VALUES (0)')
    await stage.sql('DROP TABLE tb_order')
    await daemon.says('table "tb_order" does not exist')
    const from = daemon.logs.length
    await stage.sql('ALTER TABLE tb_order_old RENAME TO tb_order')
    await daemon.says('"public"."tb_order" came into the publication', from)
    await stage.sql('INSERT INTO tb_order VALUES (3)')
    assert.deepEqual(await idsOf(stage), ['1', '2', '3'])
    assert.equal(starts(daemon), 1)
    await stage.end()
  })

  it('a rule whose table was gone at the run before: its subject gets a stream when the table is back', async () => {
    const stage = await servers.scene({
      name: 'late_stream',
      schema: ORDER,
      rules: `${ORDER_RULE}subject = "late_elsewhere.order"\n`,
    })
    const daemon = await stage.start()
    await stage.sql('DROP TABLE tb_order')
    await daemon.says('table "tb_order" does not exist')
    await cut(stage, daemon)
    await stage.sql(ORDER)
    await daemon.says('"public"."tb_order" came into the publication')
    await stage.sql('INSERT INTO tb_order VALUES (1)')
    assert.equal((await stage.messages('late_elsewhere')).length, 1)
    const { streams } = await stage.jsm()
    await streams.delete('late_elsewhere')
    await stage.end()
  })

  it('a table without a key is told once and interrupts nothing, and comes in with its key', async () => {
    const stage = await servers.scene({ name: 'late_key', schema: ORDER })
    const daemon = await stage.start()
    await stage.sql('CREATE TABLE tb_keyless (id int NOT NULL)')
    await daemon.says('"public"."tb_keyless" is left out')
    await stage.sql('INSERT INTO tb_keyless VALUES (1); UPDATE tb_keyless SET id = 2')
    await stage.sql(TABLE)
    await daemon.says('"public"."tb_late" came into the publication')
    await stage.sql('ALTER TABLE tb_keyless ADD PRIMARY KEY (id)')
    await daemon.says('"public"."tb_keyless" came into the publication')
    await stage.sql('INSERT INTO tb_keyless VALUES (3)')
    assert.deepEqual(await idsOf(stage), ['3'])
    assert.equal(warned(daemon).filter(text => text.includes('tb_keyless')).length, 1)
    assert.equal(starts(daemon), 1)
    await stage.end()
  })

  it('a table that loses its key stays published, and is told with what to type', async () => {
    const stage = await servers.scene({ name: 'late_lost_key', schema: ORDER })
    const daemon = await stage.start()
    await stage.sql('ALTER TABLE tb_order DROP CONSTRAINT tb_order_pkey')
    await daemon.says('ALTER TABLE "public"."tb_order" REPLICA IDENTITY FULL;')
    await stage.sql(TABLE)
    await daemon.says('"public"."tb_late" came into the publication')
    await stage.sql('INSERT INTO tb_order VALUES (1); ALTER TABLE tb_order ADD PRIMARY KEY (id)')
    await stage.sql('INSERT INTO tb_order VALUES (2)')
    assert.deepEqual(
      (await stage.events()).map(({ data }) => data),
      [{ id: 1 }, { id: 2 }],
    )
    assert.equal(warned(daemon).length, 1, daemon.output)
    await stage.end()
  })

  it('a table of another owner, and one of the same entity, are told once and left out', async () => {
    const stage = await servers.scene({ name: 'late_owner', schema: ORDER })
    await stage.sql(`CREATE ROLE late_observer LOGIN REPLICATION;
    GRANT CREATE ON DATABASE late_owner TO late_observer; GRANT CREATE ON SCHEMA public TO late_observer;
    ALTER TABLE tb_order OWNER TO late_observer`)
    stage.settings = { database: { url: stage.url.replace('postgres@', 'late_observer@') } }
    const daemon = await stage.start()
    await stage.sql(`CREATE TABLE tb_theirs (id int PRIMARY KEY); CREATE SCHEMA sales;
    CREATE TABLE sales.tb_order (id int PRIMARY KEY); ALTER TABLE sales.tb_order OWNER TO late_observer`)
    await daemon.says('"public"."tb_theirs" is left out: role "late_observer" does not own it')
    await daemon.says(
      '"sales"."tb_order" is not published: it gives the entity Order, as "public"."tb_order" does',
    )
    await stage.sql('INSERT INTO tb_order VALUES (1); INSERT INTO sales.tb_order VALUES (2)')
    assert.deepEqual(await idsOf(stage), ['1'])
    await stage.sql(`${TABLE}; ALTER TABLE tb_late OWNER TO late_observer`)
    await daemon.says('"public"."tb_late" came into the publication')
    assert.equal(warned(daemon).length, 2, daemon.output)
    assert.equal(starts(daemon), 1)
    await stage.end()
  })

  it("somebody's publication is left as it is, with rules and without; a table that comes is told once", async () => {
    for (const rules of ['', ORDER_RULE]) {
      const name = `late_theirs_${rules === '' ? 'all' : 'rule'}`
      const schema = `${ORDER}; CREATE TABLE tb_other (id int PRIMARY KEY); CREATE ROLE ${name};
      CREATE PUBLICATION ${name} FOR TABLE tb_order; ALTER PUBLICATION ${name} OWNER TO ${name}`
      // The owner of a publication needs the right to create one.
      const stage = await servers.scene({
        name,
        schema: schema.replace('; ALTER', `; GRANT CREATE ON DATABASE ${name} TO ${name}; ALTER`),
        rules,
      })
      const daemon = await stage.start()
      if (rules === '') await stage.sql(TABLE)
      else await stage.sql(`DROP TABLE tb_order; ${ORDER}`)
      await daemon.says(
        rules === '' ? '"public"."tb_late" is new, and not in' : 'belongs to "late_theirs_rule"',
      )
      await cut(stage, daemon)
      await stage.sql(`ALTER PUBLICATION ${name} ADD TABLE ${rules === '' ? 'tb_late' : 'tb_order'}`)
      await stage.sql(`INSERT INTO ${rules === '' ? 'tb_late' : 'tb_order'} VALUES (1)`)
      assert.deepEqual(await idsOf(stage), ['1'])
      assert.equal(warned(daemon).length, 1, daemon.output)
      await stage.end()
    }
  })

  it('a migration that publishes its table itself loses nothing, and needs no look', async () => {
    const stage = await servers.scene({ name: 'late_self', schema: ORDER })
    const daemon = await stage.start()
    await stage.sql(`${TABLE}; INSERT INTO tb_late VALUES (0);
      ALTER PUBLICATION late_self ADD TABLE tb_late; INSERT INTO tb_late VALUES (1)`)
    await stage.sql('INSERT INTO tb_late VALUES (2)')
    await stage.sql('CREATE TABLE tb_after (id int PRIMARY KEY)')
    await daemon.says('"public"."tb_after" came into the publication')
    assert.deepEqual(await idsOf(stage), ['1', '2'])
    assert.doesNotMatch(daemon.output, /tb_late/)
    await stage.end()
  })

  it('a table renamed into the entity of another is told, and ends nothing', async () => {
    const stage = await servers.scene({
      name: 'late_rename',
      schema: `${ORDER}; CREATE SCHEMA sales; CREATE TABLE sales.tb_sale (id int PRIMARY KEY)`,
    })
    const daemon = await stage.start()
    await stage.sql('ALTER TABLE sales.tb_sale RENAME TO tb_order')
    await cut(stage, daemon)
    await daemon.says('both give the entity Order')
    await stage.sql('INSERT INTO tb_order VALUES (1)')
    assert.deepEqual(await idsOf(stage), ['1'])
    await stage.end()
  })

  it('a table that a migration holds locked does not stop the others, and comes in when it is free', async () => {
    const stage = await servers.scene({ name: 'late_locked', schema: ORDER })
    const daemon = await stage.start()
    await stage.sql(TABLE)
    // One message is one transaction: the lock is held until the sleep is over.
    const migration = stage.sql('LOCK TABLE tb_late IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(9)')
    await daemon.says("the publication can't be changed at the moment")
    await stage.sql('INSERT INTO tb_order VALUES (1)')
    assert.deepEqual(await idsOf(stage), ['1'])
    await migration
    await daemon.says('"public"."tb_late" came into the publication')
    assert.equal(starts(daemon), 1)
    await stage.end()
  })

  it('300 tables, one after the other: all are published, and the daemon streams on', async () => {
    const stage = await servers.scene({ name: 'late_many' })
    const daemon = await stage.start()
    for (let i = 0; i < 300; i++) await stage.sql(`CREATE TABLE tb_many_${i} (id int PRIMARY KEY)`)
    await published(stage, 'tb_many_299')
    for (let i = 0; i < 300; i++) await stage.sql(`INSERT INTO tb_many_${i} VALUES (${i})`)
    assert.deepEqual(
      await idsOf(stage),
      Array.from({ length: 300 }, (_, i) => String(i)),
    )
    assert.equal(starts(daemon), 1)
    assert.ok(daemon.logs.length < 50, daemon.output)
    await stage.end()
  })
})
