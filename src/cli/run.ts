/** `run`: the daemon, from the configuration to the end. */
import { loadConfig } from '../config/load.ts'
import { runDaemon } from '../daemon/daemon.ts'
import { messageOf } from '../errors.ts'
import { createLogger } from '../log.ts'

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
  for (const warning of warnings) log.warn(warning.message)
  try {
    await runDaemon({ config, log, version }, signal)
  } catch (error) {
    log.fatal({ err: error }, messageOf(error))
    throw error
  }
}
