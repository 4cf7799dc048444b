import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import { createHttpServer, type HttpOptions } from '../../src/http/server.ts'
import type { Status } from '../../src/http/status.ts'
import { createMetrics } from '../../src/metrics.ts'
import { sampleStatus } from '../kit/sample-status.ts'

const metrics = createMetrics({ version: '1.2.3' })

interface Running {
  readonly port: number
  stop(): Promise<void>
}

async function start(options: Partial<HttpOptions> = {}): Promise<Running> {
  const controller = new AbortController()
  let ended: Promise<void> = Promise.resolve()
  const { port } = await new Promise<AddressInfo>((resolve, reject) => {
    const onListening = resolve
    const status = () => sampleStatus()
    const server = createHttpServer({ host: '127.0.0.1', port: 0, metrics, status, ...options, onListening })
    ended = server.run(controller.signal)
    ended.catch(reject)
  })
  return {
    port,
    stop: () => {
      controller.abort()
      return ended
    },
  }
}

interface Got {
  readonly code: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

function get(port: number, path: string, method = 'GET', body?: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-length': body.length }
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', piece => {
        text += piece
      })
      response.on('end', () =>
        resolve({ code: response.statusCode ?? 0, headers: response.headers, body: text }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

describe('answers', () => {
  let server: Running
  let status: Status = sampleStatus()
  before(async () => {
    server = await start({ status: () => status })
  })
  after(() => server.stop())

  test('/metrics is the text format', async () => {
    metrics.counters.duplicates = 4
    const { code, headers, body } = await get(server.port, '/metrics')
    assert.equal(code, 200)
    assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/)
    assert.ok(body.includes('\nfraiseql_observer_duplicates_total 4\n'))
  })

  test('/health and /readiness say yes, and no with reasons', async () => {
    status = sampleStatus()
    for (const [path, word] of [
      ['/health', 'alive'],
      ['/readiness', 'ready'],
    ] as const) {
      const { code, body } = await get(server.port, path)
      assert.equal(code, 200)
      assert.deepEqual(JSON.parse(body), { [word]: true, reasons: [] })
    }
    status = sampleStatus({ nats: { ...status.nats, state: 'disconnected' } })
    const away = await get(server.port, '/readiness')
    assert.equal(away.code, 503)
    assert.deepEqual(JSON.parse(away.body), { ready: false, reasons: ['NATS is disconnected'] })
    assert.equal((await get(server.port, '/health')).code, 200)
    status = sampleStatus({ loops: [{ name: 'pipeline', last_turn_seconds: 61, limit_seconds: 60 }] })
    assert.equal((await get(server.port, '/health')).code, 503)
    status = sampleStatus()
  })

  test('/status is the status, with what the server adds', async () => {
    const { code, headers, body } = await get(server.port, '/status?x=1')
    assert.equal(code, 200)
    assert.match(String(headers['content-type']), /^application\/json/)
    assert.deepEqual(JSON.parse(body), { ...sampleStatus(), ready: true, reasons: [], events_per_second: 0 })
  })

  test('/ is the page', async () => {
    const { code, headers, body } = await get(server.port, '/')
    assert.equal(code, 200)
    assert.match(String(headers['content-type']), /^text\/html/)
    assert.match(String(headers['content-security-policy']), /default-src 'none'/)
    assert.ok(body.startsWith('<!doctype html>'))
    assert.ok(body.includes('16/B374D848'))
  })

  test('HEAD has the headers of GET and no body', async () => {
    for (const path of ['/', '/status', '/readiness']) {
      const [head, full] = [await get(server.port, path, 'HEAD'), await get(server.port, path)]
      assert.equal(head.code, full.code)
      assert.equal(head.headers['content-length'], full.headers['content-length'])
      assert.equal(head.body, '')
    }
  })

  test('other paths and methods are refused', async () => {
    for (const path of ['/nothing', '/metrics/', '/../etc/passwd', '//', '/__proto__', '/constructor', '*']) {
      assert.equal((await get(server.port, path)).code, 404, path)
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const { code, headers } = await get(
        server.port,
        '/metrics',
        method,
        method === 'OPTIONS' ? undefined : 'x'.repeat(100_000),
      )
      assert.equal(code, 405, method)
      assert.equal(headers.allow, 'GET, HEAD')
    }
  })
})

test('an answer that cannot be made is a 500 without details, and the server goes on', async () => {
  const errors: unknown[] = []
  let broken = true
  const status = () => {
    if (broken) throw new Error('postgresql://app:hunter2@db')
    return sampleStatus()
  }
  const server = await start({ status, onError: error => errors.push(error) })
  const { code, body } = await get(server.port, '/status')
  assert.equal(code, 500)
  assert.ok(!body.includes('hunter2'))
  assert.ok(errors.length > 0)
  broken = false
  assert.equal((await get(server.port, '/status')).code, 200)
  await server.stop()
})

test('a port in use, and a host that is not here, are configuration errors with a remedy', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  await assert.rejects(start({ port }), (error: unknown) => {
    assert.ok(error instanceof ConfigurationError)
    assert.equal(error.message, `HTTP port ${port} on 127.0.0.1 is in use by another process`)
    assert.match(error.remedy, /FRAISEQL_HTTP_PORT/)
    return true
  })
  taken.close()
  await assert.rejects(start({ host: '192.0.2.1' }), ConfigurationError)
})

test('a client that never finishes its request is let go', async () => {
  const server = await start()
  const slow = connect(server.port, '127.0.0.1')
  slow.write('GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ')
  let answer = ''
  slow.setEncoding('utf8').on('data', piece => {
    answer += piece
  })
  await once(slow, 'close')
  assert.match(answer, /^HTTP\/1\.1 408 /)
  await server.stop()
})

test('stopping does not wait for idle or hanging connections', async () => {
  const server = await start()
  const idle = connect(server.port, '127.0.0.1')
  const hanging = connect(server.port, '127.0.0.1')
  const ends = [once(idle, 'close'), once(hanging, 'close')]
  await Promise.all([once(idle, 'connect'), once(hanging, 'connect')])
  idle.on('error', () => undefined).write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(idle, 'data')
  hanging.on('error', () => undefined).write('GET /he')
  await server.stop()
  await Promise.all(ends)
  await assert.rejects(get(server.port, '/health'), { code: 'ECONNREFUSED' })
})
