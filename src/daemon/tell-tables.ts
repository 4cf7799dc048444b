/** What the log says of the publication and of tables that are not in it: each thing once, as long as it stays so. */
import type { Relation } from '../event/event.ts'
import type { EnsuredPublication } from '../source/replication/publication.ts'
import { qualifiedName } from '../source/replication/publication-sql.ts'
import type { Context } from './context.ts'
import { warnOnce } from './warn-once.ts'

/** More lines than this at once are counted, not written. */
const MOST_LINES = 20
const MOST_NAMES = 10

/** Told at the start only: later on each rule whose table is gone is. */
const NO_TABLES =
  'there is no table to publish yet: tables that this role owns and that have a primary key are taken in as they are ' +
  'created, and so are those that [[observers]] rules name'

export function tellTables(context: Context, publication: EnsuredPublication): void {
  const { config, log, board } = context
  const { action, tables, added, openEnded, outside } = publication
  const name = config.replication.publication_name
  if (board.everStreamed && added.length > 0) {
    const listed = added.slice(0, MOST_NAMES).map(qualifiedName)
    const more = added.length > MOST_NAMES ? ` and ${added.length - MOST_NAMES} more` : ''
    log[config.rules.some(({ table }) => table !== null) ? 'warn' : 'info'](
      { publication: name, tables: tables.length },
      `tables changed: ${listed.join(', ')}${more} came into the publication; what was written before is not published`,
    )
  } else if (action !== 'use') {
    log.info(
      { publication: name, tables: tables.length },
      action === 'create' ? 'publication created' : 'publication changed to match the rules',
    )
  }
  // What was outside of somebody's publication at the start was meant to be.
  const meant = board.everStreamed ? context.meantOutside : new Set(outside)
  context.meantOutside = meant
  const empty =
    tables.length > 0 || openEnded || board.everStreamed ? [] : [publication.ours ? NO_TABLES : chosen(name)]
  const lines = [...empty, ...publication.warnings, ...outside.filter(line => !meant.has(line))]
  const fresh = lines.filter(line => !context.toldOfTables.has(line))
  for (const line of fresh.slice(0, MOST_LINES)) log.warn(line)
  if (fresh.length > MOST_LINES) log.warn(`${fresh.length - MOST_LINES} more lines like the last one`)
  context.toldOfTables = new Set(lines)
}

/** Old rows of a partitioned table with FULL, of which a partition keeps only the key. */
export function tellPartial(context: Context, root: Relation, partition: Relation): void {
  const [whole, part] = [qualifiedName(root), qualifiedName(partition)]
  warnOnce(
    context,
    `partitions of ${whole}`,
    { remedy: `ALTER TABLE ${part} REPLICA IDENTITY FULL; and so for each other partition of ${whole}.` },
    `${whole} has REPLICA IDENTITY FULL, but its partition ${part} has not: of old rows only the key is known`,
  )
}

function chosen(name: string): string {
  return `there is no table to publish: add tables to publication "${name}", which the daemon leaves as it is`
}
