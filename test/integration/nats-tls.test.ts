/** TLS to real servers: authorities, names, addresses, client certificates, and what a person reads when it fails. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { NatsTls } from '../../src/config/config.ts'
import { createAuthority } from '../kit/certificates.ts'
import { encrypted, isMisconfigured, type Login, withServer, works } from '../kit/nats-login.ts'

const folder = mkdtempSync(join(tmpdir(), 'fraiseql-test-tls-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('authorities, names, addresses', async () => {
  const authority = createAuthority(folder, 'authority')
  const { certFile, keyFile } = authority.issue('server', ['localhost', 'nats.example.com'])
  const stranger = createAuthority(folder, 'stranger')
  await withServer(`tls { cert_file: "${certFile}", key_file: "${keyFile}" }`, async server => {
    const byName = [`tls://localhost:${server.port}`]
    const byAddress = [`tls://127.0.0.1:${server.port}`]
    const ca = { ca_file: authority.certFile }
    await works({ servers: byName, tls: ca }, () => encrypted(server))
    await works({ servers: [`nats://localhost:${server.port}`], tls: ca }, () => encrypted(server))
    await works({ servers: byAddress, tls: { ...ca, server_name: 'nats.example.com' } })
    await works({ servers: byAddress, tls: { insecure_skip_verify: true } }, () => encrypted(server))
    const untrusted = /authority is (not trusted|unknown)|is not trusted/
    await isMisconfigured(
      { servers: byName, tls: { ca_file: stranger.certFile } },
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      untrusted,
    )
    await isMisconfigured({ servers: byName }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', untrusted)
    await isMisconfigured(
      { servers: byName, tls: { ...ca, server_name: 'other.example.com' } },
      'ERR_TLS_CERT_ALTNAME_INVALID',
      /for another host/,
    )
  })
  const addressed = authority.issue('addressed', ['127.0.0.1'])
  await withServer(
    `tls { cert_file: "${addressed.certFile}", key_file: "${addressed.keyFile}" }`,
    async ({ port }) => {
      await works({ servers: [`tls://127.0.0.1:${port}`], tls: { ca_file: authority.certFile } })
      await isMisconfigured(
        { servers: [`tls://localhost:${port}`], tls: { ca_file: authority.certFile } },
        'ERR_TLS_CERT_ALTNAME_INVALID',
        /for another host/,
      )
    },
  )
  const past = { from: new Date('2020-01-01T00:00:00Z'), to: new Date('2021-01-01T00:00:00Z') }
  const expired = authority.issue('expired', ['localhost'], past)
  await withServer(
    `tls { cert_file: "${expired.certFile}", key_file: "${expired.keyFile}" }`,
    async ({ port }) => {
      await isMisconfigured(
        { servers: [`tls://localhost:${port}`], tls: { ca_file: authority.certFile } },
        'CERT_HAS_EXPIRED',
        /has expired/,
      )
    },
  )
})

test('client certificates', async () => {
  const junk = join(folder, 'junk.pem')
  writeFileSync(junk, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  const authority = createAuthority(folder, 'both')
  const own = authority.issue('both-server', ['localhost'])
  const client = authority.issue('client', ['client.example.com'])
  const stranger = createAuthority(folder, 'strange').issue('strange-client')
  const config = `tls { cert_file: "${own.certFile}", key_file: "${own.keyFile}", ca_file: "${authority.certFile}", verify: true }`
  await withServer(config, async server => {
    const login = (tls: Partial<NatsTls>): Login => ({
      servers: [`tls://localhost:${server.port}`],
      tls: { ca_file: authority.certFile, ...tls },
      timeoutMs: 1_000,
    })
    await works(login({ cert_file: client.certFile, key_file: client.keyFile }), () => encrypted(server))
    await isMisconfigured(login({}), 'NATS_TLS_CERTIFICATE', /asks for a client certificate/)
    await isMisconfigured(
      login({ cert_file: stranger.certFile, key_file: stranger.keyFile }),
      'NATS_CONNECT',
      /refuses the client certificate/,
    )
    await isMisconfigured(
      login({ cert_file: client.certFile }),
      'NATS_TLS_FILE',
      /cert_file without key_file/,
    )
    await isMisconfigured(
      login({ cert_file: client.certFile, key_file: stranger.keyFile }),
      'NATS_TLS_FILE',
      /key_file: .* can't be used/,
    )
    await isMisconfigured(login({ ca_file: join(folder, 'none.pem') }), 'NATS_TLS_FILE', /ca_file: .*ENOENT/)
    await isMisconfigured(login({ ca_file: junk }), 'NATS_TLS_FILE', /ca_file: .* can't be used/)
  })
})

test('TLS asked of a server that has none; none asked of a server that insists', async () => {
  await withServer('', async ({ port }) => {
    await isMisconfigured({ servers: [`tls://127.0.0.1:${port}`] }, 'NATS_TLS_MISSING', /has no TLS/)
    await isMisconfigured({ servers: [`127.0.0.1:${port}`], tls: {} }, 'NATS_TLS_MISSING', /has no TLS/)
  })
  const authority = createAuthority(folder, 'insisting')
  const { certFile, keyFile } = authority.issue('insisting-server', ['localhost'])
  await withServer(`tls { cert_file: "${certFile}", key_file: "${keyFile}" }`, async ({ port }) => {
    await isMisconfigured(
      { servers: [`nats://localhost:${port}`] },
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      /not trusted/,
    )
  })
})
