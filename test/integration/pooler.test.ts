/**
 * DATABASE_URL leads through a pooler. Between the daemon and a real PostgreSQL stands what such a program does to a
 * session: it names a process of its own in the greeting, and refuses, drops or passes on the wish for replication.
 * Those are PgBouncer up to 1.22, the same with ignore_startup_parameters = replication, and later ones.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { shareServers } from '../kit/stage.ts'

const servers = shareServers()

type Manner = 'refuses' | 'drops' | 'passes'

const SSL_REQUEST = 80_877_103
const WISH = /replication\0database\0/

async function openPooler(manner: Manner, port: number): Promise<Server> {
  const pooler = createServer(client => serve(client, manner, port)).listen(0, '127.0.0.1')
  await once(pooler, 'listening')
  return pooler
}

function serve(client: Socket, manner: Manner, port: number): void {
  client.on('error', () => {})
  client.once('data', packet => {
    if (packet.readUInt32BE(4) === SSL_REQUEST) {
      client.write('N')
      serve(client, manner, port)
      return
    }
    const startup = packet.toString('latin1')
    if (manner === 'refuses' && WISH.test(startup)) {
      client.end(errorResponse('08P01', 'unsupported startup parameter: replication'))
      return
    }
    const body = Buffer.from((manner === 'drops' ? startup.replace(WISH, '') : startup).slice(4), 'latin1')
    const server = connect(port, '127.0.0.1', () =>
      server.write(Buffer.concat([int32(body.length + 4), body])),
    )
    server.on('error', () => client.destroy())
    client.pipe(server)
    server.once('data', greeting => {
      client.write(withOtherPid(greeting))
      server.pipe(client)
    })
  })
}

/** The first read holds the whole greeting: AuthenticationOk, parameters, BackendKeyData. */
function withOtherPid(greeting: Buffer): Buffer {
  for (let at = 0; at + 9 <= greeting.length; at += 1 + greeting.readUInt32BE(at + 1)) {
    if (greeting[at] === 0x4b) greeting.writeUInt32BE(1_999_999_999, at + 5)
  }
  return greeting
}

function errorResponse(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C${code}\0M${message}\0\0`)
  return Buffer.concat([Buffer.from('E'), int32(fields.length + 4), fields])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

for (const manner of ['refuses', 'drops', 'passes'] as const) {
  test(`a pooler that ${manner} the wish for replication`, async () => {
    const pooler = await openPooler(manner, servers.postgres.port)
    const stage = await servers.scene({
      name: `pooler_${manner}`,
      schema: 'CREATE TABLE tb_order (id int PRIMARY KEY)',
    })
    const url = new URL(stage.url)
    url.port = String((pooler.address() as { port: number }).port)
    stage.settings = { database: { url: url.href } }
    const daemon = stage.launch()
    const warning = await daemon.says('DATABASE_URL leads through a connection pooler or proxy')
    assert.equal(warning.level, 'warn')
    assert.match(String(warning.remedy), /Let DATABASE_URL lead to PostgreSQL itself/)
    if (manner === 'passes') {
      await daemon.streaming()
      await stage.sql('INSERT INTO tb_order VALUES (1)')
      assert.equal((await stage.messages()).length, 1)
      // Longer than between two looks at the slot: the process that holds it is not taken for a stranger's.
      await sleep(6_000)
      assert.deepEqual(
        daemon.logs.filter(({ level }) => level === 'error'),
        [],
      )
    } else {
      assert.deepEqual(await daemon.ended(), { code: 78, signal: null }, daemon.output)
      assert.match(
        daemon.output,
        new RegExp(`a connection pooler or proxy ${manner === 'drops' ? 'dropped' : manner}`),
      )
      assert.match(daemon.lastLines(), /\n {2}Let DATABASE_URL lead to PostgreSQL itself/)
    }
    await stage.end()
    pooler.close()
  })
}
