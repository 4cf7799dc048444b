import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import { createLogger } from '../../src/log.ts'
import { redactSecrets } from '../../src/redact.ts'

class Lines extends Writable {
  text = ''
  readonly isTTY: boolean

  constructor(isTTY = false) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

const SEED = `SU${'A2B3'.repeat(14)}`
const JWT = 'eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJYWFhYWFhYIn0.c2lnbmF0dXJlLXNpZw'

const CASES: readonly (readonly [string, string])[] = [
  ['postgresql://app:hunter2@db:5432/shop', 'postgresql://app:***@db:5432/shop'],
  ['postgresql://app:p@ss/w:rd@db/shop', 'postgresql://app:***@db/shop'],
  ['postgresql://app@db/shop', 'postgresql://app@db/shop'],
  ['postgresql://db/shop?user=a&password=hunter2&x=1', 'postgresql://db/shop?user=a&password=***&x=1'],
  ["host=db password='two words' dbname=shop", 'host=db password=*** dbname=shop'],
  ['nats://t0ken@n1:4222', 'nats://***@n1:4222'],
  ['nats://a:b,c@n1,nats://d:e@n2', 'nats://a:***@n1,nats://d:***@n2'],
  ['nats://n1:4222,nats://n2:4222', 'nats://n1:4222,nats://n2:4222'],
  [`seed ${SEED}.`, 'seed ***.'],
  [`jwt ${JWT}`, 'jwt ***'],
  ['{"password":"a\\"b","user":"x","NATS_TOKEN":"t"}', '{"password":"***","user":"x","NATS_TOKEN":"***"}'],
  ['mail a@b.example about tb_order', 'mail a@b.example about tb_order'],
]

test('secrets are taken out of a text, and nothing else', () => {
  for (const [text, redacted] of CASES) assert.equal(redactSecrets(text), redacted)
})

test('a line is one JSON object with level, time and message', () => {
  const stream = new Lines()
  const log = createLogger({ level: 'info', format: 'auto' }, { stream })
  log.debug('not this')
  log.info({ slot: 'fraiseql_observer' }, 'streaming')
  const { time, ...line } = JSON.parse(stream.text) as { time: string }
  assert.deepEqual(line, { level: 'info', slot: 'fraiseql_observer', msg: 'streaming' })
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

test('an error is told by message, code, cause and remedy; a bug by its stack', () => {
  const stream = new Lines()
  const log = createLogger({ level: 'info', format: 'json' }, { stream })
  const cause = new Error('bind failed')
  log.error(
    { err: new ConfigurationError('port 1 is in use', { code: 'port', remedy: 'Choose another.', cause }) },
    'no',
  )
  log.error({ err: new TypeError('x is undefined') }, 'bug')
  const [known, bug] = stream.text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).err)
  assert.deepEqual(known, {
    type: 'ConfigurationError',
    message: 'port 1 is in use',
    code: 'port',
    cause: 'bind failed',
    remedy: 'Choose another.',
  })
  assert.match(bug.stack, /TypeError: x is undefined\n\s+at /)
})

test('no secret gets through, whatever carries it', () => {
  for (const format of ['json', 'pretty'] as const) {
    const stream = new Lines()
    const log = createLogger({ level: 'info', format }, { stream })
    const url = 'postgresql://app:hunter2@db/shop'
    log.info(
      { url, deep: { list: [url], password: 'hunter2' }, err: new Error(`failed: ${url}`) },
      `connecting to ${url}`,
    )
    assert.ok(stream.text.includes('postgresql://app:***@db/shop'), format)
    assert.ok(!stream.text.includes('hunter2'), stream.text)
  }
})

test('a terminal gets readable lines', () => {
  const stream = new Lines(true)
  createLogger({ level: 'info', format: 'auto' }, { stream }).warn({ lag: 5 }, 'behind')
  assert.match(stream.text, /WARN/)
  assert.match(stream.text, /behind/)
  assert.throws(() => JSON.parse(stream.text))
})
