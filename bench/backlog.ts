/**
 * A backlog: committed changes that nobody has read yet, and as many slots at their begin as there are runs. It is
 * written once; every run gets a copy of the slot. One row is committed apart from the others, and a second slot stands
 * before that row alone: reading it is all start-up, which is then taken off.
 */
import type pg from 'pg'
import { openSession, type Servers } from './servers.ts'

export type Shape = 'one' | 'mid' | 'many' | 'mixed' | 'large'

/** What is written, and how the daemon is configured for it. */
export interface Content {
  /** Beside the tables that are always there. SQL. */
  readonly schema: string
  /** PL/pgSQL that writes rows `first` to `last`, its transactions included. */
  readonly writer: string
  /** The number of the first row. */
  readonly first: number
  /** A fraiseql.toml. */
  readonly rules: string
}

export interface Backlog {
  readonly url: string
  readonly rules: string
  readonly rows: number
  /** The end of its last commit. */
  readonly endLsn: string
  /** A fresh slot: before all rows, or before the last one. */
  slot(which: 'all' | 'last'): Promise<string>
  drop(slot: string): Promise<void>
  /** The walsender that serves the slot; null: none yet. */
  walsender(slot: string): Promise<number | null>
  close(): Promise<void>
}

export const PUBLICATION = 'fraiseql_observer'

/** One row of tb_order, 288 bytes of pgoutput with its lengths. `n` and `at`: SQL. */
export function orderRow(n: string, at = 'now()'): string {
  return `SELECT ${n} + 1000000, md5((${n})::text)::uuid, 'order-2024-' || 100000 + ${n},
    'customer.' || ${n} || '@example.com', CASE (${n}) % 2 WHEN 0 THEN 'pending' ELSE 'confirmed' END,
    (${n}) % 1000 + 0.99, jsonb_build_object('items', jsonb_build_array(
      jsonb_build_object('qty', 2, 'sku', 'A-' || ${n}), jsonb_build_object('qty', 1, 'sku', 'B-7')),
      'note', 'leave at the door'), ${at}`
}

const SCHEMA = `
  CREATE TABLE tb_order (
    pk_order bigint PRIMARY KEY, id uuid NOT NULL, identifier text, customer_email text, status text,
    total numeric(12,2), data jsonb, created_at timestamptz
  );
  CREATE TABLE tb_document (pk_document bigint PRIMARY KEY, id uuid NOT NULL, title text, body text);
  CREATE TABLE tb_attachment (pk_attachment bigint PRIMARY KEY, id uuid NOT NULL, opened int, content text);
  ALTER TABLE tb_attachment ALTER content SET STORAGE EXTERNAL;
  DO $$ BEGIN EXECUTE (
    SELECT 'CREATE TABLE tb_reading (pk_reading bigint PRIMARY KEY, id uuid NOT NULL, '
      || string_agg(format('value_%s numeric(8,3)', i), ', ') || ')' FROM generate_series(1, 58) i
  ); END $$;
  CREATE FUNCTION fill_reading(n bigint) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE (
    SELECT format('INSERT INTO tb_reading VALUES (%s, %L, ', n, md5(n::text)::uuid)
      || string_agg(((n * i) % 99999 / 8.0)::numeric(8,3)::text, ', ') || ')' FROM generate_series(1, 58) i
  ); END $$;
  CREATE PUBLICATION ${PUBLICATION} FOR TABLE tb_order, tb_document, tb_attachment, tb_reading;
`

const WRITERS: Readonly<Record<Shape, string>> = {
  one: `INSERT INTO tb_order ${orderRow('n')} FROM generate_series(first, last) n;`,
  mid: `
    FOR i IN first .. last LOOP
      INSERT INTO tb_order ${orderRow('i')};
      IF i % 1000 = 0 THEN COMMIT; END IF;
    END LOOP;`,
  many: `
    FOR i IN first .. last LOOP
      INSERT INTO tb_order ${orderRow('i')};
      COMMIT;
    END LOOP;`,
  // Ten rows a transaction: five orders, two documents of 1 kB, two readings of 60 columns, and of the attachments of
  // 8 kB every tenth is new, the others change next to a TOASTed value that stays.
  // One transaction; every fiftieth row has 450 kB, the others 19 kB.
  large: `
    INSERT INTO tb_attachment SELECT n, md5(n::text)::uuid, 0, repeat(md5(n::text), CASE n % 50 WHEN 0 THEN 14000 ELSE 600 END)
      FROM generate_series(first, last) n;`,
  mixed: `
    FOR i IN first .. last LOOP
      CASE i % 10
        WHEN 0 THEN
          IF i % 100 = 0 THEN
            INSERT INTO tb_attachment VALUES (i, md5(i::text)::uuid, 0, repeat(md5(i::text), 256));
          ELSE
            UPDATE tb_attachment SET opened = opened + 1 WHERE pk_attachment = i - i % 100;
          END IF;
          COMMIT;
        WHEN 1, 2 THEN
          INSERT INTO tb_document VALUES (i, md5(i::text)::uuid, 'Document ' || i, repeat(md5(i::text), 31));
        WHEN 3, 4 THEN PERFORM fill_reading(i);
        ELSE INSERT INTO tb_order ${orderRow('i')};
      END CASE;
    END LOOP;`,
}

export function contentOf(shape: Shape): Content {
  // The first attachment, which the first hundred rows change, is row 0.
  return { schema: '', writer: WRITERS[shape], first: shape === 'mixed' ? 0 : 1, rules: '' }
}

/** Rows spread evenly over so many tables, a thousand to a transaction; `ruled`: each table has a rule of its own. */
export function manyTables(tables: number, ruled: boolean): Content {
  const rule = (_: unknown, i: number) =>
    `[[observers]]\ntable = "tb_part_${i + 1}"\nevent = "INSERT"\nsubject = "fraiseql.mutation.part_${i + 1}"\n`
  const others = '[[observers]]\ntable = "tb_order"\nevent = "INSERT"\n'
  return {
    schema: `
      CREATE PROCEDURE make_parts() LANGUAGE plpgsql AS $$ BEGIN
        FOR i IN 1 .. ${tables} LOOP
          EXECUTE format('CREATE TABLE tb_part_%s (LIKE tb_order INCLUDING ALL)', i);
          EXECUTE format('ALTER PUBLICATION ${PUBLICATION} ADD TABLE tb_part_%s', i);
          IF i % 100 = 0 THEN COMMIT; END IF;
        END LOOP;
      END $$`,
    writer: `
      FOR i IN first .. last LOOP
        EXECUTE 'INSERT INTO tb_part_' || i % ${tables} + 1 || ' ${orderRow('$1').replaceAll("'", "''")}' USING i;
        IF i % 1000 = 0 THEN COMMIT; END IF;
      END LOOP;`,
    first: 1,
    rules: ruled ? Array.from({ length: tables }, rule).join('') + others : '',
  }
}

export async function createSchema(url: string): Promise<void> {
  const session = await openSession(url)
  await session.query(SCHEMA)
  await session.end()
}

export async function writeBacklog(
  { postgres }: Servers,
  { schema, writer, first, rules }: Content,
  rows: number,
): Promise<Backlog> {
  const url = await postgres.createDatabase()
  await createSchema(url)
  const session = await openSession(url)
  // Nobody waits for these commits; what is measured is reading them.
  await session.query('SET synchronous_commit = off')
  await session.query(
    `CREATE PROCEDURE fill(first bigint, last bigint) LANGUAGE plpgsql AS $$ BEGIN ${writer} END $$`,
  )
  if (schema !== '') {
    await session.query(schema)
    await session.query('CALL make_parts()')
  }
  const prefix = `bench_${url.split('/').at(-1)}`
  await createSlot(session, `${prefix}_all`)
  await session.query(`CALL fill(${first}, ${first + rows - 2})`)
  await createSlot(session, `${prefix}_last`)
  await session.query(`INSERT INTO tb_order ${orderRow('-1')}`)
  const { rows: end } = await session.query<{ lsn: string }>(
    'SELECT pg_current_wal_insert_lsn()::text AS lsn',
  )
  await session.query('CHECKPOINT')
  let copies = 0
  return {
    ...{ url, rules, rows, endLsn: end[0]!.lsn },
    async slot(which) {
      const slot = `${prefix}_${which}_${++copies}`
      await session.query('SELECT pg_copy_logical_replication_slot($1, $2)', [`${prefix}_${which}`, slot])
      return slot
    },
    drop: slot => dropSlot(session, slot),
    walsender: slot => walsenderOf(session, slot),
    async close() {
      await dropSlot(session, `${prefix}_all`)
      await dropSlot(session, `${prefix}_last`)
      await session.end()
    },
  }
}

export async function createSlot(session: pg.Client, name: string): Promise<void> {
  await session.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [name])
}

/** The process number of the walsender that serves the slot; null: none yet. */
export async function walsenderOf(session: pg.Client, slot: string): Promise<number | null> {
  const found = await session.query<{ active_pid: number | null }>(
    'SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1',
    [slot],
  )
  return found.rows[0]?.active_pid ?? null
}

/** Waits for whoever still reads from it. */
export async function dropSlot(session: pg.Client, name: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      await session.query('SELECT pg_drop_replication_slot($1)', [name])
      return
    } catch (error) {
      if ((error as { code?: string }).code !== '55006') throw error
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
  throw new Error(`slot ${name} stays in use`)
}
