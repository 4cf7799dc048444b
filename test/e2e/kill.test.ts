/**
 * The promise, tried: the program as a process, 10,000 mixed changes by two writers, killed three times on the way.
 * Then the stream is compared, message by message, with what an independent slot saw of the same WAL.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../kit/daemon.ts'
import type { Scene } from '../kit/scene.ts'
import { openSecondSlot, promisedId, type Values, type WitnessedChange } from '../kit/second-slot.ts'
import { shareServers } from '../kit/stage.ts'
import { payload, type StreamMessage } from '../kit/stream-reader.ts'

const servers = shareServers()

const SCHEMA = `
  CREATE TABLE tb_order (id serial PRIMARY KEY, total numeric(20, 5), note text, at timestamptz DEFAULT now(), extra jsonb);
  CREATE TABLE tb_order_item (
    id serial PRIMARY KEY, fk_order int, price float8, tags text[], body text, raw bytea);
  ALTER TABLE tb_order_item ALTER body SET STORAGE EXTERNAL;
  ALTER TABLE tb_order REPLICA IDENTITY FULL`

/** Each makes a whole number of changes, in a transaction or several; `n` makes them differ. */
const STEPS: readonly ((n: number) => string)[] = [
  // COPY, all rows of which share one LSN.
  n => `COPY tb_order (total, note) FROM PROGRAM 'seq 1 150 | sed "s/$/\tcopied ${n}/"'`,
  n =>
    `INSERT INTO tb_order (total, note) SELECT g * 1.00001, 'row ' || g || ' of ${n}' FROM generate_series(1, 60) g`,
  n => `
    BEGIN;
    INSERT INTO tb_order (total, note) VALUES (${n}, 'before the savepoint');
    SAVEPOINT a;
    INSERT INTO tb_order (total, note) SELECT 1, 'rolled back' FROM generate_series(1, 20);
    ROLLBACK TO a;
    INSERT INTO tb_order_item (fk_order, price, tags) VALUES (${n}, ${n} / 3.0, ARRAY['a "b"', NULL, 'c,d']);
    SAVEPOINT b;
    UPDATE tb_order SET note = note || '!' WHERE id IN (SELECT id FROM tb_order ORDER BY id DESC LIMIT 10);
    RELEASE b;
    COMMIT`,
  n => `INSERT INTO tb_order_item (fk_order, price, body, raw)
    SELECT ${n}, random(), repeat(md5(g::text), 200), decode(md5(g::text), 'hex') FROM generate_series(1, 8) g`,
  // Leaves the TOASTed column as it is.
  n =>
    `UPDATE tb_order_item SET price = ${n} WHERE id IN (SELECT id FROM tb_order_item ORDER BY id DESC LIMIT 15)`,
  n => `DELETE FROM tb_order WHERE id IN (SELECT id FROM tb_order ORDER BY id OFFSET ${n % 7} LIMIT 12)`,
  n => `SELECT pg_logical_emit_message(true, 'tb_audit', 'step ${n}')`,
  n => `BEGIN; INSERT INTO tb_order (note) VALUES ('never ${n}'); ROLLBACK`,
  n => `UPDATE tb_order SET extra = '{"n": ${n}, "exact": 12345678901234567890.12345}'
    WHERE id IN (SELECT id FROM tb_order ORDER BY id LIMIT 20)`,
]

const CHANGES = 10_000

/** Two writers side by side, until so many changes are committed; `written` is called with the number so far. */
async function write(stage: Scene, done: () => boolean): Promise<void> {
  const writer = async (first: number) => {
    for (let n = first; !done(); n += 2) {
      // Two updates of the same rows in another order are a deadlock, which ends one of them: no change.
      await stage.sql(STEPS[(n * 5 + first) % STEPS.length]!(n)).catch(error => {
        if (error.code !== '40P01') throw error
      })
    }
  }
  await Promise.all([writer(0), writer(1)])
}

test('10,000 changes, three kills: the stream is the commit history', async () => {
  const stage = await servers.scene({ name: 'kill', schema: SCHEMA })
  let daemon = await stage.start()
  const witness = await openSecondSlot(servers.postgres, {
    url: stage.url,
    name: 'witness',
    publication: stage.slot,
  })
  const expected: WitnessedChange[] = []
  let finished = false
  const writing = write(stage, () => finished)
  const stored = async () => (await (await stage.jsm()).streams.info(stage.stream)).state.messages
  try {
    for (const kill of [1, 2, 3]) {
      const target = (CHANGES / 4) * kill
      await until(
        async () => (await stored()) >= target,
        () => `stays below ${target}:\n${daemon.lastLines()}`,
      )
      assert.deepEqual(await daemon.kill('SIGKILL'), { code: null, signal: 'SIGKILL' })
      daemon = await stage.start()
    }
    await until(
      async () => {
        expected.push(...(await witness.read()))
        return expected.length >= CHANGES
      },
      () => `only ${expected.length} changes`,
    )
  } finally {
    finished = true
    await writing
  }
  const messages = await stage.messages()
  expected.push(...(await witness.read()))
  assert.ok(expected.length >= CHANGES)
  await compare(messages, expected)
  await compareRows(stage, messages, expected)
  await daemon.stop()
  await servers.postgres.sql("SELECT pg_drop_replication_slot('witness')")
  await stage.end()
})

/** Same order, none missing, none twice. */
async function compare(
  messages: readonly StreamMessage[],
  expected: readonly WitnessedChange[],
): Promise<void> {
  const [row] = await servers.postgres.sql<{ id: string }>(
    'SELECT system_identifier::text AS id FROM pg_control_system()',
  )
  const system = BigInt.asUintN(64, BigInt(row!.id)).toString(36)
  const ids = expected.map(change => promisedId(system, change))
  const wrong = ids.findIndex((id, i) => id !== messages[i]?.msgId)
  assert.equal(wrong, -1, `from message ${wrong}: ${ids[wrong]} expected, ${messages[wrong]?.msgId} found`)
  assert.equal(messages.length, ids.length)
  messages.forEach(({ seq, subject }, i) => {
    assert.equal(seq, i + 1)
    assert.equal(subject.split('.').at(-1), expected[i]!.operation)
  })
}

/** PostgreSQL itself says whether the rows are equal: as jsonb, where numbers compare exactly. */
async function compareRows(
  stage: Scene,
  messages: readonly StreamMessage[],
  expected: readonly WitnessedChange[],
): Promise<void> {
  let compared = 0
  for (const table of ['tb_order', 'tb_order_item']) {
    const pairs = expected.flatMap((change, i) => {
      const row = change.after ?? change.before
      if (change.table !== table || row === null) return []
      const values = sent(row, change)
      const known = Object.keys(values).filter(name => values[name] !== undefined)
      return [{ text: dataOf(messages[i]!), row: recordText(values), known: JSON.stringify(known) }]
    })
    const different = await stage.sql(
      `SELECT n, mine, theirs FROM (
         SELECT n, mine::jsonb AS mine,
           (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(theirs::${table}))
            WHERE known::jsonb ? key) AS theirs
         FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS pair (mine, theirs, known, n)
       ) compared WHERE mine <> theirs LIMIT 3`,
      [pairs.map(({ text }) => text), pairs.map(({ row }) => row), pairs.map(({ known }) => known)],
    )
    assert.deepEqual(different, [])
    compared += pairs.length
  }
  assert.ok(compared > CHANGES * 0.9)
  expected.forEach((change, i) => {
    const event = payload(messages[i]!)
    if (change.operation === 'CUSTOM') assert.equal(event.content, change.content)
    else assert.deepEqual(event.unchanged ?? [], stillUnknown(change))
  })
}

/** The text of `data`, digit for digit. */
function dataOf({ text }: StreamMessage): string {
  const start = text.indexOf(',"data":') + ',"data":'.length
  const end = text.indexOf(',"changes":', start)
  return text.slice(start, end)
}

/** What was sent of the row. A DELETE of a table with the default identity carries its key alone. */
function sent(row: Values, { table, operation, before }: WitnessedChange): Values {
  const keyOnly = operation === 'DELETE' && table === 'tb_order_item'
  const values = Object.entries(row).map(([name, value]) => {
    if (keyOnly && name !== 'id') return [name, undefined]
    return [name, value === undefined ? before?.[name] : value]
  })
  return Object.fromEntries(values)
}

/** As PostgreSQL reads a value of the table's row type: each column by its own input function. */
function recordText(row: Values): string {
  const fields = Object.values(row).map(value =>
    typeof value === 'string' ? `"${value.replaceAll('\\', '\\\\').replaceAll('"', '""')}"` : '',
  )
  return `(${fields.join(',')})`
}

function unsent(row: Values): string[] {
  return Object.keys(row).filter(name => row[name] === undefined)
}

function stillUnknown({ after, before }: WitnessedChange): string[] {
  return after === null ? [] : unsent(after).filter(name => before?.[name] === undefined)
}
