/**
 * Compares a stream with the commit history that a second slot saw: none missing, none twice, in order, and each row
 * equal to the last digit, by PostgreSQL's own judgement.
 */
import assert from 'node:assert/strict'
import type { Scene } from './scene.ts'
import { promisedId, type SecondSlot, type Values, type WitnessedChange } from './second-slot.ts'
import type { StreamMessage } from './stream-reader.ts'

/** Reads both to the end. `tables`: those of which the rows are compared. Returns the messages, in order. */
export async function assertHistory(
  scene: Scene,
  witness: SecondSlot,
  tables: readonly string[],
): Promise<{ messages: readonly StreamMessage[]; changes: readonly WitnessedChange[] }> {
  const messages = await scene.messages()
  const changes = await witness.read()
  await assertIds(scene, messages, changes)
  for (const table of tables) await assertRows(scene, table, messages, changes)
  return { messages, changes }
}

async function assertIds(
  scene: Scene,
  messages: readonly StreamMessage[],
  changes: readonly WitnessedChange[],
): Promise<void> {
  const [row] = await scene.sql<{ id: string }>(
    'SELECT system_identifier::text AS id FROM pg_control_system()',
  )
  const system = BigInt.asUintN(64, BigInt(row!.id)).toString(36)
  const ids = changes.map(change => promisedId(system, change))
  // Not deepEqual: what differs would be told in thousands of lines.
  const wrong = ids.findIndex((id, i) => id !== messages[i]?.msgId)
  assert.equal(wrong, -1, `message ${wrong}: ${ids[wrong]} expected, ${messages[wrong]?.msgId} found`)
  assert.equal(messages.length, ids.length)
  assert.equal(new Set(ids).size, ids.length)
}

/** As jsonb, where numbers compare exactly; columns that were not sent are left out on both sides. */
async function assertRows(
  scene: Scene,
  table: string,
  messages: readonly StreamMessage[],
  changes: readonly WitnessedChange[],
): Promise<void> {
  const pairs = changes.flatMap((change, i) => {
    const row = change.after ?? change.before
    if (change.table !== table || row === null) return []
    const names = Object.keys(row).filter(name => row[name] !== undefined)
    return [{ mine: dataText(messages[i]!), theirs: recordText(row), names: JSON.stringify(names) }]
  })
  assert.ok(pairs.length > 0, `no row of ${table}`)
  const different = await scene.sql(
    `SELECT n, mine, theirs FROM (
       SELECT n, mine::jsonb AS mine,
         (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(theirs::${table})) WHERE names::jsonb ? key) AS theirs
       FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS pair (mine, theirs, names, n)
     ) compared WHERE mine <> theirs LIMIT 3`,
    [pairs.map(({ mine }) => mine), pairs.map(({ theirs }) => theirs), pairs.map(({ names }) => names)],
  )
  assert.deepEqual(different, [])
}

/** The text of `data`, digit for digit. */
export function dataText({ text }: StreamMessage): string {
  const start = text.indexOf(',"data":') + ',"data":'.length
  return text.slice(start, text.indexOf(',"changes":', start))
}

/** As PostgreSQL reads a value of the table's row type: each column by its own input function. */
function recordText(row: Values): string {
  const fields = Object.values(row).map(value =>
    typeof value === 'string' ? `"${value.replaceAll('\\', '\\\\').replaceAll('"', '""')}"` : '',
  )
  return `(${fields.join(',')})`
}
