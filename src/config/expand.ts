/**
 * `${VAR}` and `${VAR:-default}` in a text. Done after parsing, so that no value of a variable can change the
 * structure of the file. The default also stands for a variable that is set to nothing, as in a shell.
 */

export type Environment = Readonly<Record<string, string | undefined>>

export type Expanded = { readonly text: string } | { readonly problem: string }

export function expandVariables(text: string, env: Environment): Expanded {
  const problems = new Set<string>()
  const empty: string[] = []
  const expanded = text.replace(/\$\{([^}]*)(\}?)/g, (_, inside: string, closed: string) => {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside)
    if (match === null || closed === '') {
      problems.add(`holds a \${ that is neither \${NAME} nor \${NAME:-default}`)
      return ''
    }
    const [, name, fallback] = match
    const value = env[name!]
    if (value === '' && fallback === undefined) empty.push(name!)
    if (value !== undefined && (value !== '' || fallback === undefined)) return value
    if (fallback === undefined) problems.add(unset(name!))
    return fallback ?? ''
  })
  if (expanded === '' && empty.length > 0)
    problems.add(`the environment variable ${empty.join(' and ')} is set to nothing`)
  return problems.size === 0 ? { text: expanded } : { problem: [...problems].join('; ') }
}

export function hasVariables(text: string): boolean {
  return text.includes('${')
}

function unset(name: string): string {
  return `the environment variable ${name} is not set; set it, or write \${${name}:-default}`
}
