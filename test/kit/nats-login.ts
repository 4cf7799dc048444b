/**
 * Logging in to a real nats-server the way the daemon does, and what a person must be told when it fails.
 */
import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Config, NatsAuth, NatsTls } from '../../src/config/config.ts'
import { ConfigurationError, exitCodeOf, FatalError, messageOf, remedyOf } from '../../src/errors.ts'
import { connectNats, type NatsStatus } from '../../src/nats.ts'
import { requireJetStream } from '../../src/nats-api.ts'
import { type NatsServer, startNats } from './nats.ts'

export interface Login {
  readonly servers: readonly string[]
  readonly auth?: NatsAuth
  readonly tls?: Partial<NatsTls> | null
  readonly timeoutMs?: number
}

export function configOf({
  servers,
  auth = { type: 'none' },
  tls = null,
  timeoutMs = 3_000,
}: Login): Config['nats'] {
  const files = {
    ca_file: null,
    cert_file: null,
    key_file: null,
    server_name: null,
    insecure_skip_verify: false,
  }
  return { servers, auth, tls: tls === null ? null : { ...files, ...tls }, connect_timeout_ms: timeoutMs }
}

/** Connected, and JetStream answers. */
export async function works(
  login: Login,
  check: (nc: NatsConnection) => void | Promise<void> = () => {},
): Promise<void> {
  const nc = await connectNats(configOf(login), { name: 'test' })
  try {
    await requireJetStream(nc)
    await check(nc)
  } finally {
    await nc.close()
  }
}

export async function failureOf(login: Login, secrets: readonly string[] = []): Promise<unknown> {
  const error = await connectNats(configOf(login), { name: 'test' }).then(
    nc => nc.close().then(() => assert.fail('connected')),
    (error: unknown) => error,
  )
  for (const secret of secrets) {
    assert.ok(
      !`${messageOf(error)} ${remedyOf(error)}`.includes(secret),
      `gives the secret away: ${messageOf(error)}`,
    )
  }
  return error
}

export async function isRefused(login: Login, secrets: readonly string[], pattern: RegExp): Promise<void> {
  const error = await failureOf(login, secrets)
  assert.ok(error instanceof FatalError, String(error))
  assert.equal(error.code, 'NATS_CREDENTIALS')
  assert.match(error.message, pattern)
  assert.match(error.remedy, /\[nats\.auth\]/)
  assert.equal(exitCodeOf(error), 78)
}

export async function isMisconfigured(login: Login, code: string, pattern: RegExp): Promise<void> {
  const error = await failureOf(login)
  assert.ok(error instanceof ConfigurationError, String(error))
  assert.match(error.message, pattern)
  assert.equal(error.code, code)
  assert.notEqual(error.remedy, '')
}

export async function withServer(config: string, run: (server: NatsServer) => Promise<void>): Promise<void> {
  const server = await startNats({ config })
  try {
    await run(server)
  } finally {
    await server.stop()
  }
}

/** The server says that its one client came over TLS. */
export async function encrypted(server: NatsServer): Promise<void> {
  const answer = await fetch(`${server.monitorUrl}/connz`)
  const { connections } = (await answer.json()) as { connections: { tls_version?: string }[] }
  assert.deepEqual(
    connections.map(({ tls_version }) => tls_version !== undefined),
    [true],
  )
}

/** Statuses in the order they come; `next` resolves with the next one of a kind. */
export function collect() {
  const waiting: NatsStatus[] = []
  let wake = () => {}
  return {
    onStatus(status: NatsStatus) {
      waiting.push(status)
      wake()
    },
    async next(kind: NatsStatus['kind']): Promise<NatsStatus> {
      for (;;) {
        const status = waiting.shift()
        if (status?.kind === kind) return status
        if (status === undefined) await new Promise<void>(resolve => (wake = resolve))
      }
    },
  }
}
