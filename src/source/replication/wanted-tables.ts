/**
 * The tables that rules name, found among the relations of the database. Pure. Names are taken literally, letter by
 * letter, as in the router: `schema.table` anywhere, `table` where the role's search_path sees it. All that is wrong
 * with any of them is said at once.
 */
import { edits } from '../../config/closest.ts'
import type { Origin, RuleOperation } from '../../config/config.ts'

/** What publication.ts reads of pg_class: every table-like relation outside the system schemas. */
export interface RelationFacts {
  readonly oid: number
  readonly schema: string
  readonly table: string
  /** pg_class.relkind: r table, p partitioned, v view, m materialized view, f foreign table. */
  readonly kind: 'r' | 'p' | 'v' | 'm' | 'f'
  /** pg_class.relpersistence: p permanent, u unlogged, t temporary. */
  readonly persistence: 'p' | 'u' | 't'
  /** Top of the partition tree; the relation's own OID where it is no partition. */
  readonly root: number
  readonly visible: boolean
  /** The role has the owner's rights, which a publication asks for. */
  readonly owned: boolean
  /** Belongs to an extension, such as PostGIS's spatial_ref_sys. */
  readonly extension: boolean
}

/** A rule's table; a rule of the configuration is one. */
export interface WantedTable {
  readonly table: string
  /** Empty means all. */
  readonly operations: readonly RuleOperation[]
  readonly origin?: Origin
}

export interface FoundTable {
  readonly relation: RelationFacts
  readonly operations: ReadonlySet<RowOperation>
}

/** What a publication can publish. */
export type RowOperation = 'insert' | 'update' | 'delete' | 'truncate'

export interface TableProblem {
  readonly message: string
  readonly remedy: string
}

export const ROW_OPERATIONS: readonly RowOperation[] = ['insert', 'update', 'delete', 'truncate']

const CLOSE_NAMES = 3

/** What the names of rules mean, as the catalog had it when it was read. */
export interface Names {
  readonly relations: ReadonlyMap<string, RelationFacts>
  readonly oids: ReadonlySet<number>
  /** Schemas of the role's search_path. */
  readonly path: readonly string[]
}

/** `path`: the schemas of the role's search_path. */
export function namesOf(relations: readonly RelationFacts[], path: readonly string[]): Names {
  const visible = relations.filter(one => one.visible).map(one => [one.table, one] as const)
  const qualified = relations.map(one => [`${one.schema}.${one.table}`, one] as const)
  return {
    relations: new Map([...visible, ...qualified]),
    oids: new Set(relations.map(({ oid }) => oid)),
    path,
  }
}

/**
 * Whether the table's name without its schema means this very table. What was written before the table moved to another
 * schema comes under its old name, and it is the same table all the same. A table that is newer than `names`, or gone,
 * is taken for the one that is meant if the search_path has its schema: too much is better than too little.
 */
export function isMeantByBareName(
  { relations, oids, path }: Names,
  { schema, table, oid }: { readonly schema: string; readonly table: string; readonly oid?: number },
): boolean {
  const meant = relations.get(table)
  if (meant !== undefined && (meant.oid === oid || meant.schema === schema)) return true
  return path.includes(schema) && (meant === undefined || oid === undefined || !oids.has(oid))
}

export function findTables(
  wanted: readonly WantedTable[],
  relations: readonly RelationFacts[],
): { readonly found: readonly FoundTable[]; readonly problems: readonly TableProblem[] } {
  const found = new Map<number, { relation: RelationFacts; operations: Set<RowOperation> }>()
  const problems: TableProblem[] = []
  const names = namesOf(relations, []).relations
  for (const one of wanted) {
    const relation = names.get(one.table)
    const problem = relation === undefined ? missing(one, relations) : unpublishable(one, relation)
    if (problem !== null) problems.push(problem)
    if (relation === undefined || problem !== null) continue
    const known = found.get(relation.oid) ?? { relation, operations: new Set<RowOperation>() }
    for (const operation of rowOperations(one.operations)) known.operations.add(operation)
    found.set(relation.oid, known)
  }
  return { found: [...found.values()], problems: [...problems, ...partitionsTwice([...found.values()])] }
}

/** Without rules: every table that the role may publish; a partition as its root, where that can be published. */
export function publishableTables(relations: readonly RelationFacts[]): FoundTable[] {
  const operations = new Set(ROW_OPERATIONS)
  const fits = (relation: RelationFacts | undefined) =>
    relation?.owned === true && !relation.extension && unpublishableKind(relation) === null
  const byOid = new Map(relations.map(relation => [relation.oid, relation]))
  return relations
    .filter(relation => fits(relation) && (relation.root === relation.oid || !fits(byOid.get(relation.root))))
    .map(relation => ({ relation, operations }))
}

/** Without rules: what is left out because the role may not publish it. */
export function unownedTables(relations: readonly RelationFacts[]): RelationFacts[] {
  return relations.filter(
    relation =>
      !relation.owned &&
      !relation.extension &&
      relation.root === relation.oid &&
      unpublishableKind(relation) === null,
  )
}

/** What rules ask for, whether their tables are there or not. */
export function wantedOperations(wanted: readonly WantedTable[]): readonly RowOperation[] {
  const all = new Set(wanted.flatMap(({ operations }) => rowOperations(operations)))
  return ROW_OPERATIONS.filter(operation => all.has(operation))
}

/** Close by edit distance, or the same name in a schema that the search_path does not see. Best first. */
export function closeNames(name: string, relations: readonly RelationFacts[]): string[] {
  const bare = name.slice(name.lastIndexOf('.') + 1).toLowerCase()
  const tooFar = Math.max(2, Math.floor(bare.length / 3)) + 1
  return relations
    .filter(({ root, oid }) => root === oid)
    .map(({ schema, table, visible }) => {
      const text = visible && !name.includes('.') ? table : `${schema}.${table}`
      const distance = Math.min(
        edits(bare, table.toLowerCase(), tooFar),
        edits(name.toLowerCase(), text.toLowerCase(), tooFar),
      )
      return { text, visible, distance: table.toLowerCase() === `tb_${bare}` ? 1 : distance }
    })
    .filter(({ distance }) => distance < tooFar)
    .sort(
      (a, b) =>
        a.distance - b.distance || Number(b.visible) - Number(a.visible) || (a.text < b.text ? -1 : 1),
    )
    .slice(0, CLOSE_NAMES)
    .map(({ text }) => text)
}

function rowOperations(operations: readonly RuleOperation[]): readonly RowOperation[] {
  if (operations.length === 0) return ROW_OPERATIONS
  return ROW_OPERATIONS.filter(operation => operations.some(one => one.toLowerCase() === operation))
}

function missing(wanted: WantedTable, relations: readonly RelationFacts[]): TableProblem {
  const close = closeNames(wanted.table, relations)
  const hint = close.length === 0 ? '' : `; did you mean ${close.join(', ')}?`
  return {
    message: `${at(wanted)}table ${JSON.stringify(wanted.table)} does not exist${hint}`,
    remedy:
      'Correct the table of the rule: names are case-sensitive, ' +
      'and a table outside the search_path is written with its schema.',
  }
}

function unpublishable(wanted: WantedTable, relation: RelationFacts): TableProblem | null {
  const problem = unpublishableKind(relation)
  return problem === null
    ? null
    : { ...problem, message: `${at(wanted)}${JSON.stringify(wanted.table)} ${problem.message}` }
}

function unpublishableKind({ kind, persistence, schema, table }: RelationFacts): TableProblem | null {
  if (kind === 'v') return { message: 'is a view, which has no changes', remedy: 'Name the tables it reads.' }
  if (kind === 'm') {
    return { message: 'is a materialized view, which has no changes', remedy: 'Name the tables it reads.' }
  }
  if (kind === 'f') {
    return {
      message: 'is a foreign table, whose changes are made elsewhere',
      remedy: 'Run a daemon at its server.',
    }
  }
  if (persistence === 'u') {
    const name = [schema, table].map(part => `"${part.replaceAll('"', '""')}"`).join('.')
    return {
      message: 'is unlogged: its changes are not in the WAL',
      remedy: `ALTER TABLE ${name} SET LOGGED;`,
    }
  }
  if (persistence === 't')
    return { message: 'is a temporary table', remedy: 'Name a table that other sessions see.' }
  return null
}

/** Published together with its root, a partition's changes come under the root's name only. */
function partitionsTwice(found: readonly FoundTable[]): TableProblem[] {
  const oids = new Map(found.map(({ relation }) => [relation.oid, relation]))
  return found.flatMap(({ relation }) => {
    const root = relation.root === relation.oid ? undefined : oids.get(relation.root)
    if (root === undefined) return []
    return {
      message:
        `rules name the partition ${relation.schema}.${relation.table} ` +
        `and its root ${root.schema}.${root.table}`,
      remedy: `Name only one of them: changes of the partition come as changes of ${root.table}.`,
    }
  })
}

function at({ origin }: WantedTable): string {
  return origin === undefined ? '' : `${origin.file}:${origin.line}: `
}
