/** What a session of the workload does in one go, each with its weight. */

import type pg from 'pg'
import type { Connection, Submittable } from 'pg'
import type { Random } from '../sim/random.ts'

export interface Action {
  readonly name: string
  /** How often, relative to the others. */
  readonly weight: number
  run(client: pg.Client, random: Random): Promise<unknown>
}

const PLAIN = `INSERT INTO tb_plain (n, amount, name, flag, doc, tags, feels, code) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

export const ACTIONS: readonly Action[] = [
  { name: 'insert', weight: 30, run: (client, random) => client.query(PLAIN, plainRow(random)) },
  {
    name: 'update',
    weight: 15,
    run: (client, random) =>
      client.query(
        `UPDATE tb_plain SET n = n + 1, amount = amount * 1.1, tags = tags || $1::text[]
         WHERE id IN (SELECT id FROM tb_plain ORDER BY id DESC LIMIT $2)`,
        [[text(random)], 1 + random.below(5)],
      ),
  },
  {
    name: 'delete',
    weight: 8,
    run: (client, random) =>
      client.query(`DELETE FROM tb_plain WHERE id IN (SELECT id FROM tb_plain ORDER BY id LIMIT $1)`, [
        random.below(4),
      ]),
  },
  { name: 'transaction', weight: 12, run: transaction },
  { name: 'savepoints', weight: 6, run: savepoints },
  {
    name: 'rollback',
    weight: 5,
    run: (client, random) =>
      client.query(
        `BEGIN; INSERT INTO tb_copy (a) SELECT generate_series(1, ${1 + random.below(500)}); ROLLBACK`,
      ),
  },
  {
    name: 'bulk',
    weight: 3,
    run: (client, random) =>
      client.query(
        `INSERT INTO tb_copy (a, b, c) SELECT g, repeat('x', g % 300), g / 7.0 FROM generate_series(1, $1) g`,
        [200 + random.below(3_000)],
      ),
  },
  { name: 'copy', weight: 4, run: (client, random) => copyIn(client, 1 + random.below(400)) },
  { name: 'toast', weight: 8, run: toast },
  { name: 'full', weight: 8, run: full },
  { name: 'partition', weight: 8, run: partition },
  { name: 'alter', weight: 1, run: alter },
  { name: 'truncate', weight: 1, run: truncate },
  {
    name: 'message',
    weight: 6,
    run: (client, random) =>
      client.query(`SELECT pg_logical_emit_message($1, 'fault', $2)`, [random.chance(0.6), text(random)]),
  },
  {
    name: 'messages between changes',
    weight: 3,
    run: (client, random) =>
      client.query(
        `BEGIN; INSERT INTO tb_copy (b) VALUES ('before');
         SELECT pg_logical_emit_message(false, 'fault', 'outside ${random.bits()}');
         SELECT pg_logical_emit_message(true, 'fault', '{"inside": ${random.bits()}}');
         INSERT INTO tb_copy (b) VALUES ('after'); COMMIT`,
      ),
  },
]

/** One transaction, which PostgreSQL spills to disk and then sends at once. */
export function bigTransaction(rows: number): Action {
  const sql = `INSERT INTO tb_copy (a, b, c) SELECT g, 'row of a big one ' || g, g / 3.0 FROM generate_series(1, $1) g`
  return { name: 'big', weight: 0, run: client => client.query(sql, [rows]) }
}

function plainRow(random: Random): unknown[] {
  return [
    random.chance(0.1) ? null : random.bits() % 1_000_000,
    random.pick(['NaN', '0.10', '-12345678901234567890.123456789', `${random.bits()}.5`, null]),
    text(random),
    random.chance(0.5),
    random.pick([
      '{"a": 98765432109876543210.5, "b": [1, "two", null]}',
      '[]',
      'null',
      `{"n": ${random.bits()}}`,
      null,
    ]),
    random.pick([null, [], [text(random)], [text(random), null, 'NULL', '']]),
    random.pick(['sad', 'well', 'very "well"', null]),
    random.pick(['C-1', null]),
  ]
}

function text(random: Random): string {
  return random.pick([
    '',
    'plain',
    'quote " and \\',
    'line\nbreak\ttab',
    'ünï 😀',
    '\u0001',
    `v${random.bits()}`,
  ])
}

async function transaction(client: pg.Client, random: Random): Promise<void> {
  await client.query('BEGIN')
  for (let row = 2 + random.below(12); row > 0; row--) await client.query(PLAIN, plainRow(random))
  await client.query('UPDATE tb_plain SET flag = NOT flag WHERE id = (SELECT max(id) FROM tb_plain)')
  await client.query('COMMIT')
}

async function savepoints(client: pg.Client, random: Random): Promise<void> {
  const nested = (depth: number): string =>
    `SAVEPOINT s${depth}; INSERT INTO tb_copy (a, b) SELECT g, 'depth ${depth}' FROM generate_series(1, ${1 + random.below(60)}) g;` +
    (depth < 4 && random.chance(0.6) ? nested(depth + 1) : '') +
    random.pick([`ROLLBACK TO s${depth};`, `RELEASE s${depth};`, ''])
  await client.query(`BEGIN; ${nested(1)} INSERT INTO tb_copy (b) VALUES ('end'); ${nested(1)} COMMIT`)
}

async function toast(client: pg.Client, random: Random): Promise<void> {
  if (random.chance(0.4)) {
    await client.query(
      `INSERT INTO tb_toast (n, body, raw) VALUES (0, repeat(md5(random()::text), $1), decode(repeat('00ff', $2), 'hex'))`,
      [100 + random.below(300), 1 + random.below(50)],
    )
    return
  }
  const change = random.pick(['n = n + 1', 'raw = NULL', 'body = body || body', "body = 'short'"])
  await client.query(
    `UPDATE tb_toast SET ${change} WHERE id IN (SELECT id FROM tb_toast WHERE length(body) < 40000 ORDER BY id DESC LIMIT 2)`,
  )
}

async function full(client: pg.Client, random: Random): Promise<void> {
  const recent = '(SELECT id FROM tb_full ORDER BY id DESC LIMIT 1)'
  const statement = random.pick([
    `INSERT INTO tb_full (name, body) VALUES ('new', repeat(md5(random()::text), 120))`,
    `INSERT INTO tb_full (name, body) VALUES (NULL, 'small')`,
    `UPDATE tb_full SET name = 'n' || clock_timestamp() WHERE id = ${recent}`,
    `UPDATE tb_full SET body = reverse(body) WHERE id = ${recent}`,
    `UPDATE tb_full SET name = name WHERE id = ${recent}`,
    `DELETE FROM tb_full WHERE id = ${recent}`,
  ])
  await client.query(statement)
}

async function partition(client: pg.Client, random: Random): Promise<void> {
  const statement = random.pick([
    `INSERT INTO tb_part SELECT coalesce(max(id), 0) + 1, ${random.below(4)}, 'new' FROM tb_part`,
    `UPDATE tb_part SET note = 'changed' WHERE id = (SELECT max(id) FROM tb_part)`,
    // Another partition: a delete and an insert, or an update of the key.
    `UPDATE tb_part SET region = ${random.below(4)} WHERE id = (SELECT max(id) FROM tb_part)`,
    `DELETE FROM tb_part WHERE id = (SELECT min(id) FROM tb_part)`,
  ])
  await client.query(statement)
}

/** Changes of the table between changes of its rows, in one transaction and across several. */
async function alter(client: pg.Client, random: Random): Promise<void> {
  const column = `extra_${random.below(5)}`
  const rows = `INSERT INTO tb_alter DEFAULT VALUES; UPDATE tb_alter SET a = coalesce(a, 0) + 1 WHERE id = (SELECT max(id) FROM tb_alter);`
  const change = random.pick([
    `ALTER TABLE tb_alter ADD COLUMN IF NOT EXISTS ${column} ${random.pick(['integer', 'text', 'feeling'])} DEFAULT NULL;`,
    `ALTER TABLE tb_alter DROP COLUMN IF EXISTS ${column};`,
    `ALTER TABLE tb_alter ALTER COLUMN a TYPE ${random.pick(['bigint', 'integer', 'numeric'])};`,
    `ALTER TABLE tb_alter RENAME COLUMN b TO b2; ${rows} ALTER TABLE tb_alter RENAME COLUMN b2 TO b;`,
  ])
  await client.query(random.chance(0.5) ? `BEGIN; ${rows} ${change} ${rows} COMMIT` : change)
  await client.query(rows)
}

async function truncate(client: pg.Client, random: Random): Promise<void> {
  await client.query(`INSERT INTO tb_trunc (a) SELECT generate_series(1, 20)`)
  await client.query(`INSERT INTO tb_trunc_child SELECT id, id FROM tb_trunc ON CONFLICT DO NOTHING`)
  await client.query(
    random.pick([
      'TRUNCATE tb_trunc CASCADE',
      'TRUNCATE tb_trunc, tb_trunc_child RESTART IDENTITY',
      'BEGIN; TRUNCATE tb_trunc_child; INSERT INTO tb_trunc (a) VALUES (0); COMMIT',
    ]),
  )
}

/** COPY FROM STDIN by the driver's own means. */
async function copyIn(client: pg.Client, rows: number): Promise<void> {
  const lines = Array.from({ length: rows }, (_, row) => `${row}\trow ${row}\\tof a copy\t${row}.25\n`)
  await new Promise<void>((resolve, reject) => {
    let failed: unknown = null
    const copy: Submittable & Record<string, unknown> = {
      submit: (connection: Connection) => connection.query('COPY tb_copy (a, b, c) FROM STDIN'),
      handleCopyInResponse: (
        connection: Connection & { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void },
      ) => {
        connection.sendCopyFromChunk(Buffer.from(lines.join('')))
        connection.endCopyFrom()
      },
      handleCommandComplete: () => {},
      handleError: (error: unknown) => {
        failed = error
        reject(error)
      },
      handleReadyForQuery: () => (failed === null ? resolve() : undefined),
    }
    client.query(copy)
  })
}
