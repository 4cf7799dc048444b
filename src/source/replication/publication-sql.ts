/** The SQL of publications: statements and their parts, quoted. Pure; what is to be done is decided by the plan. */
import { escapeIdentifier, escapeLiteral } from 'pg'
import { STATEMENT_TIMEOUT_MS } from '../../postgres.ts'
import type { RoleFacts } from './publication-catalog.ts'
import { keeperComment } from './publication-catalog.ts'
import type { RelationFacts, RowOperation } from './wanted-tables.ts'

export function qualifiedName({ schema, table }: { schema: string; table: string }): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`
}

/**
 * A statement that waits for a lock holds up who comes behind it, applications too: better to try again later. Longer
 * than `deadlock_timeout`, after which an autovacuum gives way.
 */
export const LOCK_LIMIT_MS = 1500

export interface Extension {
  readonly tables: readonly RelationFacts[]
  readonly operations: readonly RowOperation[] | null
  readonly viaRoot: boolean
}

/** For a person to run: nothing is taken away. */
export function extendSql(name: string, { tables, operations, viaRoot }: Extension): string {
  const alter = `ALTER PUBLICATION ${escapeIdentifier(name)}`
  const options = [
    operations === null ? '' : `publish = ${escapeLiteral(operations.join(', '))}`,
    viaRoot ? 'publish_via_partition_root = true' : '',
  ].filter(option => option !== '')
  return [
    tables.length === 0 ? '' : `${alter} ADD TABLE ${tables.map(only).join(', ')};`,
    options.length === 0 ? '' : `${alter} SET (${options.join(', ')});`,
  ]
    .filter(sql => sql !== '')
    .join(' ')
}

/** Without ONLY, the children of an inheritance tree would come along now, and be missing when new ones are made. */
export function only(relation: RelationFacts): string {
  return `ONLY ${qualifiedName(relation)}`
}

export function optionsSql({ version }: RoleFacts, operations: readonly RowOperation[]): string {
  const generated = version >= 180_000 ? ', publish_generated_columns = stored' : ''
  return `publish = ${escapeLiteral(operations.join(', '))}, publish_via_partition_root = true${generated}`
}

export function commentSql(name: string, slot: string): string {
  return `COMMENT ON PUBLICATION ${escapeIdentifier(name)} IS ${escapeLiteral(keeperComment(slot))}`
}

/**
 * What PostgreSQL sends of a transaction depends on when it decodes it, if the publication changed between the
 * transaction's writes to such a table and its commit. Then the ordinals of its other changes would differ on replay,
 * and with them their names. So nobody may have such a transaction open: the lock waits for all that write.
 */
export function lockSql(tables: readonly RelationFacts[]): string[] {
  // Of a table in the publication that is not ours we may have no right to wait.
  const list = tables
    .filter(({ owned }) => owned)
    .map(table => (table.kind === 'p' ? qualifiedName(table) : only(table)))
  if (list.length === 0) return []
  // It keeps the locks that it has while it waits for the next: so all of them together have that time.
  return [
    `SET LOCAL statement_timeout = ${LOCK_LIMIT_MS}`,
    `LOCK TABLE ${list.join(', ')} IN SHARE ROW EXCLUSIVE MODE`,
    `SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`,
  ]
}
