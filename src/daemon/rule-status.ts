/** The rules as /status shows them: what goes where, with the tables that the database really has. */
import type { RuleStatus } from '../http/status.ts'
import type { TableName } from '../route/targets.ts'
import type { Context } from './context.ts'
import { routerOf } from './prepare.ts'
import type { Streams } from './streams.ts'

export function ruleStatus(context: Context, tables: readonly TableName[], streams: Streams): RuleStatus[] {
  const { config } = context
  return config.rules.map(rule => {
    const { table, channel, entity, operations } = rule
    const router = routerOf(context, [rule])
    const routed = table !== null || channel !== null
    const subjects = routed ? router.filters(table === null ? [] : tables) : []
    return {
      source: table ?? channel ?? entity ?? '',
      operations,
      subject: subjects.join(', '),
      stream: [...new Set(subjects.map(subject => streams.all[streams.laneOf(subject)]!.name))].join(', '),
      format: rule.format ?? config.event.format,
      note: noteOf(rule.channel, routed),
    }
  })
}

function noteOf(channel: string | null, routed: boolean): string | null {
  if (channel !== null) return 'needs the notify source; logical messages with this prefix are published'
  return routed ? null : "a worker's rule; nothing is published"
}
