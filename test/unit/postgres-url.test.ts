/** Database URLs: what libpq reads in them, and that no error gives a password away. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import { type DatabaseTarget, describeHost, parseDatabaseUrl } from '../../src/postgres-url.ts'

const CASES: readonly [string, Partial<DatabaseTarget>][] = [
  [
    'postgresql://ann:p%40ss%2F%3A%25%23@db.example:6000/shop',
    { user: 'ann', password: 'p@ss/:%#', database: 'shop', hosts: [{ host: 'db.example', port: 6000 }] },
  ],
  ['postgres://', { user: null, password: null, database: null, hosts: [{ host: 'localhost', port: 5432 }] }],
  ['postgresql://ann@/shop', { user: 'ann', hosts: [{ host: 'localhost', port: 5432 }], database: 'shop' }],
  ['postgresql://h/Ma%C3%9F%20%2F%3F', { database: 'Maß /?' }],
  // A # is no fragment, and the last @ ends the credentials.
  ['postgresql://ann:a#b@c@h/d', { password: 'a#b@c', hosts: [{ host: 'h', port: 5432 }] }],
  ['postgresql://ann:@h/d', { user: 'ann', password: '' }],
  ['postgresql://[::1]:6000/d', { hosts: [{ host: '::1', port: 6000 }] }],
  ['postgresql://%2Fvar%2Frun:6000/d', { hosts: [{ host: '/var/run', port: 6000 }] }],
  ['postgresql:///d?host=/var/run&port=6000', { hosts: [{ host: '/var/run', port: 6000 }], database: 'd' }],
  ['postgresql://h?user=ann&password=x%26y&dbname=d', { user: 'ann', password: 'x&y', database: 'd' }],
  [
    'postgresql://a:1,b,c:3/d',
    {
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 5432 },
        { host: 'c', port: 3 },
      ],
      targetSession: 'primary',
    },
  ],
  [
    'postgresql:///d?host=a,b&port=1,2&target_session_attrs=read-write',
    {
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
      targetSession: 'read-write',
    },
  ],
  [
    'postgresql:///d?host=a,b&port=7',
    {
      hosts: [
        { host: 'a', port: 7 },
        { host: 'b', port: 7 },
      ],
    },
  ],
  [
    'postgresql://h/d',
    { sslMode: 'prefer', targetSession: 'any', applicationName: null, connectTimeoutMs: null },
  ],
  ['postgresql://h/d?sslmode=require', { sslMode: 'require', sslRootCert: null }],
  ['postgresql://h/d?sslmode=require&sslrootcert=ca.pem', { sslMode: 'verify-ca', sslRootCert: 'ca.pem' }],
  ['postgresql://h/d?sslrootcert=system', { sslMode: 'verify-full' }],
  ['postgresql://h/d?ssl=true', { sslMode: 'require' }],
  ['postgresql://h/d?ssl=false', { sslMode: 'disable' }],
  ['postgresql://h/d?sslmode=require&sslnegotiation=direct', { sslNegotiation: 'direct' }],
  [
    'postgresql://h/d?application_name=x%20y&options=-c%20a%3Db&connect_timeout=7&schema=public',
    { applicationName: 'x y', options: '-c a=b', connectTimeoutMs: 7000 },
  ],
]

const WRONG = [
  'mysql://ann:secret@h/d',
  'ann:secret@h/d',
  'postgresql://ann:sec%ret@h/d',
  'postgresql://ann:sec%/ret@h/d',
  'postgresql://ann:sec/ret@h/d',
  'postgresql://ann:p@secret/w@h:5432/d',
  'postgresql://ann:1234/secret@h:5432/d',
  'postgresql://ann:1234?secret@h:5432/d',
  'postgresql://ann:secret@h:99999/d',
  'postgresql://ann:secret@h:0/d',
  'postgresql://ann:secret@h/d?sslmode=yes',
  'postgresql://ann:secret@h/d?sslmod=require',
  'postgresql://ann:secret@h/d?sslmode=verify-ca',
  'postgresql://ann:secret@h/d?sslmode=require&sslrootcert=system',
  'postgresql://ann:secret@h/d?sslnegotiation=direct',
  'postgresql://ann:secret@h/d?target_session_attrs=master',
  'postgresql://ann:secret@h/d?host=a,b,c&port=1,2',
  'postgresql://ann:secret@h/d?connect_timeout=soon',
]

describe('parseDatabaseUrl', () => {
  for (const [url, expected] of CASES) {
    it(url, () => {
      const target = parseDatabaseUrl(url)
      for (const [key, value] of Object.entries(expected)) {
        assert.deepEqual(target[key as keyof DatabaseTarget], value, key)
      }
    })
  }
  for (const url of WRONG) {
    it(`refuses ${url}`, () => {
      assert.throws(
        () => parseDatabaseUrl(url),
        (error: unknown) => {
          assert.ok(error instanceof ConfigurationError)
          assert.doesNotMatch(`${error.message} ${error.remedy} ${error.stack}`, /secret|sec[%/]|ret@/)
          return true
        },
      )
    })
  }
})

describe('describeHost', () => {
  it('reads as one would type it', () => {
    assert.equal(describeHost({ host: 'db', port: 5432 }), 'db:5432')
    assert.equal(describeHost({ host: '::1', port: 5432 }), '[::1]:5432')
    assert.equal(describeHost({ host: '/run/pg', port: 5432 }), '/run/pg/.s.PGSQL.5432')
  })
})
