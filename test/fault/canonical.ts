/**
 * JSON in one spelling: no spaces, keys sorted, numbers as they are written. Two texts mean the same exactly when their
 * canonical texts are equal; nothing passes through a float.
 */
export type Json = string | JsonNumber | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** The digits as they stand in the text. */
export class JsonNumber {
  readonly digits: string

  constructor(digits: string) {
    this.digits = digits
  }
}

export function parseExactly(text: string): Json {
  const reader = new Reader(text)
  const value = reader.value()
  reader.end()
  return value
}

export function canonical(value: Json): string {
  if (value instanceof JsonNumber) return value.digits
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value as { [key: string]: Json }).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`
}

const TOKEN =
  /[ \t\r\n]*([{}[\]:,]|"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|$)/y

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(): Json {
    const token = this.#token()
    if (token === '{') return this.#object()
    if (token === '[') return this.#array()
    if (/^[-0-9]/.test(token)) return new JsonNumber(token)
    return JSON.parse(token) as Json
  }

  end(): void {
    if (this.#token() !== '') throw new Error(`more than one value: ${this.#text}`)
  }

  #token(): string {
    TOKEN.lastIndex = this.#at
    const match = TOKEN.exec(this.#text)
    if (match === null) throw new Error(`not JSON at ${this.#at}: ${this.#text}`)
    this.#at = TOKEN.lastIndex
    return match[1]!
  }

  #next(): string {
    const at = this.#at
    const token = this.#token()
    this.#at = at
    return token
  }

  #object(): Json {
    const object: Record<string, Json> = Object.create(null) as Record<string, Json>
    if (this.#next() === '}') {
      this.#token()
      return object
    }
    for (;;) {
      const key = JSON.parse(this.#token()) as string
      if (this.#token() !== ':') throw new Error(`no colon: ${this.#text}`)
      object[key] = this.value()
      if (this.#token() === '}') return object
    }
  }

  #array(): Json {
    const items: Json[] = []
    if (this.#next() === ']') {
      this.#token()
      return items
    }
    for (;;) {
      items.push(this.value())
      if (this.#token() === ']') return items
    }
  }
}
