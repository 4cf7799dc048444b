/**
 * Certificates for tests of TLS, made on the spot, so that no key lies in the repository and none expires. X.509
 * version 3 with ECDSA P-256, written as DER by hand; only what these tests need.
 * https://datatracker.ietf.org/doc/html/rfc5280#section-4.1
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'

export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
}

export interface Authority extends Certificate {
  /** Signed by this authority. `names`: host names and IPv4 addresses it is good for. */
  issue(name: string, names?: readonly string[], validity?: Validity): Certificate
}

export interface Validity {
  readonly from: Date
  readonly to: Date
}

const DAY_MS = 86_400_000
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

/** Files are written into `folder`. */
export function createAuthority(folder: string, name: string): Authority {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const authority = { name, key: pair.privateKey, publicKey: pair.publicKey }
  const own = write(folder, name, pair.privateKey, certificate(authority, authority, [], true))
  return {
    ...own,
    issue(subject, names = [], validity) {
      const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const holder = { name: subject, publicKey: key.publicKey }
      return write(folder, subject, key.privateKey, certificate(authority, holder, names, false, validity))
    },
  }
}

function write(folder: string, name: string, key: KeyObject, der: Buffer): Certificate {
  const certFile = join(folder, `${name}.pem`)
  const keyFile = join(folder, `${name}-key.pem`)
  const lines = der
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n')
  writeFileSync(certFile, `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`)
  writeFileSync(keyFile, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  return { certFile, keyFile }
}

interface Holder {
  readonly name: string
  readonly publicKey: KeyObject
}

function certificate(
  issuer: Holder & { readonly key: KeyObject },
  holder: Holder,
  names: readonly string[],
  authority: boolean,
  validity: Validity = { from: new Date(Date.now() - DAY_MS), to: new Date(Date.now() + DAY_MS) },
): Buffer {
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_SHA256,
    distinguishedName(issuer.name),
    sequence(time(validity.from), time(validity.to)),
    distinguishedName(holder.name),
    holder.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions(issuer, holder, names, authority))),
  )
  const signature = sign('sha256', body, issuer.key)
  return sequence(body, ECDSA_SHA256, der(0x03, Buffer.from([0]), signature))
}

function extensions(issuer: Holder, holder: Holder, names: readonly string[], authority: boolean): Buffer[] {
  const alternatives = names.map(name =>
    isIP(name) === 4 ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name)),
  )
  return [
    extension('2.5.29.19', sequence(...(authority ? [der(0x01, Buffer.from([0xff]))] : [])), true),
    extension('2.5.29.14', der(0x04, keyId(holder))),
    extension('2.5.29.35', sequence(der(0x80, keyId(issuer)))),
    ...(names.length > 0 ? [extension('2.5.29.17', sequence(...alternatives))] : []),
  ]
}

function keyId({ publicKey }: Holder): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value))
}

function distinguishedName(name: string): Buffer {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(name)))))
}

/** UTCTime, good until 2049. */
function time(date: Date): Buffer {
  return der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes)
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): number[] {
  const digits = [value % 128]
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
    digits.unshift((left % 128) + 128)
  return digits
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const { length } = body
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), body])
}
