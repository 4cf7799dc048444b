/**
 * Edge values of PostgreSQL's types, as literals, for to-jsonb.test.ts. One entry per type; the test fails when the
 * server has a type that is neither here nor among those that no literal makes.
 */
import type { ValueType } from '../../src/event/value-type.ts'

export interface TypeCase {
  /** As in SQL. */
  readonly sql: string
  readonly literals: readonly string[]
  /** For types that are not built in. */
  readonly type?: ValueType
}

const STRING: ValueType = { kind: 'string' }
const LONG_NUMBER = `${'1234567890'.repeat(100)}.${'0987654321'.repeat(20)}`

/** Text that is hard on quoting: every control character, quotes, backslashes, braces, DEL, all lengths of UTF-8. */
export const TEXTS = [
  '',
  ' ',
  'plain',
  'NULL',
  'null',
  '"',
  '\\',
  '\\"',
  '""',
  '{}',
  '{"a":1}',
  '(a,b)',
  ',',
  "it's",
  '\\u0041',
  'a\tb\nc\rd\be\ff',
  Array.from({ length: 31 }, (_, i) => String.fromCharCode(i + 1)).join(''),
  '\x7f\x80\x9f',
  'ä€😀𝒳\u2028\u2029\ufeff\uffff',
  'e\u0301',
  '\u{10ffff}',
  `${'x'.repeat(255)}"\\${'y'.repeat(255)}\u0001z`,
  '"'.repeat(300),
] as const

const TIMESTAMPS = [
  'infinity',
  '-infinity',
  '1970-01-01 00:00:00',
  '2024-02-29 23:59:59.999999',
  '2024-02-29 23:59:59.1',
  '2024-02-29 12:00:00.00012',
  '0001-01-01 00:00:00',
  '0001-12-31 23:59:59.5 BC',
  '0044-03-15 12:00:00 BC',
  '4713-01-01 00:00:00 BC',
  '9999-12-31 23:59:59.999999',
  '10000-01-01 00:00:00',
  '294276-12-31 23:59:59.999999',
  '1883-11-18 12:03:58',
]

const FLOATS = [
  '0',
  '-0',
  '1',
  '-1.5',
  'NaN',
  'Infinity',
  '-Infinity',
  '1e15',
  '1e16',
  '1e20',
  '-2.5e-7',
  '0.1',
  '1e-5',
]

const NUMBERS: readonly TypeCase[] = [
  { sql: 'bool', literals: ['t', 'f'] },
  { sql: 'int2', literals: ['0', '-32768', '32767'] },
  { sql: 'int4', literals: ['0', '-1', '-2147483648', '2147483647'] },
  { sql: 'int8', literals: ['0', '-9223372036854775808', '9223372036854775807', '9007199254740993'] },
  { sql: 'float4', literals: [...FLOATS, '3.4028235e38', '1.17549435e-38', '1e-45', '16777216'] },
  {
    sql: 'float8',
    literals: [...FLOATS, '1.7976931348623157e308', '5e-324', '2.2250738585072014e-308', '1.25e300'],
  },
  {
    sql: 'numeric',
    literals: [
      '0',
      '-0.00',
      '1.10',
      'NaN',
      'Infinity',
      '-Infinity',
      LONG_NUMBER,
      `-${LONG_NUMBER}`,
      '1e-1000',
      '1e1000',
    ],
  },
  { sql: 'money', literals: ['0', '-1234567.89', '92233720368547758.07'] },
  { sql: 'oid', literals: ['0', '4294967295'] },
  { sql: 'xid', literals: ['3', '4294967295'] },
  { sql: 'cid', literals: ['0', '7'] },
  { sql: 'xid8', literals: ['18446744073709551615'] },
  { sql: 'tid', literals: ['(0,1)', '(4294967295,65535)'] },
  { sql: 'pg_lsn', literals: ['0/0', 'FFFFFFFF/FFFFFFFF'] },
  { sql: 'pg_snapshot', literals: ['10:20:10,14,15', '1:1:'] },
  { sql: 'txid_snapshot', literals: ['10:20:10,14,15'] },
  { sql: 'int2vector', literals: ['', '1', '1 -2 3'] },
  { sql: 'oidvector', literals: ['', '1', '1 2 4294967295'] },
]

const WORDS: readonly TypeCase[] = [
  { sql: 'text', literals: TEXTS },
  { sql: 'varchar', literals: TEXTS },
  { sql: 'bpchar', literals: TEXTS },
  { sql: 'char(7)', literals: ['', 'ab', 'äöü', '"\\'] },
  { sql: 'name', literals: ['', 'a"b', 'ä\\n'] },
  { sql: '"char"', literals: ['', 'a', '"', '\\', '\n'] },
  { sql: 'bytea', literals: ['\\x', '\\x00ff10', '\\xdeadbeef'] },
  { sql: 'xml', literals: ['<a b="c">\\&amp;ä</a>', 'text'] },
  { sql: 'json', literals: ['1', '{"a": 1, "b": [1, 2]}', '"x"'] },
  {
    sql: 'jsonb',
    literals: [
      'null',
      'true',
      '""',
      '"\\u0001\\"\\\\ä\\ud83d\\ude00"',
      '[]',
      '{}',
      `[${'9'.repeat(400)}, -${'1'.repeat(400)}.${'5'.repeat(50)}, 1e-5, 1.0]`,
      '{"a": 1, "A": 2, "a ": 3, "": {"a": [null, {"a": "b, c: d"}]}}',
    ],
  },
  { sql: 'jsonpath', literals: ['$', '$."a\\"b"[*] ? (@ > 1)', 'strict $.x'] },
  { sql: 'tsvector', literals: ['', "'a':1A 'b''c':2", "'\\\\x'"] },
  { sql: 'tsquery', literals: ["'a' & !'b''c'", "'x':*"] },
  { sql: 'uuid', literals: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'] },
  { sql: 'refcursor', literals: ['', 'a"b\\'] },
  { sql: 'aclitem', literals: ['postgres=arwdDxt/postgres', '=r/postgres'] },
  { sql: 'regproc', literals: ['now', '-'] },
  { sql: 'regprocedure', literals: ['lower(text)'] },
  { sql: 'regoper', literals: ['0'] },
  { sql: 'regoperator', literals: ['+(integer,integer)'] },
  { sql: 'regclass', literals: ['pg_class', '"we ""ird\\"'] },
  { sql: 'regtype', literals: ['integer', 'text[]', '"char"'] },
  { sql: 'regconfig', literals: ['english'] },
  { sql: 'regdictionary', literals: ['simple'] },
  { sql: 'regnamespace', literals: ['public'] },
  { sql: 'regrole', literals: ['postgres'] },
  { sql: 'regcollation', literals: ['"C"'] },
]

const TIMES: readonly TypeCase[] = [
  { sql: 'timestamp', literals: TIMESTAMPS },
  { sql: 'timestamptz', literals: TIMESTAMPS },
  { sql: 'date', literals: ['infinity', '-infinity', '2024-02-29', '0044-03-15 BC', '5874897-12-31'] },
  { sql: 'time', literals: ['00:00:00', '24:00:00', '12:34:56.123456'] },
  { sql: 'timetz', literals: ['00:00:00+00', '12:34:56.7-15:59:59', '12:00+05:30'] },
  {
    sql: 'interval',
    literals: ['0', '1 year 2 mons -3 days 04:05:06.789', '-1 microsecond', '178000000 years'],
  },
]

const SHAPES: readonly TypeCase[] = [
  { sql: 'point', literals: ['(0,-0)', '(1e300,-Infinity)', '(NaN,1)'] },
  { sql: 'lseg', literals: ['[(0,0),(1,1)]'] },
  { sql: 'line', literals: ['{1,-1,0}'] },
  { sql: 'box', literals: ['(1,1),(0,0)', '(1e20,2),(-1,-2)'] },
  { sql: 'path', literals: ['((0,0),(1,1))', '[(0,0),(1,1)]'] },
  { sql: 'polygon', literals: ['((0,0),(1,1),(1,0))'] },
  { sql: 'circle', literals: ['<(0,0),1>'] },
  { sql: 'inet', literals: ['127.0.0.1', '10.0.0.0/8', '::1', '2001:db8::/32'] },
  { sql: 'cidr', literals: ['10.0.0.0/8', '2001:db8::/32'] },
  { sql: 'macaddr', literals: ['08:00:2b:01:02:03'] },
  { sql: 'macaddr8', literals: ['08:00:2b:01:02:03:04:05'] },
  { sql: 'bit(3)', literals: ['101', '000'] },
  { sql: 'varbit', literals: ['', '1', '1010101'] },
]

const RANGES: readonly TypeCase[] = [
  { sql: 'int4range', literals: ['empty', '[1,5]', '(,)', '[,3)'] },
  { sql: 'int8range', literals: ['empty', '[1,9223372036854775806]'] },
  { sql: 'numrange', literals: ['empty', '[1.10,2.20)', '[-Infinity,NaN]'] },
  { sql: 'tsrange', literals: ['[2024-01-01 00:00:00,infinity]', '[0044-03-15 12:00:00 BC,)'] },
  { sql: 'tstzrange', literals: ['[2024-01-01 00:00:00+02,)'] },
  { sql: 'daterange', literals: ['[2024-01-01,2024-02-01)', '[0044-03-15 BC,)'] },
  { sql: 'int4multirange', literals: ['{}', '{[1,2),[5,9)}'] },
  { sql: 'int8multirange', literals: ['{[1,2)}'] },
  { sql: 'nummultirange', literals: ['{[1.0,2.0],(3,)}'] },
  { sql: 'tsmultirange', literals: ['{[2024-01-01 00:00:00,2024-01-02 00:00:00)}'] },
  { sql: 'tstzmultirange', literals: ['{[2024-01-01 00:00:00+00,2024-01-02 00:00:00+00)}'] },
  { sql: 'datemultirange', literals: ['{[2024-01-01,2024-02-01)}'] },
]

export const BUILTIN_CASES: readonly TypeCase[] = [...NUMBERS, ...WORDS, ...TIMES, ...SHAPES, ...RANGES]

/** Types that no literal makes: their input functions refuse, or they are for indexes and statistics only. */
export const WITHOUT_LITERALS = new Set([
  'gtsvector',
  'pg_brin_bloom_summary',
  'pg_brin_minmax_multi_summary',
  'pg_dependencies',
  'pg_mcv_list',
  'pg_ndistinct',
  'pg_node_tree',
])

/** Types of contrib extensions, tried where the extension is there. */
export const EXTENSION_CASES: readonly (TypeCase & { readonly extension: string })[] = [
  {
    extension: 'hstore',
    sql: 'hstore',
    type: { kind: 'hstore' },
    literals: ['', '"bb"=>"1", "a"=>NULL, "ä\\"\\\\"=>"NULL"', '"a"=>"\\"", ""=>""', '"é"=>"x","zz"=>"\n"'],
  },
  { extension: 'citext', sql: 'citext', type: STRING, literals: TEXTS },
  { extension: 'ltree', sql: 'ltree', type: STRING, literals: ['', 'Top.Science'] },
  { extension: 'cube', sql: 'cube', type: STRING, literals: ['(1,2),(3,4)'] },
  { extension: 'seg', sql: 'seg', type: STRING, literals: ['1.5 .. 2.5', '<3'] },
  { extension: 'isn', sql: 'isbn13', type: STRING, literals: ['978-0-393-04002-9'] },
]
