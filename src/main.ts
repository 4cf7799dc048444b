#!/usr/bin/env node
/**
 * argv -> command. The only place that ends the process: the class of the error decides the exit code, and its remedy
 * is the last line a person reads.
 */
import './heap-limits.ts'
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { run } from './cli/run.ts'
import { validateConfig } from './cli/validate-config.ts'
import { EXIT, exitCodeOf, messageOf, remedyOf } from './errors.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

interface Options {
  readonly config?: string
  readonly format: 'human' | 'json'
}

const configOption = new Option('-c, --config <file>', 'fraiseql.toml, or the folder it is in').env(
  'FRAISEQL_CONFIG',
)

const program = new Command('fraiseql-observer')
  .description('The bridge from PostgreSQL to NATS JetStream: the stream is the commit history.')
  .version(version)
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })

program
  .command('run', { isDefault: true })
  .description('run the daemon (the default)')
  .addOption(configOption)
  .action(async ({ config }: Options) => {
    await run({ config, env: process.env, version, signal: stopSignal() })
  })

program
  .command('validate-config')
  .description('print the effective configuration and every problem in it; touches no server')
  .addOption(configOption)
  .addOption(new Option('--format <format>', 'how to print').choices(['human', 'json']).default('human'))
  .action(async ({ config, format }: Options) => {
    process.exitCode = await validateConfig({
      ...(config === undefined ? {} : { config }),
      format,
      env: process.env,
      write: text => void process.stdout.write(text),
    })
  })

/** Aborts at the first SIGTERM or SIGINT; the second ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController()
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143)
    controller.abort()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  return controller.signal
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
  } else {
    const code = exitCodeOf(error)
    const text = code === EXIT.bug && error instanceof Error ? error.stack : messageOf(error)
    console.error(`fraiseql-observer: ${text}`)
    const remedy = remedyOf(error)
    if (remedy !== undefined) console.error(`  ${remedy}`)
    process.exitCode = code
  }
}

// Whatever is still open by now (a dial to a server that accepts and says nothing) must not keep the process.
process.stdout.write('', () => process.exit())
