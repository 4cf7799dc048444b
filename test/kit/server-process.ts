/**
 * The server programs of a test: those of tools/server-process, and the rule that a test file which ends with servers
 * running has failed, whatever its tests say.
 */
import { runningServers } from '../../tools/server-process.ts'

export {
  type Command,
  freePort,
  ServerProcess,
  startWatchdog,
  type Watchdog,
} from '../../tools/server-process.ts'

process.on('exit', () => {
  const left = runningServers()
  for (const server of left) process.stderr.write(`left running: ${server.program} ${server.pid}\n`)
  if (left.length > 0) process.exitCode ||= 1
})
