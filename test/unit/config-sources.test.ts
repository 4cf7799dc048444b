/** Where values come from: files, environment and flags, who wins, and what `sources` says of it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ENVIRONMENT } from '../../src/config/environment.ts'
import { KEYS } from '../../src/config/keys.ts'
import { type LoadOptions, loadConfig } from '../../src/config/load.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { ENV, inspectFiles, withFolder } from '../kit/config-files.ts'

const MAIN = 'fraiseql.toml'
const OWN = 'fraiseql-observer.toml'

describe('precedence', () => {
  const files = { [MAIN]: '[http]\nport = 1\nhost = "a"\n', [OWN]: '\n[http]\nport = 2\n' }
  const http = (options: Partial<LoadOptions>) => {
    const { config, sources, messages } = inspectFiles(files, { env: ENV, ...options })
    assert.deepEqual(messages, [])
    return `${config.http.host} ${sources.get('http.host')}, ${config.http.port} ${sources.get('http.port')}`
  }

  it('is default, fraiseql.toml, fraiseql-observer.toml, environment, flag', () => {
    assert.equal(http({}), `a ${MAIN}:3, 2 ${OWN}:3`)
    assert.equal(http({ env: { ...ENV, FRAISEQL_HTTP_PORT: '3' } }), `a ${MAIN}:3, 3 env FRAISEQL_HTTP_PORT`)
    assert.equal(
      http({ env: { ...ENV, FRAISEQL_HTTP_PORT: '3' }, flags: { 'http.port': 4, 'http.host': undefined } }),
      `a ${MAIN}:3, 4 flag`,
    )
    assert.equal(inspectFiles('').sources.get('http.port'), 'default')
  })

  it('is the own variable before the common one', () => {
    const env = { ...ENV, NATS_URL: 'nats://a', FRAISEQL_NATS_URL: 'nats://b' }
    const { config, sources } = inspectFiles('', { env })
    assert.deepEqual(config.nats.servers, ['nats://b'])
    assert.equal(sources.get('nats.servers'), 'env FRAISEQL_NATS_URL')
  })

  it('tells when a common variable overrides a file, unless both say the same', () => {
    const text = '[nats]\nurl = "nats://a"\n'
    assert.deepEqual(inspectFiles(text, { env: { ...ENV, NATS_URL: 'nats://b' } }).warned, [
      `${MAIN}:2: nats.url: is overridden by the environment variable NATS_URL`,
    ])
    assert.deepEqual(inspectFiles(text, { env: { ...ENV, NATS_URL: 'nats://a' } }).warned, [])
  })

  it('does not ask for variables of what is overridden', () => {
    const { messages } = inspectFiles(`[database]\nurl = "\${NOWHERE}"\n`, { env: ENV })
    assert.deepEqual(messages, [])
  })

  it('takes rules from both files', () => {
    const rule = (table: string) => `[[observers]]\ntable = "${table}"\n`
    const { config } = inspectFiles({ [MAIN]: rule('a'), [OWN]: rule('b') })
    assert.deepEqual(
      config.rules.map(({ table }) => table),
      ['a', 'b'],
    )
  })
})

describe('files', () => {
  const files = {
    [MAIN]: '[http]\nport = 1\n',
    [OWN]: '[http]\nport = 2\n',
    'other.toml': '[http]\nport = 3\n',
  }
  const port = (path: string, subset: Readonly<Record<string, string>> = files) =>
    withFolder(subset, folder => loadConfig({ configPath: `${folder}${path}`, env: ENV }).config.http.port)

  it('are both read, whichever of them is given', () => {
    assert.equal(port(''), 2)
    assert.equal(port(`/${MAIN}`), 2)
    assert.equal(port(`/${OWN}`), 2)
    assert.equal(port('/other.toml'), 2)
  })

  it('may be one alone', () => {
    assert.equal(port(`/${OWN}`, { [OWN]: files[OWN] }), 2)
    assert.equal(port('', { [OWN]: files[OWN] }), 2)
    assert.equal(port('/other.toml', { 'other.toml': files['other.toml'] }), 3)
  })

  it('are an error where they were asked for and are not there', () => {
    for (const [path, message] of [
      ['/none.toml', /none\.toml: can't be read: there is no such file/],
      ['', /holds neither fraiseql\.toml nor fraiseql-observer\.toml/],
    ] as const) {
      assert.throws(
        () => port(path, {}),
        (error: unknown) => {
          assert.ok(error instanceof ConfigurationError)
          assert.match(error.message, message)
          assert.equal(error.problems.length, 1)
          return true
        },
      )
    }
  })
})

describe('the environment', () => {
  it('alone is enough', () => {
    const { config, messages } = inspectFiles({}, { configPath: undefined, env: ENV })
    assert.deepEqual(messages, [])
    assert.equal(config.database.url, ENV.DATABASE_URL)
    assert.deepEqual(config.nats.servers, ['nats://127.0.0.1:4222'])
    assert.deepEqual(config.rules, [])
  })

  it('has a variable for every key with a path of its own, and no two meanings for one', () => {
    for (const key of KEYS.filter(({ path }) => !path.includes('*'))) {
      const name = `FRAISEQL_${key.path.join('_').toUpperCase()}`
      assert.equal(ENVIRONMENT.get(name)?.key, key, name)
    }
  })

  const CASES: readonly [string, string, string, unknown][] = [
    ['FRAISEQL_HTTP_HOST', '127.0.0.1', 'http.host', '127.0.0.1'],
    ['FRAISEQL_HTTP__PORT', '1', 'http.port', 1],
    ['FRAISEQL_DATABASE__URL', 'postgresql://b/c', 'database.url', 'postgresql://b/c'],
    ['FRAISEQL_NATS_URL', 'nats://a, tls://b', 'nats.servers', ['nats://a', 'tls://b']],
    ['FRAISEQL_NATS_STREAM_NAME', 's', 'stream.name', 's'],
    ['FRAISEQL_NATS_SUBJECT_PREFIX', 'a.b', 'stream.subject_prefix', 'a.b'],
    ['FRAISEQL_NATS_CONSUMER_NAME', 'c', 'worker.consumer_name', 'c'],
    ['FRAISEQL_NATS_MAX_AGE_DAYS', '2', 'stream.max_age_seconds', 172_800],
    ['FRAISEQL_NATS_DEDUP_WINDOW_MINUTES', '2', 'stream.duplicate_window_seconds', 120],
    ['FRAISEQL_NATS_MAX_MSGS', '-1', 'stream.max_msgs', 0],
    ['FRAISEQL_NATS_MAX_BYTES', '1_000', 'stream.max_bytes', 1_000],
    ['FRAISEQL_NATS_MAX_DELIVER', '5', 'worker.max_deliver', 5],
    ['FRAISEQL_NATS_ACK_WAIT_SECS', '5', 'worker.ack_wait_seconds', 5],
    ['FRAISEQL_BRIDGE_NOTIFY_CHANNEL', 'n', 'notify.channel', 'n'],
    ['FRAISEQL_BRIDGE_BATCH_SIZE', '7', 'outbox.batch_size', 7],
    ['FRAISEQL_BRIDGE_POLL_INTERVAL_SECS', '7', 'outbox.poll_interval_ms', 7_000],
    ['FRAISEQL_BRIDGE_TRANSPORT_NAME', 't', 'outbox.transport_name', 't'],
    ['FRAISEQL_OBSERVER_TRANSPORT', 'NATS', 'observers.backend', 'nats'],
    ['FRAISEQL_OBSERVERS_ENABLED', 'false', 'observers.enabled', false],
    ['FRAISEQL_LOG_LEVEL', 'WARN', 'log.level', 'warn'],
    ['FRAISEQL_SHUTDOWN_TIMEOUT_MS', '5', 'shutdown_timeout_ms', 5],
  ]
  for (const [name, value, path, expected] of CASES) {
    it(name, () => {
      const { config, messages, warned, sources } = inspectFiles('', { env: { ...ENV, [name]: value } })
      assert.deepEqual(messages, [])
      const without = /^(worker|notify|outbox)\./.test(path)
      assert.equal(warned.length, without ? 1 : 0)
      if (without) assert.match(warned[0]!, new RegExp(`^${name}: has no effect in this release`))
      const found = path
        .split('.')
        .reduce<unknown>((table, key) => (table as Record<string, unknown>)[key], config)
      assert.deepEqual(found, expected)
      assert.equal(sources.get(path), `env ${name}`)
    })
  }

  it('is told of by name where a value is wrong', () => {
    const { messages } = inspectFiles('', {
      env: { ...ENV, FRAISEQL_HTTP_PORT: 'x', FRAISEQL_LOG_LEVEL: 'loud' },
    })
    assert.deepEqual(messages, [
      'FRAISEQL_HTTP_PORT: must be a whole number, not text',
      'FRAISEQL_LOG_LEVEL: must be one of "debug", "info", "warn", "error"',
    ])
  })

  it('warns of a name that is nearly one of ours, and of no other', () => {
    const env = { ...ENV, FRAISEQL_HTTP_PROT: '1', FRAISEQL_REDIS_URL: 'x', FRAISEQL_NATS_RUN_EXECUTORS: '1' }
    assert.deepEqual(inspectFiles('', { env }).warned, [
      'FRAISEQL_HTTP_PROT: has no effect; did you mean FRAISEQL_HTTP_PORT?',
    ])
  })

  it('counts a variable that is set to nothing as not set', () => {
    assert.deepEqual(inspectFiles('', { env: { ...ENV, FRAISEQL_HTTP_PORT: '' } }).messages, [])
  })
})

describe('variables in a file', () => {
  const host = (written: string, env: Record<string, string>) => {
    const { config, messages } = inspectFiles(`[http]\nhost = ${JSON.stringify(written)}\n`, {
      env: { ...ENV, ...env },
    })
    assert.deepEqual(messages, [])
    return config.http.host
  }

  it('are replaced, with a default where one stands', () => {
    assert.equal(host(`\${A}-\${B:-b}`, { A: 'a' }), 'a-b')
    assert.equal(host(`\${A:-a}`, { A: '' }), 'a')
    assert.equal(host(`x\${A:-}`, {}), 'x')
    assert.equal(host(`\${A:-postgresql://h/d?x=1}`, {}), 'postgresql://h/d?x=1')
    assert.equal(host('$A $ {A}', { A: 'a' }), '$A $ {A}')
  })

  it('are not looked for in what they stand for', () => {
    assert.equal(host(`\${A}`, { A: `\${B}` }), `\${B}`)
  })

  it('can stand for numbers, booleans and lists', () => {
    const text = `[http]\nport = "\${P}"\n[stream]\ncreate = "\${C}"\n[nats]\nservers = "\${N}"\n`
    const { config, messages } = inspectFiles(text, {
      env: { ...ENV, P: '5', C: 'false', N: 'nats://a,nats://b' },
    })
    assert.deepEqual(messages, [])
    assert.deepEqual(
      [config.http.port, config.stream.create, config.nats.servers],
      [5, false, ['nats://a', 'nats://b']],
    )
  })

  it('can not change what the file means', () => {
    assert.equal(host(`\${A}`, { A: '"\nport = 1\n#' }), '"\nport = 1\n#')
  })

  it('are left to the worker in actions', () => {
    const text = `[[observers]]\nentity = "Order"\n[[observers.actions]]\nurl = "\${HOOK}"\n`
    const { config, messages } = inspectFiles(text)
    assert.deepEqual(messages, [])
    assert.equal(config.rules[0]?.actions?.[0]?.url, `\${HOOK}`)
  })
})
