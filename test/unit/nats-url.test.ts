/** Addresses of NATS servers as people write them, and that no error gives a password away. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import { reconnectDelay } from '../../src/nats.ts'
import { parseGreeting } from '../../src/nats-greeting.ts'
import { parseNatsServers } from '../../src/nats-url.ts'

test('lists, schemes, ports and defaults', () => {
  const cases: [given: string[], addresses: string[], tls: boolean][] = [
    [['nats://nats-1:4222,nats://nats-2:4223'], ['nats-1:4222', 'nats-2:4223'], false],
    [['nats-1', ' nats-2:4223 ', ''], ['nats-1:4222', 'nats-2:4223'], false],
    [['tls://nats.example.com'], ['nats.example.com:4222'], true],
    [['nats://a,TLS://b/'], ['a:4222', 'b:4222'], true],
    [['nats://[::1]:5222', '[fe80::1]'], ['[::1]:5222', '[fe80::1]:4222'], false],
    [['a:4222', 'nats://a'], ['a:4222'], false],
  ]
  for (const [given, addresses, tls] of cases) {
    assert.deepEqual(parseNatsServers(given), { addresses, tls, credentials: null })
  }
})

test('credentials are percent-decoded, and digits after a colon are no port', () => {
  const cases: [url: string, user: string | null, secret: string][] = [
    ['nats://anna:1234@h:4222', 'anna', '1234'],
    ['nats://anna:p%40ss%3Aw%2Frd%2C@h', 'anna', 'p@ss:w/rd,'],
    ['nats://anna:a:b@h', 'anna', 'a:b'],
    ['nats://anna:a@b@h', 'anna', 'a@b'],
    ['nats://s3cr3t@h', null, 's3cr3t'],
    ['nats://anna:@h', 'anna', ''],
  ]
  for (const [url, user, secret] of cases) {
    assert.deepEqual(parseNatsServers([url]).credentials, { user, secret })
    assert.deepEqual(parseNatsServers([url]).addresses, ['h:4222'])
  }
  assert.deepEqual(parseNatsServers(['nats://a:b@h1,nats://h2']).credentials, { user: 'a', secret: 'b' })
})

test('what cannot be an address is refused, without a word of it', () => {
  const urls = [
    '',
    ' , ',
    'nats://',
    'nats://u:s3cr3t@',
    'ws://s3cr3t@h',
    'nats://h:0',
    'nats://u:s3cr3t@h:99999',
  ]
  urls.push(
    'nats://u:s3cr3t@h/path',
    'nats://u:s3cr3t%zz@h',
    'nats://h:s3cr3t',
    'nats://a:s3cr3t@h,nats://b:s3cr3t@i',
  )
  for (const url of urls) {
    assert.throws(
      () => parseNatsServers([url]),
      (error: unknown) => {
        assert.ok(error instanceof ConfigurationError)
        assert.ok(!`${error.message} ${error.remedy}`.includes('s3cr3t'), error.message)
        return true
      },
    )
  }
})

test('the greeting of a server', () => {
  const greeting = parseGreeting(
    'INFO {"version":"2.9.25","tls_required":true,"tls_verify":true,"max_payload":1048576,"x":[1]} \r\nPING\r\n',
  )
  assert.deepEqual(greeting, {
    version: '2.9.25',
    tls_required: true,
    tls_available: false,
    tls_verify: true,
    max_payload: 1_048_576,
  })
  for (const text of [
    '',
    'SSH-2.0-OpenSSH_9.2\r\n',
    'INFO {"version":\r\n',
    'HTTP/1.1 400 Bad Request\r\n',
  ]) {
    assert.equal(parseGreeting(text), null)
  }
})

test('reconnecting slows down, within bounds, and never in step with others', () => {
  assert.deepEqual([reconnectDelay(0, 0), reconnectDelay(0, 1)], [75, 125])
  assert.equal(reconnectDelay(4_000, 0.5), 2_000)
  assert.deepEqual([reconnectDelay(1e9, 0), reconnectDelay(1e9, 1)], [3_750, 6_250])
})
