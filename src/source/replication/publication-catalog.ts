/**
 * What the catalog says of relations, of their replica identity and of a publication: queries only, no decisions.
 * Columns that only later releases have are read through the row's JSON, so that one query serves all.
 */
import type { Client } from 'pg'
import { classifyPostgresError } from '../../postgres-codes.ts'
import type { RelationFacts, RowOperation } from './wanted-tables.ts'

export interface PublicationFacts {
  readonly owner: string
  /** The owner is the role of this session. */
  readonly own: boolean
  readonly allTables: boolean
  readonly wholeSchemas: boolean
  /** Somebody gave a table a row filter or a column list. */
  readonly shaped: boolean
  readonly operations: ReadonlySet<RowOperation>
  readonly viaRoot: boolean
  /** PostgreSQL 18 and later: stored generated columns are published. Before, they never are. */
  readonly generatedStored: boolean
  /** Slot of the daemon that keeps this publication, from its comment; null: made by a person. */
  readonly keeper: string | null
  /** That slot exists. */
  readonly keeperAlive: boolean
  /** Tables that were added one by one. */
  readonly members: readonly number[]
  /** Tables whose changes are published, under the name they are published as. */
  readonly published: readonly number[]
}

/** Whether a table's UPDATE and DELETE can be published; if not, PostgreSQL refuses them to every application. */
export interface IdentityFacts {
  readonly oid: number
  /** Where it is missing: the table itself, or some of its partitions (a few of them). */
  readonly without: readonly string[]
  /** PostgreSQL 18: REPLICA IDENTITY FULL takes in a virtual generated column, which can't be published. */
  readonly virtual: boolean
}

export interface RoleFacts {
  readonly version: number
  readonly role: string
  readonly database: string
  readonly mayCreate: boolean
  /** Schemas of its search_path. */
  readonly path: readonly string[]
}

const KEEPER = /^kept by fraiseql-observer for slot "([a-z0-9_]+)"$/

/** What marks a publication as kept by the daemon of this slot. */
export function keeperComment(slot: string): string {
  return `kept by fraiseql-observer for slot "${slot}"`
}

export async function readRole(client: Client): Promise<RoleFacts> {
  const { rows } = await client.query<RoleFacts>(
    `SELECT current_setting('server_version_num')::int AS version, current_user::text AS role,
            current_database()::text AS database, current_schemas(false)::text[] AS path,
            has_database_privilege(current_database(), 'CREATE') AS "mayCreate"`,
  )
  return rows[0]!
}

const RELATIONS = `
  SELECT c.oid::text, n.nspname AS schema, c.relname AS table, c.relkind AS kind, c.relpersistence AS persistence,
         CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid ELSE c.oid END::text AS root,
         pg_table_is_visible(c.oid) AS visible, pg_has_role(c.relowner, 'USAGE') AS owned,
         EXISTS (SELECT FROM pg_depend d
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS extension
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  ORDER BY n.nspname, c.relname`

export async function readRelations(client: Client): Promise<RelationFacts[]> {
  type Row = Omit<RelationFacts, 'oid' | 'root'> & { readonly oid: string; readonly root: string }
  const { rows } = await client.query<Row>(RELATIONS)
  return rows.map(row => ({ ...row, oid: Number(row.oid), root: Number(row.root) }))
}

/** A deferrable key is no identity, and neither is an index that was not built to its end. */
const IDENTITY = `
  WITH wanted AS (SELECT unnest($1::oid[]) AS oid),
  leaf AS (
    SELECT w.oid AS root, c.* FROM wanted w JOIN pg_class c ON c.oid = w.oid AND c.relkind = 'r'
    UNION ALL
    SELECT w.oid AS root, c.* FROM wanted w CROSS JOIN LATERAL pg_partition_tree(w.oid::regclass) p
      JOIN pg_class c ON c.oid = p.relid AND c.relkind = 'r' AND c.oid <> w.oid
  ),
  judged AS (
    SELECT l.root, n.nspname || '.' || l.relname AS name,
           l.relreplident = 'f' AND current_setting('server_version_num')::int >= 180000 AND EXISTS (
             SELECT FROM pg_attribute a WHERE a.attrelid = l.oid AND a.attgenerated = 'v' AND NOT a.attisdropped
           ) AS virtual,
           l.relreplident = 'f' OR EXISTS (
             SELECT FROM pg_index i WHERE i.indrelid = l.oid AND i.indisvalid AND i.indimmediate
               AND CASE l.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
           ) AS usable
    FROM leaf l JOIN pg_namespace n ON n.oid = l.relnamespace
  )
  SELECT w.oid::text, coalesce(bool_or(j.virtual), false) AS virtual,
         coalesce((array_agg(j.name ORDER BY j.name) FILTER (WHERE NOT j.usable OR j.virtual))[1:3], '{}') AS without
  FROM wanted w LEFT JOIN judged j ON j.root = w.oid GROUP BY w.oid`

export async function readIdentities(client: Client, oids: readonly number[]): Promise<IdentityFacts[]> {
  type Row = Omit<IdentityFacts, 'oid'> & { readonly oid: string }
  const { rows } = await client.query<Row>(IDENTITY, [oids])
  return rows.map(row => ({ ...row, oid: Number(row.oid) }))
}

const PUBLICATION = `
  SELECT p.oid::text, r.rolname AS owner, r.rolname = current_user AS own, p.puballtables AS "allTables",
         p.pubinsert AS insert, p.pubupdate AS update, p.pubdelete AS delete, p.pubtruncate AS truncate,
         p.pubviaroot AS "viaRoot", coalesce(to_jsonb(p)->>'pubgencols' = 's', false) AS "generatedStored",
         obj_description(p.oid, 'pg_publication') AS comment,
         EXISTS (SELECT FROM pg_publication_rel m WHERE m.prpubid = p.oid
                 AND (to_jsonb(m)->>'prqual' IS NOT NULL OR to_jsonb(m)->>'prattrs' IS NOT NULL)) AS shaped,
         ARRAY(SELECT m.prrelid::text FROM pg_publication_rel m WHERE m.prpubid = p.oid) AS members,
         ARRAY(SELECT t.relid::text FROM pg_get_publication_tables(p.pubname::text) t) AS published,
         current_setting('server_version_num')::int >= 150000 AS "hasSchemas"
  FROM pg_publication p JOIN pg_roles r ON r.oid = p.pubowner WHERE p.pubname = $1`

interface PublicationRow extends Record<RowOperation, boolean> {
  readonly oid: string
  readonly owner: string
  readonly own: boolean
  readonly allTables: boolean
  readonly viaRoot: boolean
  readonly generatedStored: boolean
  readonly comment: string | null
  readonly shaped: boolean
  readonly members: readonly string[]
  readonly published: readonly string[]
  readonly hasSchemas: boolean
}

/** null: there is none of this name. */
export async function readPublication(client: Client, name: string): Promise<PublicationFacts | null> {
  const { rows } = await client.query<PublicationRow>(PUBLICATION, [name])
  const row = rows[0]
  if (row === undefined) return null
  const keeper = KEEPER.exec(row.comment ?? '')?.[1] ?? null
  const { owner, own, allTables, viaRoot, generatedStored, shaped } = row
  const operations = (['insert', 'update', 'delete', 'truncate'] as const).filter(operation => row[operation])
  return {
    owner,
    own,
    allTables,
    viaRoot,
    generatedStored,
    shaped,
    keeper,
    operations: new Set(operations),
    wholeSchemas: row.hasSchemas && (await hasSchemas(client, row.oid)),
    keeperAlive: keeper !== null && (await slotExists(client, keeper)),
    members: row.members.map(Number),
    published: row.published.map(Number),
  }
}

/** Short, and other than before when a table, an index of one, or a publication was made, altered or dropped. */
export async function readCatalogMark(client: Client): Promise<string> {
  try {
    const { rows } = await client.query<{ mark: string }>(CATALOG_MARK)
    return rows[0]!.mark
  } catch (error) {
    throw classifyPostgresError(error)
  }
}

/** Every version of a row has its xmin. Temporary tables come and go, and are no one's concern. */
const CATALOG_MARK = `
  WITH mine AS (SELECT c.oid, c.xmin FROM pg_class c
                WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND c.oid >= 16384)
  SELECT md5(concat_ws('|',
    (SELECT string_agg(oid::text || ':' || xmin::text, ',' ORDER BY oid) FROM mine),
    (SELECT string_agg(i.indexrelid::text || ':' || i.xmin::text, ',' ORDER BY i.indexrelid)
     FROM pg_index i JOIN mine ON mine.oid = i.indrelid),
    (SELECT string_agg(oid::text || ':' || xmin::text, ',' ORDER BY oid) FROM pg_publication),
    (SELECT string_agg(oid::text || ':' || xmin::text, ',' ORDER BY oid) FROM pg_publication_rel),
    (SELECT string_agg(oid::text || ':' || xmin::text, ',' ORDER BY oid) FROM pg_namespace WHERE nspname !~ '^pg_')
  )) AS mark`

/** Tables that a view reads, for the remedy when a rule names the view. */
export async function readViewTables(client: Client, views: readonly number[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT n.nspname || '.' || c.relname AS name
     FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_class'::regclass
     JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p')
     JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE r.ev_class = ANY($1::oid[]) ORDER BY 1`,
    [views],
  )
  return rows.map(({ name }) => name)
}

async function hasSchemas(client: Client, publication: string): Promise<boolean> {
  const { rows } = await client.query('SELECT FROM pg_publication_namespace WHERE pnpubid = $1 LIMIT 1', [
    publication,
  ])
  return rows.length > 0
}

async function slotExists(client: Client, slot: string): Promise<boolean> {
  const { rows } = await client.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [slot])
  return rows.length > 0
}
