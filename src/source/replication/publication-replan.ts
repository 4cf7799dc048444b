/**
 * The plan for a publication while changes flow. The start refuses what is wrong; later a migration must not end the
 * daemon, so that here a table with which something is wrong is told and left as it is, and the others go on. Pure.
 */
import { ConfigurationError } from '../../errors.ts'
import { entityName } from '../../event/entity-name.ts'
import type { PublicationFacts } from './publication-catalog.ts'
import {
  isChange,
  isOurs,
  lacksIdentity,
  mayAlter,
  type PublicationPlan,
  type PublicationRequest,
  planPublication,
  wantedShape,
} from './publication-plan.ts'
import { qualifiedName } from './publication-sql.ts'
import type { FoundTable } from './wanted-tables.ts'

/** Throws only where there is no publication, and none can be made. */
export function replanPublication(request: PublicationRequest): PublicationPlan {
  const { publication } = request
  if (publication === null) return planPublication(request)
  const { fit, warnings } = sifted(request, publication)
  try {
    const plan = planPublication({ ...request, tables: fit, running: true })
    return { ...plan, warnings: [...warnings, ...plan.warnings] }
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return { action: 'use', sql: [], warnings: [...warnings, `${error.message}. ${error.remedy}`] }
  }
}

/**
 * Tables that could be published and are not, because somebody chose what is: without rules, and in a publication that
 * the daemon leaves as it is. One that takes in whole schemas by itself has its reasons.
 */
export function outsideTables(request: PublicationRequest): string[] {
  const { publication, everything, tables, name } = request
  if (publication === null || !everything || isOurs(request, publication)) return []
  if (publication.allTables || publication.wholeSchemas) return []
  const published = new Set([...publication.published, ...publication.members])
  return tables
    .filter(({ relation }) => !published.has(relation.oid))
    .map(
      ({ relation }) =>
        `${qualifiedName(relation)} is new, and not in publication "${name}", which somebody made and the ` +
        'daemon leaves as it is: its changes are not published',
    )
}

/** Members go through unseen: what is wrong with them is wrong already, and they are published. */
function sifted(
  request: PublicationRequest,
  publication: PublicationFacts,
): { readonly fit: readonly FoundTable[]; readonly warnings: readonly string[] } {
  const { everything, tables } = request
  const ours = mayAlter(request, publication)
  if (!ours) return { fit: tables, warnings: [] }
  const members = new Set(publication.members)
  const isMember = ({ relation }: FoundTable) => members.has(relation.oid)
  const warnings: string[] = []
  const entities = new Map(
    tables.filter(isMember).map(({ relation }) => [entityName(relation.table), qualifiedName(relation)]),
  )
  const changes = wantedShape(request).operations.some(isChange)
  const why = ({ relation }: FoundTable): string | null => {
    const lacks = lacksIdentity(request.identities, relation.oid)
    if (everything) {
      // What lacks an identity is left out, and told, by the plan itself.
      if (lacks !== null) return null
      const entity = entityName(relation.table)
      const other = entities.get(entity)
      if (other !== undefined) {
        return `it gives the entity ${entity}, as ${other} does; [[observers]] rules can name one differently`
      }
      entities.set(entity, qualifiedName(relation))
      return null
    }
    if (!relation.owned)
      return `role "${request.role.role}" does not own it; let it be made by, or given to, that role`
    return changes && lacks !== null
      ? `its UPDATE and DELETE would fail: ${lacks.message}. ${lacks.remedy}`
      : null
  }
  const fit = tables.filter(table => {
    const reason = isMember(table) ? null : why(table)
    if (reason !== null) warnings.push(`${qualifiedName(table.relation)} is not published: ${reason}`)
    return reason === null
  })
  return { fit, warnings }
}
