/** The tables of the workload: one for each thing that the stream must get right. */
export const SCHEMA = `
  CREATE TYPE feeling AS ENUM ('sad', 'well', 'very "well"');
  CREATE DOMAIN short_code AS text CHECK (length(VALUE) < 40);
  CREATE TABLE tb_plain (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n integer, amount numeric, name text, flag boolean, doc jsonb,
    at timestamptz DEFAULT clock_timestamp(), tags text[], feels feeling, code short_code);
  CREATE TABLE tb_full (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, body text);
  ALTER TABLE tb_full REPLICA IDENTITY FULL;
  ALTER TABLE tb_full ALTER COLUMN body SET STORAGE EXTERNAL;
  CREATE TABLE tb_toast (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n integer, body text, raw bytea);
  ALTER TABLE tb_toast ALTER COLUMN body SET STORAGE EXTERNAL;
  CREATE TABLE tb_part (id bigint, region integer, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
  CREATE TABLE tb_part_0 PARTITION OF tb_part FOR VALUES IN (0);
  CREATE TABLE tb_part_1 PARTITION OF tb_part FOR VALUES IN (1);
  CREATE TABLE tb_part_rest PARTITION OF tb_part DEFAULT;
  CREATE TABLE tb_alter (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer, b text);
  CREATE TABLE tb_copy (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer, b text, c numeric);
  CREATE TABLE tb_trunc (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a integer);
  CREATE TABLE tb_trunc_child (id bigint PRIMARY KEY, parent bigint REFERENCES tb_trunc (id));
`

/** As the daemon publishes them: partitions as their root. */
export const TABLES = [
  'tb_plain',
  'tb_full',
  'tb_toast',
  'tb_part',
  'tb_alter',
  'tb_copy',
  'tb_trunc',
  'tb_trunc_child',
]
