/** Random values for to-jsonb.test.ts, as literals of PostgreSQL: scalars by type, arrays and composites of any. */
import fc from 'fast-check'
import type { TypeCase } from './to-jsonb-values.ts'

export type Literal = string | null

const NAMED_DIGITS = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 60 })
const TEXT = fc.string({ unit: 'binary', maxLength: 40 }).map(text => text.replaceAll('\0', '\x01'))
const INTEGER = (bits: bigint) =>
  fc.bigInt({ min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 1n }).map(String)

const TIMESTAMP = fc
  .tuple(
    fc.integer({ min: -4712, max: 20_000 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 28 }),
  )
  .chain(([year, month, day]) =>
    fc
      .tuple(fc.integer({ min: 0, max: 86_399 }), fc.integer({ min: 0, max: 999_999 }))
      .map(([second, us]) => {
        const time = [second / 3600, (second / 60) % 60, second % 60].map(n => two(Math.floor(n))).join(':')
        const date = `${String(Math.abs(year) || 1).padStart(4, '0')}-${two(month)}-${two(day)}`
        return `${date} ${time}.${String(us).padStart(6, '0')}${year < 0 ? ' BC' : ''}`
      }),
  )

const JSONB = fc.json({ stringUnit: 'binary', maxDepth: 3 }).filter(text => !text.includes('\\u0000'))

const RANDOM: Readonly<Record<string, fc.Arbitrary<string>>> = {
  text: TEXT,
  varchar: TEXT,
  bpchar: TEXT,
  citext: TEXT,
  int2: INTEGER(16n),
  int4: INTEGER(32n),
  int8: INTEGER(64n),
  numeric: fc
    .tuple(fc.constantFrom('', '-'), NAMED_DIGITS, fc.option(NAMED_DIGITS))
    .map(([sign, whole, fraction]) => sign + whole + (fraction === null ? '' : `.${fraction}`)),
  float4: fc.float().map(String),
  float8: fc.double().map(String),
  timestamp: TIMESTAMP,
  timestamptz: TIMESTAMP,
  interval: fc
    .tuple(INTEGER(16n), INTEGER(16n), INTEGER(30n), INTEGER(20n))
    .map(([months, days, seconds, us]) => `${months} mons ${days} days ${seconds} secs ${us} us`),
  uuid: fc.uuid(),
  bytea: fc.uint8Array({ maxLength: 40 }).map(bytes => `\\x${Buffer.from(bytes).toString('hex')}`),
  jsonb: JSONB,
  hstore: fc
    .array(fc.tuple(TEXT, fc.option(TEXT)), { maxLength: 5 })
    .map(pairs =>
      pairs.map(([key, value]) => `${quoted(key)}=>${value === null ? 'NULL' : quoted(value)}`).join(),
    ),
}

export function scalars({ sql, literals }: TypeCase): fc.Arbitrary<string> {
  const edges = fc.constantFrom(...literals)
  const random = RANDOM[sql]
  return random === undefined ? edges : fc.oneof(edges, random)
}

/** One to three dimensions, NULLs, empty, and sometimes lower bounds other than 1. */
export function arrays(element: fc.Arbitrary<string>, delimiter: string): fc.Arbitrary<string> {
  const item = fc.option(element, { freq: 5 })
  const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 })
  return sizes.chain(dimensions => {
    if (dimensions.length === 0) return fc.constant('{}')
    const count = dimensions.reduce((a, b) => a * b, 1)
    const items = fc.array(item, { minLength: count, maxLength: count })
    return fc.tuple(items, fc.boolean()).map(([values, shifted]) => {
      const bounds = dimensions.map(size => `[${size - 3}:${2 * size - 4}]`).join('')
      return (shifted ? `${bounds}=` : '') + arrayLiteral(values, dimensions, delimiter)
    })
  })
}

export function composites(fields: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(...fields.map(field => fc.option(field, { freq: 5 }))).map(values => {
    const texts = values.map(value => (value === null ? '' : `"${value.replaceAll(/["\\]/g, '$&$&')}"`))
    return `(${texts.join(',')})`
  })
}

function arrayLiteral(values: readonly Literal[], dimensions: readonly number[], delimiter: string): string {
  const [size = 0, ...inner] = dimensions
  const step = values.length / size
  const parts = Array.from({ length: size }, (_, i) => {
    const part = values.slice(i * step, (i + 1) * step)
    if (inner.length > 0) return arrayLiteral(part, inner, delimiter)
    return part[0] === null || part[0] === undefined ? 'NULL' : quoted(part[0])
  })
  return `{${parts.join(delimiter)}}`
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
