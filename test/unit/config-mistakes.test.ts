/** Every mistake a person can make in a file, with the line and the words that come of it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigurationError, EXIT, exitCodeOf } from '../../src/errors.ts'
import { ENV, inspectFiles, withFolder } from '../kit/config-files.ts'

const RULE = '[[observers]]\ntable = "tb_order"\n'
const T = 'fraiseql.toml'

/** Title, the text of fraiseql.toml, and every message that must come of it. */
const CASES: readonly [string, string, readonly (string | RegExp)[]][] = [
  // The text itself
  ['not TOML', 'a = 1\nb = \n', [`${T}:2: not TOML: invalid value, column 5`]],
  ...(['tb_order', '“tb_order”', '‘tb_order’', '/run/x'] as const).map((value): (typeof CASES)[number] => [
    `text without straight quotes: ${value}`,
    `[[observers]]\ntable = ${value}\n`,
    [`${T}:2: not TOML: invalid value, column 9; text needs straight double quotes: key = "text"`],
  ]),
  [
    'a truth in capitals',
    '[dlq]\nenabled = True\n',
    [`${T}:2: not TOML: invalid value, column 11; write true and false in small letters`],
  ],
  ['a table twice', '[nats]\n[http]\n[nats]\n', [/^fraiseql\.toml:3: not TOML: trying to redefine/]],
  ['settings twice beside rules', `${RULE}[observers]\n[observers]\n`, [/^fraiseql\.toml:4: not TOML: /]],
  [
    'a variable that is not set',
    `[observers]\nnats_url = "\${NATS_HOST}"\n`,
    [
      `${T}:2: observers.nats_url: the environment variable NATS_HOST is not set; set it, or write \${NATS_HOST:-default}`,
    ],
  ],
  [
    'a variable that is empty',
    `[observers]\nnats_url = "\${EMPTY}"\n`,
    [`${T}:2: observers.nats_url: the environment variable EMPTY is set to nothing`],
  ],
  [
    'a variable in a list',
    `[nats]\nservers = [\n  "nats://a",\n  "\${B}",\n]\n`,
    [/^fraiseql\.toml:4: nats\.servers\[1\]: the env/],
  ],
  [
    'a variable in a rule',
    `${RULE}subject = "a.\${X}"\n`,
    [/^fraiseql\.toml:3: observers\[0\]\.subject: the environment variable X/],
  ],
  [
    'a broken variable',
    `[nats]\nurl = "nats://\${HOST"\n`,
    [/^fraiseql\.toml:2: nats\.url: holds a \$\{ that is neither/],
  ],

  // Names
  ['an unknown key', '[http]\nprot = 1\n', [`${T}:2: http.prot: is not a known key; did you mean port?`]],
  [
    'an unknown key with nothing near',
    '[http]\nzzzzzzzz = 1\n',
    [`${T}:2: http.zzzzzzzz: is not a known key; [http] has host, port`],
  ],
  [
    'an unknown key deep down',
    '[transport.nats.jetstream]\nmax_age_day = 1\n',
    [/:2: transport\.nats\.jetstream\.max_age_day: .*did you mean max_age_days\?$/],
  ],
  [
    'a key in the wrong table',
    '[http]\nsubject_prefix = "a"\n',
    [/^fraiseql\.toml:2: http\.subject_prefix: is not a known key of \[http\]; it belongs into \[/],
  ],
  [
    'an unknown key in a named stream',
    '[streams.x]\nsubjects = ["x"]\nmaxmsgs = 1\n',
    [/:3: streams\.x\.maxmsgs: .*did you mean max_msgs\?$/],
  ],
  [
    'an unknown table',
    '[nats.jetstrem.streams.x]\nsubjects = ["x"]\n',
    [/^fraiseql\.toml:1: nats\.jetstrem: .*did you mean jetstream\?$/],
  ],
  [
    'an unknown key of a rule',
    `${RULE}sbject = "a"\n`,
    [`${T}:3: observers[0].sbject: is not a known key of a rule; did you mean subject?`],
  ],
  ['a value where a table belongs', 'http = 1\n', [`${T}:1: http: must be a table, [http]`]],
  [
    'a table where a value belongs',
    '[http.port]\na = 1\n',
    [`${T}:1: http.port: must be a whole number, not a table`],
  ],
  ['a rule that is no table', 'observers = [1]\n', [`${T}:1: observers[0]: must be a table, [[observers]]`]],
  [
    'a name that is no stream',
    '[streams."a b"]\nsubjects = ["x"]\n',
    [/^fraiseql\.toml:1: streams\."a b": the name/],
  ],

  // Values
  ['a wrong type', '[http]\nport = "80"\n', [`${T}:2: http.port: must be a whole number, not text`]],
  ['a fraction', '[http]\nport = 1.5\n', [`${T}:2: http.port: must be a whole number, not a fraction`]],
  [
    'numbers of 64 bits',
    '[fraiseql]\nbig = 9223372036854775807\n[http]\nport = 9223372036854775807\nhost = 9223372036854775807\n' +
      `${RULE}format = 9223372036854775807\n`,
    [
      `${T}:4: http.port: is out of range`,
      `${T}:5: http.host: must be text, not a number`,
      /^fraiseql\.toml:8: observers\[0\]\.format: must be one of/,
    ],
  ],
  ['too much', '[http]\nport = 65536\n', [`${T}:2: http.port: must be at most 65535`]],
  [
    'too little',
    '[publish]\nack_timeout_ms = 1\n',
    [`${T}:2: publish.ack_timeout_ms: must be at least 100 (milliseconds)`],
  ],
  [
    'too little in another unit',
    '[transport.nats.jetstream]\nmax_age_days = -1\n',
    [/:2: .*max_age_days: must be at least 0 \(seconds\)$/],
  ],
  [
    'no choice',
    '[log]\nlevel = "inof"\n',
    [`${T}:2: log.level: must be one of "debug", "info", "warn", "error"; did you mean "info"?`],
  ],
  ['another backend', '[observers]\nbackend = "redis"\n', [`${T}:2: observers.backend: must be "nats"`]],
  [
    'another transport',
    '[transport]\ntransport = "postgres"\n',
    [`${T}:2: transport.transport: must be "nats"`],
  ],
  [
    'no JetStream',
    '[nats.jetstream]\nenabled = false\n',
    [/^fraiseql\.toml:2: nats\.jetstream\.enabled: can only be true/],
  ],
  [
    'no duration',
    '[nats.jetstream.consumers.x]\nack_wait = "soon"\n',
    [/:2: .*\.ack_wait: must be a duration such as "90s", "5m" or "720h", or a whole number of seconds$/],
  ],
  [
    'a name of a slot',
    '[replication]\nslot_name = "My-Slot"\n',
    [`${T}:2: replication.slot_name: may have only a-z, 0-9 and _, and 63 of them at most`],
  ],
  [
    'a name of a stream',
    '[stream]\nname = "a.b"\n',
    [/:2: stream\.name: must not be empty nor have spaces, dots/],
  ],
  [
    'a prefix with a wildcard',
    '[stream]\nsubject_prefix = "a.>"\n',
    [/:2: stream\.subject_prefix: .*wildcards/],
  ],
  [
    'a prefix with a placeholder',
    '[stream]\nsubject_prefix = "a.{table}"\n',
    [/:2: stream\.subject_prefix: .*placeholders$/],
  ],
  [
    'a wildcard inside a token',
    '[streams.x]\nsubjects = [\n  "a.>",\n  "a.b*",\n]\n',
    [/^fraiseql\.toml:4: streams\.x\.subjects\[1\]: a wildcard must be a token/],
  ],
  [
    'a stream without subjects',
    '[streams.x]\nreplicas = 1\n',
    [/^fraiseql\.toml:1: streams\.x: must name the subjects/],
  ],
  [
    'a server that is no NATS',
    '[nats]\nservers = ["nats://a", "http://b"]\n',
    [/^fraiseql\.toml:2: nats\.servers\[1\]: NATS servers can't be reached by http/],
  ],
  [
    'servers with different logins',
    '[nats]\nservers = ["nats://a:b@x", "nats://a:c@y"]\n',
    [/^fraiseql\.toml:2: nats\.servers: the URLs of the NATS servers have different credentials$/],
  ],

  // Keys together
  [
    'a window longer than the age',
    '[stream]\nmax_age_seconds = 60\nduplicate_window_seconds = 61\n',
    [
      `${T}:3: stream.duplicate_window_seconds: the duplicate window (61 s) must not be longer than the age of messages (60 s)`,
    ],
  ],
  [
    'the default window longer than the age',
    '[stream]\nmax_age_seconds = 60\n',
    [/^fraiseql\.toml:2: stream\.max_age_seconds: the duplicate window \(300 s\)/],
  ],
  [
    'such a window in a named stream',
    '[streams.x]\nsubjects = ["x"]\nmax_age = "1m"\n',
    [/^fraiseql\.toml:3: streams\.x\.max_age: the duplicate window/],
  ],
  [
    'one key in two spellings',
    '[observers]\nnats_url = "nats://a"\n[nats]\nurl = "nats://b"\n',
    [`${T}:4: nats.url: says the same as observers.nats_url (${T}:2), with another value; keep one of them`],
  ],
  [
    'two streams of one name',
    '[streams.x]\nsubjects = ["x"]\n[streams.y]\nname = "x"\nsubjects = ["y"]\n',
    [/^fraiseql\.toml:4: streams\.y\.name: is the name of streams\.x already$/],
  ],
  [
    'a stream with the name of the main one',
    '[streams.fraiseql_events]\nsubjects = ["x"]\n',
    [/:1: .*is the name of stream\.name already$/],
  ],
  [
    'a partition that is not there',
    `${RULE}subject = "a.{partition}"\n`,
    [/^fraiseql\.toml:3: observers\[0\]\.subject: has \{partition\}, but \[partitions\] is not enabled$/],
  ],

  // Rules
  [
    'a rule of nothing',
    '[[observers]]\nsubject = "a"\n',
    [`${T}:1: observers[0]: a rule needs table, channel or entity`],
  ],
  [
    'an unknown event',
    `${RULE}event = "INSRT"\n`,
    [`${T}:3: observers[0].event: unknown event "INSRT"; did you mean INSERT?`],
  ],
  [
    'an unknown event in a list',
    `${RULE}event = [\n"insert",\n"CREATED"]\n`,
    [/^fraiseql\.toml:5: observers\[0\]\.event\[1\]: unknown event "CREATED"/],
  ],
  ['no event', `${RULE}event = []\n`, [/:3: observers\[0\]\.event: names no event/]],
  [
    'event and event_type',
    `${RULE}event = "INSERT"\nevent_type = "INSERT"\n`,
    [/:4: observers\[0\]\.event_type: is the same as event/],
  ],
  ['an empty table', '[[observers]]\ntable = ""\n', [`${T}:2: observers[0].table: is empty`]],
  [
    'an empty subject',
    `${RULE}subject = ""\n`,
    [`${T}:3: observers[0].subject: a subject must not be empty`],
  ],
  ['white space in a subject', `${RULE}subject = "a b"\n`, [/:3: observers\[0\]\.subject: .*white space$/]],
  ['a wildcard in a subject', `${RULE}subject = "a.*"\n`, [/:3: observers\[0\]\.subject: .*wildcards/]],
  [
    'an unknown placeholder',
    `${RULE}subject = "a.{tabel}"\n`,
    [/:3: observers\[0\]\.subject: unknown placeholder \{tabel\}/],
  ],
  ['an open brace', `${RULE}subject = "a.{table"\n`, [/:3: observers\[0\]\.subject: a brace/]],
  ['an empty token', `${RULE}nats_subject = "a..b"\n`, [/:3: observers\[0\]\.nats_subject: .*two in a row$/]],
  [
    'subject and nats_subject',
    `${RULE}subject = "a"\nnats_subject = "b"\n`,
    [`${T}:4: observers[0].nats_subject: is the same as subject; keep one of them`],
  ],
  [
    'a channel without a subject',
    '[[observers]]\nchannel = "c"\n',
    [`${T}:1: observers[0]: a rule with channel needs nats_subject`],
  ],
  [
    'a channel with a table',
    '[[observers]]\nchannel = "c"\nnats_subject = "s"\ntable = "t"\n',
    [`${T}:4: observers[0].table: a rule with channel can not have table`],
  ],
  ['a bad subject beside none', `${RULE}${RULE}subject = "a b"\n`, [/:5: observers\[1\]\.subject: /]],
  [
    'equal rules',
    `${RULE}event = "insert"\n${RULE}event = ["INSERT"]\n`,
    [`${T}:4: observers[1]: is equal to the rule at ${T}:1; remove one of them`],
  ],
  [
    'rules that overlap',
    `${RULE}${RULE}event = "INSERT"\n`,
    [
      /^fraiseql\.toml:3: observers\[1\]: sends the same events to the same subject as the rule at fraiseql\.toml:1/,
    ],
  ],
  [
    'rules with one subject and two formats',
    `${RULE}${RULE}format = "row"\n`,
    [
      /:3: observers\[1\]: sends the same change to the same subject in another format as the rule at fraiseql\.toml:1/,
    ],
  ],
  [
    'equal rules, one of which names the format that both have',
    `${RULE}${RULE}format = "row"\n[event]\nformat = "row"\n`,
    [/:3: observers\[1\]: is equal to the rule at fraiseql\.toml:1/],
  ],
  [
    "equal rules of a worker, with numbers that JSON can't write",
    '[[observers]]\nentity = "A"\nactions = [{ n = 9223372036854775807 }]\n'.repeat(2),
    [/:4: observers\[1\]: is equal to the rule at fraiseql\.toml:1/],
  ],
  [
    'a URL of NATS that is none',
    '[nats]\nurl = "nats://a:0"\n',
    [
      /^fraiseql\.toml:2: nats\.url: the URL of a NATS server has a port that is not 1 to 65535\. Write nats:\/\/host/,
    ],
  ],
]

describe('mistakes in a file', () => {
  for (const [title, text, expected] of CASES) {
    it(title, () => {
      const { messages } = inspectFiles(text, { env: { ...ENV, EMPTY: '' } })
      assert.equal(messages.length, expected.length, messages.join('\n'))
      messages.forEach((message, i) => {
        const wanted = expected[i]!
        if (typeof wanted === 'string') assert.equal(message, wanted)
        else assert.match(message, wanted)
      })
    })
  }

  it('are told all at once, in the order of the lines, with exit code 78', () => {
    const text = `[http]\nport = "x"\nprot = 1\n[nats]\nurl = "\${NOWHERE}"\n[[observers]]\nsubject = ""\n`
    withFolder({ 'fraiseql.toml': text, 'fraiseql-observer.toml': '[log]\nlevel = 1\n' }, folder => {
      const load = () => loadConfig({ configPath: `${folder}/fraiseql.toml`, env: {} })
      assert.throws(load, (error: unknown) => {
        assert.ok(error instanceof ConfigurationError)
        assert.equal(exitCodeOf(error), EXIT.configuration)
        assert.deepEqual(
          error.problems.map(({ file, line }) => `${file?.slice(folder.length + 1)}:${line}`),
          [
            'fraiseql.toml:null',
            'fraiseql.toml:2',
            'fraiseql.toml:3',
            'fraiseql.toml:5',
            'fraiseql.toml:6',
            'fraiseql.toml:7',
            'fraiseql-observer.toml:2',
          ],
        )
        for (const { message } of error.problems) assert.ok(error.message.includes(message))
        return true
      })
    })
  })

  it('are not blamed on tables of other programs', () => {
    const { messages, warned } = inspectFiles(
      `[project]\nprot = 1\n[security.enterprise]\nenabled = "\${NO}"\n[[x]]\n`,
    )
    assert.deepEqual([messages, warned], [[], []])
  })

  it('in the name of a table are a warning, because other programs may have such a table', () => {
    const { messages, warned } = inspectFiles('[replicaton]\nslot_name = "a"\n')
    assert.deepEqual(messages, [])
    assert.deepEqual(warned, [
      `${T}:1: replicaton: is not a table of the observer and has no effect; did you mean replication?`,
    ])
  })
})

describe('a missing database URL', () => {
  const message =
    'database.url: is not set; set the environment variable DATABASE_URL, or write url under [database]'

  it('is an error', () => {
    assert.deepEqual(inspectFiles('', { env: {} }).messages, [`${T}: ${message}`])
    assert.deepEqual(inspectFiles('\n[database]\n', { env: {} }).messages, [`${T}:2: ${message}`])
    assert.deepEqual(inspectFiles({}, { env: {}, configPath: undefined }).messages, [message])
  })

  it('is another error than a wrong one', () => {
    const [message, ...others] = inspectFiles('[database]\nurl = "mysql://h/d"\n', { env: {} }).messages
    assert.match(
      message!,
      /^fraiseql\.toml:2: database\.url: the database URL does not begin with postgresql:\/\//,
    )
    assert.deepEqual(others, [])
  })

  it('is none where nobody asks PostgreSQL', () => {
    assert.deepEqual(inspectFiles('', { env: {}, needsDatabase: false }).messages, [])
  })

  it('is not told beside a file that could not be read', () => {
    assert.equal(inspectFiles('[', { env: {} }).messages.length, 1)
  })
})
