/**
 * The headers and keys of a TOML text with their places, because the parser gives none. It parses no values, only
 * walks over them; where the text is not TOML it ends early, and the parser tells why. Tested against the parser
 * (test/unit/config-positions.test.ts). https://toml.io/en/v1.0.0
 */
import { parse } from 'smol-toml'

/** What stands right of `=`; positions of nested keys and elements, and nothing of the values themselves. */
export type ScannedValue =
  | { readonly kind: 'scalar' }
  | {
      readonly kind: 'array'
      readonly items: readonly { readonly line: number; readonly value: ScannedValue }[]
    }
  | { readonly kind: 'inline table'; readonly entries: readonly ScannedEntry[] }

export interface ScannedEntry {
  readonly path: readonly string[]
  readonly line: number
  readonly value: ScannedValue
}

/** `start` and `end` enclose the first segment of the path as it is written, quotes included. */
export type Statement = { readonly start: number; readonly end: number } & (
  | { readonly kind: 'table' | 'array of tables'; readonly path: readonly string[]; readonly line: number }
  | ({ readonly kind: 'key' } & ScannedEntry)
)

/** The parser has the same limit; more would only serve to exhaust the stack. */
const MAX_DEPTH = 1_000

/** Thrown to leave the walk; never leaves this file. */
const NOT_TOML = Symbol('not TOML')

export function scanToml(text: string): Statement[] {
  const statements: Statement[] = []
  const scan = new Scan(text)
  try {
    for (let next = scan.statement(); next !== null; next = scan.statement()) statements.push(next)
  } catch (reason) {
    if (reason !== NOT_TOML) throw reason
  }
  return statements
}

class Scan {
  readonly #text: string
  #at = 0
  /** `#line` is the line of `#counted`; both only move forward. */
  #line = 1
  #counted = 0

  constructor(text: string) {
    this.#text = text
    if (text.charCodeAt(0) === 0xfeff) this.#at = 1
  }

  statement(): Statement | null {
    this.#blank(true)
    if (this.#at >= this.#text.length) return null
    const line = this.#lineHere()
    const found = this.#text[this.#at] === '[' ? this.#header(line) : this.#key(line)
    this.#blank(false)
    if (this.#text[this.#at] === '#') this.#comment()
    if (this.#at < this.#text.length && !/[\r\n]/.test(this.#text[this.#at]!)) throw NOT_TOML
    return found
  }

  #header(line: number): Statement {
    const list = this.#text[this.#at + 1] === '['
    this.#at += list ? 2 : 1
    const { path, start, end } = this.#path(']')
    if (list) this.#expect(']')
    return { kind: list ? 'array of tables' : 'table', path, line, start, end }
  }

  #key(line: number): Statement {
    const { path, start, end } = this.#path('=')
    this.#blank(false)
    return { kind: 'key', path, line, start, end, value: this.#value(0) }
  }

  /** A dotted path of bare and quoted segments, up to and with `close`. */
  #path(close: string): { path: string[]; start: number; end: number } {
    const path: string[] = []
    let start = this.#at
    let end = this.#at
    for (;;) {
      this.#blank(false)
      if (path.length === 0) start = this.#at
      path.push(this.#segment())
      if (path.length === 1) end = this.#at
      this.#blank(false)
      if (this.#text[this.#at] !== '.') break
      this.#at++
    }
    this.#expect(close)
    return { path, start, end }
  }

  #segment(): string {
    const quoted = /"(?:[^"\\\n]|\\[^\n])*"|'[^'\n]*'/y
    quoted.lastIndex = this.#at
    const raw = quoted.exec(this.#text)?.[0]
    if (raw !== undefined) {
      this.#at += raw.length
      return unquoted(raw)
    }
    const bare = /[A-Za-z0-9_-]+/y
    bare.lastIndex = this.#at
    const name = bare.exec(this.#text)?.[0]
    if (name === undefined) throw NOT_TOML
    this.#at += name.length
    return name
  }

  #value(depth: number): ScannedValue {
    if (depth > MAX_DEPTH) throw NOT_TOML
    const first = this.#text[this.#at]
    if (first === '[') return { kind: 'array', items: this.#array(depth) }
    if (first === '{') return { kind: 'inline table', entries: this.#inlineTable(depth) }
    if (first === '"' || first === "'") this.#string(first)
    else {
      const scalar = /[^,\]}#\n]+/y
      scalar.lastIndex = this.#at
      if (!scalar.test(this.#text)) throw NOT_TOML
      this.#at = scalar.lastIndex
    }
    return { kind: 'scalar' }
  }

  #array(depth: number): { line: number; value: ScannedValue }[] {
    const items: { line: number; value: ScannedValue }[] = []
    this.#at++
    for (;;) {
      this.#blank(true)
      if (this.#text[this.#at] === ']') break
      items.push({ line: this.#lineHere(), value: this.#value(depth + 1) })
      this.#blank(true)
      if (this.#text[this.#at] !== ',') break
      this.#at++
    }
    this.#expect(']')
    return items
  }

  /** The parser takes the line breaks and comments of TOML 1.1 inside inline tables, so they are taken here. */
  #inlineTable(depth: number): ScannedEntry[] {
    const entries: ScannedEntry[] = []
    this.#at++
    for (;;) {
      this.#blank(true)
      if (this.#text[this.#at] === '}') break
      const line = this.#lineHere()
      const { path } = this.#path('=')
      this.#blank(false)
      entries.push({ path, line, value: this.#value(depth + 1) })
      this.#blank(true)
      if (this.#text[this.#at] !== ',') break
      this.#at++
    }
    this.#expect('}')
    return entries
  }

  /** Four kinds; one or two more quotes before the closing three belong to the text. */
  #string(quote: string): void {
    const fence = this.#text.startsWith(quote.repeat(3), this.#at) ? quote.repeat(3) : quote
    this.#at += fence.length
    while (!this.#text.startsWith(fence, this.#at)) {
      if (this.#at >= this.#text.length) throw NOT_TOML
      if (fence.length === 1 && this.#text[this.#at] === '\n') throw NOT_TOML
      this.#at += quote === '"' && this.#text[this.#at] === '\\' ? 2 : 1
    }
    this.#at += fence.length
    if (fence.length === 3) {
      for (let extra = 0; extra < 2 && this.#text[this.#at] === quote; extra++) this.#at++
    }
  }

  /** Spaces and tabs; with `lines` also line breaks and comments. */
  #blank(lines: boolean): void {
    for (;;) {
      const character = this.#text[this.#at]
      if (character === ' ' || character === '\t') this.#at++
      else if (lines && character === '\n') this.#at++
      else if (lines && character === '\r' && this.#text[this.#at + 1] === '\n') this.#at++
      else if (lines && character === '#') this.#comment()
      else return
    }
  }

  #comment(): void {
    const end = this.#text.indexOf('\n', this.#at)
    this.#at = end < 0 ? this.#text.length : end
  }

  #expect(character: string): void {
    if (this.#text[this.#at] !== character) throw NOT_TOML
    this.#at++
  }

  #lineHere(): number {
    for (; this.#counted < this.#at; this.#counted++) {
      if (this.#text.charCodeAt(this.#counted) === 0x0a) this.#line++
    }
    return this.#line
  }
}

/** Escapes are the parser's affair: it reads the segment as a key of its own. */
function unquoted(raw: string): string {
  try {
    return Object.keys(parse(`${raw}=0`))[0] ?? ''
  } catch {
    throw NOT_TOML
  }
}
