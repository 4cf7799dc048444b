/**
 * Certificates for TLS tests, made on the spot, so that no key lies in the repository and none expires: an authority,
 * and certificates signed by it. X.509 in DER, just as much of it as is needed (RFC 5280, ECDSA P-256).
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

export interface Certificate {
  /** PEM. */
  readonly cert: string
  readonly key: string
}

export interface Authority extends Certificate {
  /** Signed by this authority; host names and IPv4 addresses as subject alternative names. */
  issue(commonName: string, hosts?: readonly string[]): Certificate
}

export function makeAuthority(commonName = 'test authority'): Authority {
  const { publicKey, privateKey } = newKey()
  const issuer = name(commonName)
  const cert = certificate(
    issuer,
    issuer,
    publicKey,
    privateKey,
    extension('551d13', sequence(BOOLEAN_TRUE), true),
  )
  return {
    cert,
    key: keyPem(privateKey),
    issue(subject, hosts = []) {
      const own = newKey()
      const names = hosts.map(host =>
        /^[\d.]+$/.test(host)
          ? der(0x87, Buffer.from(host.split('.').map(Number)))
          : der(0x82, Buffer.from(host)),
      )
      const alternatives =
        hosts.length === 0 ? Buffer.alloc(0) : extension('551d11', sequence(...names), false)
      return {
        cert: certificate(issuer, name(subject), own.publicKey, privateKey, alternatives),
        key: keyPem(own.privateKey),
      }
    },
  }
}

const BOOLEAN_TRUE = Buffer.from('0101ff', 'hex')
/** ecdsa-with-SHA256 */
const SIGNATURE = sequence(oid('2a8648ce3d040302'))
const DAY_MS = 86_400_000

function newKey() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function certificate(
  issuer: Buffer,
  subject: Buffer,
  key: KeyObject,
  signer: KeyObject,
  extensions: Buffer,
): string {
  const now = Date.now()
  const parts = [
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    SIGNATURE,
    issuer,
    sequence(time(now - DAY_MS), time(now + 30 * DAY_MS)),
    subject,
    key.export({ type: 'spki', format: 'der' }),
  ]
  const body = sequence(...parts, ...(extensions.length === 0 ? [] : [der(0xa3, sequence(extensions))]))
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, signer)]))
  const base64 = sequence(body, SIGNATURE, signature).toString('base64')
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
}

function name(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(commonName)))))
}

function extension(id: string, value: Buffer, critical: boolean): Buffer {
  return sequence(oid(id), ...(critical ? [BOOLEAN_TRUE] : []), der(0x04, value))
}

/** GeneralizedTime would do for all years, but before 2050 it has to be UTCTime. */
function time(at: number): Buffer {
  const text = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '')
  return der(0x17, Buffer.from(text.slice(2)))
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function der(tag: number, content: Buffer): Buffer {
  const size = content.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}
