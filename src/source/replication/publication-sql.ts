/** The SQL of publications: statements and their parts, quoted. Pure; what is to be done is decided by the plan. */
import { escapeIdentifier, escapeLiteral } from 'pg'
import type { RoleFacts } from './publication-catalog.ts'
import { keeperComment } from './publication-catalog.ts'
import type { RelationFacts, RowOperation } from './wanted-tables.ts'

export function qualifiedName({ schema, table }: { schema: string; table: string }): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`
}

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
