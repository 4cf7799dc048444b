/**
 * TLS to a NATS server, from [nats.tls] and `tls://`. The files are read once here, so that what is wrong with them
 * is said before anything is connected; the client reads them again for each connection, so that renewed
 * certificates are taken up without a restart.
 * https://docs.nats.io/running-a-nats-service/configuration/securing_nats/tls
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls'
import type { TlsOptions } from '@nats-io/transport-node'
import type { NatsTls } from './config/config.ts'
import { ConfigurationError } from './errors.ts'
import type { NatsServers } from './nats-url.ts'

/** The client hands what it does not know of to Node's `tls.connect`. */
export interface NodeTlsOptions extends TlsOptions {
  servername?: string
  rejectUnauthorized?: boolean
  checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined
}

/** undefined: TLS only if the server insists on it or offers it. Throws ConfigurationError. */
export async function natsTlsOptions(
  tls: NatsTls | null,
  { addresses, tls: required }: NatsServers,
): Promise<NodeTlsOptions | undefined> {
  if (tls === null && !required) return undefined
  const options: NodeTlsOptions = {}
  if (tls?.server_name) options.servername = tls.server_name
  else options.checkServerIdentity = (host, certificate) => checkIdentity(host, certificate, addresses)
  if (tls === null) return options
  if (tls.insecure_skip_verify) options.rejectUnauthorized = false
  if (tls.ca_file !== null) options.caFile = tls.ca_file
  if (tls.cert_file !== null) options.certFile = tls.cert_file
  if (tls.key_file !== null) options.keyFile = tls.key_file
  if ((tls.cert_file === null) !== (tls.key_file === null)) {
    const [there, missing] = tls.key_file === null ? ['cert_file', 'key_file'] : ['key_file', 'cert_file']
    throw new ConfigurationError(`[nats.tls] has ${there} without ${missing}`, {
      code: 'NATS_TLS_FILE',
      remedy: `Set ${missing} as well; a client certificate is of no use without its key.`,
    })
  }
  await tryFiles(tls)
  return options
}

/**
 * For a server that is known by address only, Node compares the certificate with "localhost". Any address that the
 * configuration names will do: they are all servers that the daemon was told to trust.
 */
function checkIdentity(
  host: string,
  certificate: PeerCertificate,
  servers: readonly string[],
): Error | undefined {
  const error = checkServerIdentity(host, certificate)
  if (error === undefined || host !== 'localhost') return error
  const addresses = servers.map(hostOf).filter(name => isIP(name) !== 0)
  return addresses.some(address => checkServerIdentity(address, certificate) === undefined)
    ? undefined
    : error
}

function hostOf(server: string): string {
  return server.slice(0, server.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}

async function tryFiles({ ca_file, cert_file, key_file }: NatsTls): Promise<void> {
  const ca = await pem('ca_file', ca_file)
  const cert = await pem('cert_file', cert_file)
  const key = await pem('key_file', key_file)
  // A secure context takes a damaged authority without a word, and then trusts nobody.
  if (ca !== null) attempt('ca_file', ca_file, () => new X509Certificate(ca))
  if (cert === null || key === null) return
  attempt('cert_file', cert_file, () => createSecureContext({ cert }))
  attempt('key_file', key_file, () => createSecureContext({ cert, key }))
}

async function pem(key: string, file: string | null): Promise<Buffer | null> {
  if (file === null) return null
  try {
    return await readFile(file)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw new ConfigurationError(`[nats.tls] ${key}: the file can't be read (${code}): ${file}`, {
      code: 'NATS_TLS_FILE',
      remedy: `Correct ${key}, or let this user read the file.`,
      cause,
    })
  }
}

function attempt(key: string, file: string | null, build: () => unknown): void {
  try {
    build()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw new ConfigurationError(`[nats.tls] ${key}: ${file} can't be used (${code})`, {
      code: 'NATS_TLS_FILE',
      remedy: 'It must be PEM, without a passphrase, and the key must be the one of the certificate.',
      cause,
    })
  }
}
