/**
 * Errors by what they make the program do, not by where they came from. Each carries a `code` for machines and a
 * `remedy`: one sentence that tells a person what to type or change next. Nothing matches on message text.
 */

interface Details {
  readonly code: string
  readonly remedy: string
  readonly cause?: unknown
}

abstract class ObserverError extends Error {
  readonly code: string
  readonly remedy: string

  constructor(message: string, { code, remedy, cause }: Details) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.code = code
    this.remedy = remedy
  }
}

/** One thing wrong in the configuration, and where. `key` is its path as written there; `line` counts from 1. */
export interface ConfigurationProblem {
  readonly file: string | null
  readonly line: number | null
  readonly key: string | null
  readonly message: string
}

/** The configuration is wrong, as text or against the servers. Exit code 78. `problems`: what the message lists. */
export class ConfigurationError extends ObserverError {
  readonly problems: readonly ConfigurationProblem[]

  constructor(message: string, details: Details & { readonly problems?: readonly ConfigurationProblem[] }) {
    super(message, details)
    this.problems = details.problems ?? []
  }
}

/** A restart can't mend it; the process stops. `exitCode`: 1 unless the failure has its own (69, 79). */
export class FatalError extends ObserverError {
  readonly exitCode: number

  constructor(message: string, details: Details & { readonly exitCode?: number }) {
    super(message, details)
    this.exitCode = details.exitCode ?? 1
  }
}

/** This run is over; a fresh one may succeed. Supervision restarts with backoff. */
export class RetryableError extends ObserverError {}

/** One event can't be processed, whatever is tried; policy decides between dead letter and stop. */
export class PoisonError extends ObserverError {}

/** The person's command line is wrong. Exit code 64. */
export class UsageError extends ObserverError {}

/** Exit codes of the process (sysexits.h where it has one). */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 64,
  unavailable: 69,
  bug: 70,
  configuration: 78,
  slotLost: 79,
} as const

/** Error class -> exit code; anything that is not ours is a bug. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigurationError) return EXIT.configuration
  if (error instanceof UsageError) return EXIT.usage
  if (error instanceof FatalError) return error.exitCode
  if (error instanceof RetryableError) return EXIT.unavailable
  if (error instanceof PoisonError) return EXIT.failed
  return EXIT.bug
}

/** The message of anything thrown, for logs: our errors and the drivers' alike. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

/** The remedy, where the error knows one. */
export function remedyOf(error: unknown): string | undefined {
  return error instanceof ObserverError ? error.remedy : undefined
}
