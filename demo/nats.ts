/** The demo's own nats-server with JetStream, a new store for each run, reachable on this machine only. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { projectRoot } from '../tools/project-root.ts'
import { freePort, ServerProcess, startWatchdog } from '../tools/server-process.ts'
import { newFolder, removeFolder } from './folder.ts'

export interface DemoNats {
  readonly version: string
  readonly url: string
  stop(): Promise<void>
}

interface Binary {
  readonly path: string
  readonly version: string
}

export async function findNats(): Promise<Binary> {
  const tool: { findNatsServer(options: { quiet: boolean }): Promise<Binary> } = await import(
    pathToFileURL(join(projectRoot, 'tools', 'nats-server.mjs')).href
  )
  return tool.findNatsServer({ quiet: true })
}

export async function startNats({ path, version }: Binary): Promise<DemoNats> {
  const folder = newFolder('nats')
  const watchdog = startWatchdog(folder, 'KILL')
  const [port, monitorPort] = [await freePort(), await freePort()]
  const args = ['--addr', '127.0.0.1', '--port', `${port}`, '--http_port', `${monitorPort}`]
  const jetstream = ['--jetstream', '--store_dir', join(folder, 'store')]
  const server = new ServerProcess(
    { program: path, args: [...args, ...jetstream], logFile: join(folder, 'log'), detached: true },
    watchdog,
  )
  await server.start(() => answers(`http://127.0.0.1:${monitorPort}/healthz?js-enabled-only=true`))
  const stop = (): Promise<void> => server.end('SIGTERM').finally(() => removeFolder(folder))
  return { version, url: `nats://127.0.0.1:${port}`, stop }
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined)
  await response?.arrayBuffer()
  return response?.ok === true
}
