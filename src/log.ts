/**
 * The log: one JSON object a line, or readable lines on a terminal. One line for each change of state, none
 * per event; that is the callers' part. Lines go to standard error, since standard output belongs to what a
 * command prints.
 */
import { type DestinationStream, destination, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config/config.ts'
import { messageOf, remedyOf } from './errors.ts'
import { redactSecrets } from './redact.ts'

export type { Logger } from 'pino'

export interface LogTarget extends DestinationStream {
  readonly isTTY?: boolean
}

/** `stream`: where the lines go instead of standard error. */
export function createLogger({ level, format }: Config['log'], options: { stream?: LogTarget } = {}): Logger {
  const stream = options.stream ?? process.stderr
  const readable = format === 'pretty' || (format === 'auto' && stream.isTTY === true)
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError },
      // The last line of defence, on the finished line: whatever object a secret came in.
      hooks: { streamWrite: redactSecrets },
    },
    readable
      ? prettyStream(stream)
      : options.stream === undefined
        ? destination({ fd: 2, sync: true })
        : stream,
  )
}

function prettyStream(stream: LogTarget): DestinationStream {
  return pretty({
    colorize: stream.isTTY === true,
    translateTime: 'SYS:HH:MM:ss.l',
    sync: true,
    // Without a destination of its own, so that what is written here passes through `stream`.
    destination: stream as unknown as NodeJS.WritableStream,
  })
}

/** What a person needs of an error; the stack only where it is a bug of ours. */
function serializeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) }
  const remedy = remedyOf(error)
  const code = 'code' in error ? { code: error.code } : {}
  const cause = error.cause === undefined ? {} : { cause: messageOf(error.cause) }
  const detail = remedy === undefined ? { stack: error.stack } : { remedy }
  return { type: error.name, message: messageOf(error), ...code, ...cause, ...detail }
}
