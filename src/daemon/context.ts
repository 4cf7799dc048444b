/** What every part of the daemon is given. */
import type { Config } from '../config/config.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Board } from './board.ts'

export interface Context {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly board: Board
  readonly version: string
}

/** Shown in pg_stat_activity and in the monitoring of NATS. */
export const APPLICATION_NAME = 'fraiseql-observer'
