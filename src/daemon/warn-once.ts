/** What stays as it is while the process lives is told once, whatever number of runs meet it. */
import type { Context } from './context.ts'

/** `key`: what it is about. */
export function warnOnce(
  { log, toldOnce }: Context,
  key: string,
  fields: Readonly<Record<string, string>>,
  text: string,
): void {
  if (toldOnce.has(key)) return
  toldOnce.add(key)
  log.warn(fields, text)
}
