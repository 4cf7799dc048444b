/**
 * Rules -> routes, compiled: per table and operation a list is made ahead of the events, so that an event
 * costs the same with one rule or a thousand. Without rules everything goes to
 * `{prefix}.{Entity}.{OPERATION}`; with rules, what no rule matches is not published. Pure: it knows no
 * client. The semantics in sentences: docs/routing.md.
 */
import type { MessageFormat, Rule } from '../config/config.ts'
import { ConfigurationError } from '../errors.ts'
import type { Operation, Relation } from '../event/event.ts'
import { DEFAULT_TEMPLATE } from '../event/subject-template.ts'
import type { Partitions } from './partition.ts'
import { compileRoutes, filterOfTarget, type Route, type RouteContext } from './route.ts'
import { compileTargets, type TableName, type Target, type Targets } from './targets.ts'

export interface RouterOptions {
  readonly rules: readonly Rule[]
  readonly prefix: string
  readonly partitions: Partitions
  readonly defaultFormat: MessageFormat
  /**
   * Whether a rule that gives the table's name without its schema means this table, as the database has it. Asked when
   * the routes of a table are compiled. Left out: it means every table of that name.
   */
  readonly isMeantByBareName?: (name: TableName) => boolean
}

/** For each operation the routes its events take; none: not published. */
export type TablePlan = Readonly<Record<Operation, readonly Route[]>>

const TABLE_OPERATIONS = ['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] as const

/** Logical messages choose their prefixes freely; beyond this many, plans are made anew. */
const MAX_MESSAGE_PLANS = 1_000

const NO_ROUTES: readonly Route[] = []

export function createRouter(options: RouterOptions): Router {
  return new Router(options)
}

export class Router {
  readonly #options: RouterOptions
  readonly #targets: Targets
  readonly #messagePlans = new Map<string, readonly Route[]>()

  constructor(options: RouterOptions) {
    this.#options = options
    const { rules, defaultFormat, isMeantByBareName = () => true } = options
    this.#targets = compileTargets(rules, defaultFormat, isMeantByBareName)
  }

  plan(relation: Relation): TablePlan {
    const routes = (operation: Operation): readonly Route[] =>
      compileRoutes(this.#targets.ofTable(relation, operation), this.#context(relation, operation, relation))
    return {
      INSERT: routes('INSERT'),
      UPDATE: routes('UPDATE'),
      DELETE: routes('DELETE'),
      TRUNCATE: routes('TRUNCATE'),
      CUSTOM: NO_ROUTES,
    }
  }

  /** Routes of a logical message; the same rules as for a table, with the prefix in the table's place. */
  planMessage(prefix: string): readonly Route[] {
    let routes = this.#messagePlans.get(prefix)
    if (routes === undefined) {
      routes = compileRoutes(this.#targets.ofMessage(prefix), this.#messageContext(prefix))
      // Without rules anybody may choose a prefix: one filter, which the stream's plan has, stands for all.
      if (this.#targets.everything) {
        const filter = this.#anyMessage()
        routes = routes.map(route => ({ ...route, filter }))
      }
      if (this.#messagePlans.size >= MAX_MESSAGE_PLANS) this.#messagePlans.clear()
      this.#messagePlans.set(prefix, routes)
    }
    return routes
  }

  /** Every filter that events of these tables, and logical messages, can have; what streams must own. */
  filters(tables: readonly TableName[]): readonly string[] {
    const filters = new Set<string>()
    for (const name of tables) {
      for (const operation of TABLE_OPERATIONS) {
        for (const target of this.#targets.ofTable(name, operation)) {
          filters.add(filterOfTarget(target, this.#context(name, operation, null)))
        }
      }
    }
    if (this.#targets.everything) filters.add(this.#anyMessage())
    for (const prefix of this.#targets.messagePrefixes()) {
      for (const target of this.#targets.ofMessage(prefix)) {
        filters.add(filterOfTarget(target, this.#messageContext(prefix)))
      }
    }
    return [...filters]
  }

  /** Two tables of one entity would share a default subject, and nobody could tell their events apart. */
  checkEntities(tables: readonly TableName[]): void {
    const owners = new Map<string, Set<string>>()
    for (const name of tables) {
      const targets = TABLE_OPERATIONS.flatMap(operation => this.#targets.ofTable(name, operation))
      for (const { entity } of targets.filter(usesDefaultSubject)) {
        const tablesOfEntity = owners.get(entity) ?? new Set()
        owners.set(entity, tablesOfEntity.add(`${name.schema}.${name.table}`))
      }
    }
    const clashes = [...owners].filter(([, names]) => names.size > 1)
    if (clashes.length === 0) return
    const list = clashes.map(
      ([entity, names]) => `${[...names].join(' and ')} both give the entity ${entity}`,
    )
    throw new ConfigurationError(list.join('; '), {
      code: 'entity_clash',
      remedy: `Name one differently: [[observers]] table = "${[...clashes[0]![1]][1]}", entity = "...".`,
    })
  }

  #context(name: TableName, operation: Operation, relation: Relation | null): RouteContext {
    const { prefix, partitions } = this.#options
    return { prefix, partitions, name, operation, relation }
  }

  #messageContext(prefix: string): RouteContext {
    return this.#context({ schema: '', table: prefix }, 'CUSTOM', null)
  }

  #anyMessage(): string {
    return `${this.#options.prefix}.*.CUSTOM`
  }
}

function usesDefaultSubject({ template }: Target): boolean {
  return template.text === DEFAULT_TEMPLATE.text
}
