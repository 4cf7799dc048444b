/** One line for each change of state: an outage is told when it begins, whatever is tried meanwhile, and when it ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Daemon, type LogLine, until } from '../kit/daemon.ts'
import { startNats } from '../kit/nats.ts'
import { startPostgres } from '../kit/postgres.ts'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()
const SCHEMA = 'CREATE TABLE tb_order (id int PRIMARY KEY)'
const login = (password: string) => `authorization { user: observer, password: "${password}" }`

const told = (daemon: Daemon, from: number) =>
  daemon.logs.slice(from).filter(({ level }) => level !== 'debug' && level !== 'info')
const remedyOf = (line: LogLine | undefined) => (line?.err as { remedy?: string } | undefined)?.remedy ?? ''

test('NATS refuses the login while the daemon runs: told once, with what to correct, until it is let in', async () => {
  const nats = await startNats({ config: login('first') })
  const stage = await servers.scene({ name: 'login_changed', schema: SCHEMA })
  stage.settings = { nats: { servers: [nats.url.replace('//', '//observer:first@')] } }
  const daemon = await stage.start()
  const from = daemon.logs.length
  nats.reconfigure(login('second'))
  await nats.restart()
  const refused = async () => {
    const { errors } = (await (await fetch(`${nats.monitorUrl}/varz`)).json()) as { errors?: number }
    return nats.log().split('authentication error').length - 1 >= 4 || (errors ?? 0) >= 4
  }
  await until(refused, () => `the client does not try again:\n${nats.log()}`)
  const lines = told(daemon, from)
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [
      ['warn', 'NATS disconnected; publishing stops, the client reconnects'],
      ['error', 'NATS refuses the credentials'],
    ],
  )
  assert.match(remedyOf(lines[1]), /\[nats\.auth\]/)
  assert.match((await daemon.status()).last_error?.remedy ?? '', /\[nats\.auth\]/)
  nats.reconfigure(login('first'))
  await nats.restart()
  await daemon.says('NATS reconnected', from)
  await daemon.stop()
  await stage.end()
  await nats.stop()
})

test('PostgreSQL is away: one line, and each further attempt is for debug', async () => {
  const postgres = await startPostgres()
  const stage = await servers.scene({ name: 'postgres_away', schema: SCHEMA })
  stage.settings = { database: { url: postgres.url }, log: { level: 'debug' } }
  await postgres.sql(SCHEMA)
  const daemon = await stage.start()
  const from = daemon.logs.length
  await postgres.stop()
  const attempts = () => daemon.logs.slice(from).filter(line => typeof line.retry_in_ms === 'number')
  await until(
    () => attempts().length >= 5,
    () => daemon.lastLines(),
  )
  const lines = told(daemon, from)
  assert.equal(new Set(lines.map(({ msg }) => msg)).size, lines.length, daemon.lastLines())
  assert.ok(lines.length <= 3, daemon.lastLines())
  // Another outage is told again.
  await postgres.start()
  await daemon.says('streaming', from)
  const second = daemon.logs.length
  await postgres.stop()
  await until(
    () => told(daemon, second).length > 0,
    () => 'the second outage is not told',
  )
  await daemon.kill()
  await stage.end()
})
