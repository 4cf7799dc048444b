/**
 * Source text without what only looks like code: comments, strings, templates and regular expressions become blanks,
 * character by character, so that lines and columns stay. Small enough to be trusted, and TypeScript's own parser has
 * no stable interface in version 7. It relies on formatted code.
 */

/** `strings: true` blanks only comments, for rules that look at what stands in strings. */
export function masked(text: string, keep: { readonly strings?: boolean } = {}): string {
  let out = ''
  let at = 0
  /** Nesting of `${` in templates: the count of open braces within each. */
  const holes: number[] = []
  while (at < text.length) {
    const end = literalEnd(text, at, out, holes)
    if (end === at) {
      const char = text[at] as string
      const depth = holes.length - 1
      if (depth >= 0 && char === '{') holes[depth] = (holes[depth] ?? 0) + 1
      if (depth >= 0 && char === '}') holes[depth] = (holes[depth] ?? 0) - 1
      out += char
      at += 1
      continue
    }
    const literal = text.slice(at, end)
    out += keep.strings === true && !/^\/[/*]/.test(literal) ? literal : literal.replace(/[^\n]/g, ' ')
    at = end
  }
  return out
}

/** Where the literal or comment that begins at `at` ends; `at` itself when none begins there. */
function literalEnd(text: string, at: number, before: string, holes: number[]): number {
  const two = text.slice(at, at + 2)
  if (two === '//') return indexOr(text, '\n', at)
  if (two === '/*') return indexOr(text, '*/', at + 2, 2)
  const char = text[at]
  if (char === "'" || char === '"') return quotedEnd(text, at, char)
  if (char === '`') return templateEnd(text, at + 1, holes)
  if (char === '}' && holes.at(-1) === 0) {
    holes.pop()
    return templateEnd(text, at + 1, holes)
  }
  if (char === '/' && regexMayBegin(before)) return regexEnd(text, at)
  return at
}

function indexOr(text: string, needle: string, from: number, extra = 0): number {
  const index = text.indexOf(needle, from)
  return index < 0 ? text.length : index + extra
}

function quotedEnd(text: string, at: number, quote: string): number {
  let index = at + 1
  while (index < text.length && text[index] !== quote && text[index] !== '\n')
    index += text[index] === '\\' ? 2 : 1
  return index + 1
}

/** To the closing backtick, or past the `${` of a hole, whose code is then read as code. */
function templateEnd(text: string, from: number, holes: number[]): number {
  let index = from
  while (index < text.length && text[index] !== '`') {
    if (text.startsWith('${', index)) {
      holes.push(0)
      return index + 2
    }
    index += text[index] === '\\' ? 2 : 1
  }
  return index + 1
}

function regexEnd(text: string, at: number): number {
  let inClass = false
  for (let index = at + 1; index < text.length; index++) {
    const char = text[index]
    if (char === '\\') index += 1
    else if (char === '[') inClass = true
    else if (char === ']') inClass = false
    else if (char === '\n') return at
    else if (char === '/' && !inClass) return index + 1
  }
  return at
}

/** A slash divides after a value, and begins a regular expression anywhere else. */
function regexMayBegin(before: string): boolean {
  const code = before.trimEnd()
  if (/(^|[^\w$.])(return|typeof|case|in|of|do|else|void|await|yield|throw)$/.test(code)) return true
  return !/[\w$)\]}]$/.test(code)
}
