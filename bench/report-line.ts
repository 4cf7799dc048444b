/** How a measured child program tells its result: one line of JSON on its output, behind a mark. */

const MARK = 'RESULT '

export function printResult(result: unknown): void {
  process.stdout.write(`${MARK}${JSON.stringify(result)}\n`)
}

/** undefined: not told yet. */
export function findResult<T>(output: string): T | undefined {
  const line = output.split('\n').find(each => each.startsWith(MARK))
  return line === undefined ? undefined : (JSON.parse(line.slice(MARK.length)) as T)
}
