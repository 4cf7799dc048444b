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
import { EXIT, exitCodeOf, messageOf, remedyOf, UsageError } from './errors.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('fraiseql-observer')
  .description('The bridge from PostgreSQL to NATS JetStream: the stream is the commit history.')
  .version(version)
  .addOption(
    new Option('-c, --config <file>', 'fraiseql.toml, or the folder it is in').env('FRAISEQL_CONFIG'),
  )
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .hook('preSubcommand', refuseUnknownCommand)

program
  .command('run', { isDefault: true })
  .description('run the daemon (the default)')
  .action(async () => {
    await run({ config: configPath(), env: process.env, version, signal: stopSignal() })
  })

program
  .command('validate-config')
  .description('print the effective configuration and every problem in it; touches no server')
  .addOption(new Option('--format <format>', 'how to print').choices(['human', 'json']).default('human'))
  .action(async ({ format }: { readonly format: 'human' | 'json' }) => {
    const config = configPath()
    process.exitCode = await validateConfig({
      ...(config === undefined ? {} : { config }),
      format,
      env: process.env,
      write: text => void process.stdout.write(text),
    })
  })

/** A variable that is set to nothing counts as not set, as everywhere; compose files write such ones. */
function configPath(): string | undefined {
  const { config } = program.opts<{ readonly config?: string }>()
  return config === '' && program.getOptionValueSource('config') === 'env' ? undefined : config
}

/** A word that is no command would be taken for an argument of the default one, and the error would be about that. */
function refuseUnknownCommand({ args, commands }: Command): void {
  const [word] = args
  const names = commands.map(command => command.name())
  if (word === undefined || word.startsWith('-') || names.includes(word)) return
  throw new UsageError(`unknown command ${JSON.stringify(word)}; the commands are ${names.join(', ')}`, {
    code: 'UNKNOWN_COMMAND',
    remedy: 'See fraiseql-observer --help.',
  })
}

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
