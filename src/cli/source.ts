/**
 * Which sources this release has. The configuration knows all of them; `run` refuses what is not there yet, and
 * `validate-config` says so before.
 */
import type { Config } from '../config/config.ts'

/** null: it is there. Logical replication serves `auto` and `cdc`. */
export function missingSource(
  source: Config['observers']['source'],
): { readonly message: string; readonly remedy: string } | null {
  if (source === 'auto' || source === 'cdc') return null
  return {
    message: `"${source}" is not available in this release`,
    remedy: 'Use "cdc" (logical replication), or leave it out.',
  }
}
