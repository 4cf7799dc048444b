/**
 * A steady stream of changes, numbered from 1 in the order of their commits, written inside PostgreSQL at intended
 * times: whatever is late is made up for, so the number of changes is known beforehand. Half of the rows are new, half
 * take the place of an older one.
 */
import pg from 'pg'

/** Rows of one transaction. */
export const ROWS_TOGETHER = 10
/** Changed rows go round among so many. */
const ROUND = 50_000

export const SCHEMA = `
  CREATE TABLE tb_note (id bigint PRIMARY KEY, n bigint NOT NULL, text text NOT NULL, price numeric, at timestamptz);
  CREATE TABLE tb_log (id uuid PRIMARY KEY, n bigint NOT NULL, data jsonb NOT NULL);
  CREATE PROCEDURE write_steadily(start timestamptz, transactions int, each float8) LANGUAGE plpgsql AS $$
  DECLARE due timestamptz; early float8; first bigint;
  BEGIN
    FOR k IN 0 .. transactions - 1 LOOP
      due := start + k * each * interval '1 second';
      early := extract(epoch FROM due - clock_timestamp());
      IF early > 0 THEN PERFORM pg_sleep(early); END IF;
      first := k::bigint * ${ROWS_TOGETHER} + 1;
      INSERT INTO tb_log
        SELECT md5(n::text)::uuid, n, jsonb_build_object('sku', 'A-' || n, 'qty', n % 7, 'tags', jsonb_build_array('a', 'ü'))
        FROM generate_series(first, first + ${ROWS_TOGETHER / 2 - 1}) n;
      INSERT INTO tb_note
        SELECT n % ${ROUND}, n, repeat(md5(n::text), 1 + (n % 5)::int), n / 7.0, clock_timestamp()
        FROM generate_series(first + ${ROWS_TOGETHER / 2}, first + ${ROWS_TOGETHER - 1}) n
        ON CONFLICT (id) DO UPDATE SET n = excluded.n, text = excluded.text, price = excluded.price, at = excluded.at;
      COMMIT;
    END LOOP;
  END $$;
`

/** Resolves when the last change is committed. */
export async function writeSteadily(url: string, changes: number, perSecond: number): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    const start = new Date(Date.now() + 100).toISOString()
    const transactions = Math.floor(changes / ROWS_TOGETHER)
    await client.query('CALL write_steadily($1, $2, $3)', [start, transactions, ROWS_TOGETHER / perSecond])
  } finally {
    await client.end()
  }
}
