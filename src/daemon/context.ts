/** What every part of the daemon is given. */
import type { Config } from '../config/config.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { EnsuredPublication } from '../source/replication/publication.ts'
import type { Board } from './board.ts'

export interface Context {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly board: Board
  readonly version: string
  /**
   * Subjects that changes asked for beside those of the tables as they are at a start: of a table that was renamed, of
   * one that came later. The next run plans streams for them too.
   */
  readonly lateFilters: Set<string>
  /** As it was seen last; null: not yet. */
  publication: EnsuredPublication | null
  /** Lines about tables that still hold, so that they are not told again. */
  toldOfTables: ReadonlySet<string>
  /** The tables of one entity that were told last; empty: there are none. */
  toldOfEntities: string
  /** Such lines that held at the start already, of what somebody chose. */
  meantOutside: ReadonlySet<string>
  /** What `warnOnce` has told. */
  readonly toldOnce: Set<string>
  /** By table, the types that did not explain a row of it, so that they were read again. */
  readonly typesReread: Map<string, string>
  /** Lines about streams that still hold, each behind its stream's name. */
  toldOfStreams: ReadonlySet<string>
}

/** Shown in pg_stat_activity and in the monitoring of NATS. */
export const APPLICATION_NAME = 'fraiseql-observer'
