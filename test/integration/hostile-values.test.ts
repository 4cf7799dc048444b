/** Nothing in a row may break the JSON, the subject or the header: random hostile text on the whole way. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Scene } from '../kit/scene.ts'
import { shareServers } from '../kit/stage.ts'
import { payload } from '../kit/stream-reader.ts'

const servers = shareServers()

/** Characters that mean something to JSON, subjects, headers, SQL or terminals, and some of every plane. */
const character = fc.oneof(
  fc.constantFrom(
    '.',
    '*',
    '>',
    ' ',
    '\r',
    '\n',
    '\r\n',
    '\t',
    '"',
    '\\',
    '/',
    '{',
    '}',
    ',',
    "'",
    '$',
    '%',
    ':',
    '\u007f',
  ),
  fc.constantFrom(
    '\u0085',
    '\u00a0',
    '\u200b',
    '\u2028',
    '\u2029',
    '\ufeff',
    '\ufffd',
    '😀',
    '𝔘',
    '\u{10ffff}',
    'é',
  ),
  fc.integer({ min: 1, max: 31 }).map(code => String.fromCharCode(code)),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }).map(text => text.replaceAll('\0', '')),
)
const text = fc.oneof(
  fc.array(character, { maxLength: 30 }).map(parts => parts.join('')),
  fc.constantFrom(
    '',
    '$JS.API.STREAM.DELETE.x',
    'a\r\nNats-Msg-Id: b\r\n\r\n',
    'x'.repeat(5000),
    '.'.repeat(300),
  ),
)
const row = fc.record({
  note: fc.option(text),
  data: fc.option(fc.uint8Array({ maxLength: 40 })),
  // jsonb takes no NUL, and no half of a surrogate pair.
  doc: fc.option(
    fc.dictionary(text, fc.oneof(text, fc.double({ noNaN: true }), fc.array(text, { maxLength: 3 }))),
  ),
  list: fc.array(fc.option(text), { maxLength: 4 }),
})

test('every row arrives as it is, under a subject of as many tokens as its rule has', async () => {
  const rows = fc.sample(row, { numRuns: 400, seed: 42 })
  const stage = await servers.scene({
    name: 'hostile',
    schema: 'CREATE TABLE tb_row (id int PRIMARY KEY, note text, data bytea, doc jsonb, list text[])',
    rules: ['fraiseql', 'row', 'debezium', 'cloudevents']
      .map(
        format =>
          `[[observers]]\ntable = "tb_row"\nformat = "${format}"\nsubject = "{prefix}.${format}.{column:note}.{op}.x{column:doc}"\n`,
      )
      .join(''),
  })
  const daemon = await stage.start()
  // As text of the parameters' types: the values go through no literal of ours.
  await stage.sql(
    `INSERT INTO tb_row SELECT n, note, data, doc, ARRAY(SELECT jsonb_array_elements_text(list))
     FROM unnest($1::int[], $2::text[], $3::bytea[], $4::jsonb[], $5::jsonb[]) AS t (n, note, data, doc, list)`,
    [
      rows.map((_, i) => i),
      rows.map(({ note }) => note),
      rows.map(({ data }) => (data === null ? null : Buffer.from(data))),
      rows.map(({ doc }) => (doc === null ? null : JSON.stringify(doc))),
      rows.map(({ list }) => JSON.stringify(list)),
    ],
  )
  const messages = await stage.messages()
  assert.equal(messages.length, rows.length * 4)
  const truth = await stage.sql<{ text: string }>(
    'SELECT to_jsonb(r)::text AS text FROM tb_row r ORDER BY id',
  )
  messages.forEach((message, i) => {
    const tokens = message.subject.split('.')
    assert.equal(tokens.length, 5)
    assert.equal(tokens[3], 'insert')
    assert.match(tokens[4]!, /^x./)
    assert.doesNotMatch(message.subject, /[\s\u0000-\u001f\u007f*>]/)
    assert.ok(Buffer.byteLength(message.subject) < 2_000)
    assert.deepEqual(
      [...message.headers.keys()].filter(name => !/^(Nats-|Fraiseql-)/.test(name)),
      [],
    )
    const expected: unknown = JSON.parse(truth[Math.floor(i / 4)]!.text)
    const body = payload(message)
    const found = {
      fraiseql: body.data,
      row: body,
      debezium: body.after,
      cloudevents: (body.data as { after?: unknown })?.after,
    }
    assert.deepEqual(found[tokens[1] as 'row'], expected)
  })
  await daemon.stop()
  await stage.end()
})

test('text of a database without an encoding comes byte for byte, whether it is UTF-8 or not', async t => {
  const { postgres } = servers
  await postgres.sql(
    "CREATE DATABASE any_bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
  )
  const url = new URL(postgres.url)
  url.pathname = '/any_bytes'
  const stage = new Scene(servers, url.href, { name: 'any_bytes' })
  t.after(() => stage.killDaemons())
  await stage.sql('CREATE TABLE tb_row (id int PRIMARY KEY, note text, doc jsonb)')
  const daemon = await stage.start()
  await stage.sql(`SET client_encoding = 'SQL_ASCII';
    INSERT INTO tb_row VALUES (1, E'caf\\351 "x"', NULL), (2, E'caf\\303\\251', E'{"\\303\\251": "\\360\\237\\230\\200"}')`)
  const stored = await stage.messages()
  const { streams } = await stage.jsm()
  const notes = await Promise.all(
    stored.map(async ({ seq }) => {
      const message = await streams.getMessage(stage.stream, { seq })
      return /"data":(.*?),"changes"/.exec(Buffer.from(message!.data).toString('latin1'))?.[1]
    }),
  )
  const utf8 = Buffer.from('{"id":2,"note":"café","doc":{"é": "😀"}}').toString('latin1')
  assert.deepEqual(notes, ['{"id":1,"note":"caf\xe9 \\"x\\"","doc":null}', utf8])
  await daemon.stop()
  await stage.end()
})
