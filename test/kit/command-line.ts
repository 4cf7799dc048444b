/** The command lines of the project's own tools: help where it is asked for, and a mistake in one line. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { messageOf } from '../../src/errors.ts'

type Flags = NonNullable<ParseArgsConfig['options']>

/** What a tool makes of its options. Ends the process with the usage after `--help` (0) or a mistake (2). */
export function commandLine<F extends Flags, T>(
  usage: string,
  flags: F,
  read: (values: ReturnType<typeof parseArgs<{ options: F }>>['values']) => T,
): T {
  if (process.argv.includes('--help')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return read(parseArgs({ options: flags }).values)
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${usage}`)
    process.exit(2)
  }
}

/** A number that is not below `least`. Throws what is wrong with the option `name`. */
export function numberOf(name: string, text: string, least: number): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value >= least) return value
  throw new Error(`--${name} takes a number from ${least} on, not ${JSON.stringify(text)}`)
}

/** The same for what is counted. */
export function wholeOf(name: string, text: string, least: number): number {
  const value = numberOf(name, text, least)
  if (Number.isInteger(value)) return value
  throw new Error(`--${name} takes a whole number, not ${text}`)
}

export function oneOf<T extends string>(name: string, known: readonly T[], text: string): T {
  const found = known.find(each => each === text)
  if (found !== undefined) return found
  throw new Error(`--${name} takes ${known.join(', ')}, not ${JSON.stringify(text)}`)
}
