/** `run`: the daemon, from the configuration to the end. */
import type { Config } from '../config/config.ts'
import { formatProblem, loadConfig } from '../config/load.ts'
import { runDaemon } from '../daemon/daemon.ts'
import { ConfigurationError, messageOf } from '../errors.ts'
import { createLogger } from '../log.ts'
import { missingSource } from './source.ts'

export interface RunOptions {
  readonly config: string | undefined
  readonly env: NodeJS.ProcessEnv
  readonly version: string
  readonly signal: AbortSignal
}

/** Resolves after an orderly stop; rejects with the error that decides the exit code. */
export async function run({ config: configPath, env, version, signal }: RunOptions): Promise<void> {
  const { config, warnings } = loadConfig({ configPath, env })
  const log = createLogger(config.log)
  for (const warning of warnings) log.warn(formatProblem(warning))
  if (!config.observers.enabled) {
    log.info('observers.enabled is false: nothing to do')
    return
  }
  checkSource(config.observers.source)
  try {
    await runDaemon({ config, log, version }, signal)
  } catch (error) {
    log.fatal({ err: error }, messageOf(error))
    throw error
  }
}

function checkSource(source: Config['observers']['source']): void {
  const missing = missingSource(source)
  if (missing === null) return
  const { message, remedy } = missing
  throw new ConfigurationError(`observers.source: ${message}`, { code: 'SOURCE_MISSING', remedy })
}
