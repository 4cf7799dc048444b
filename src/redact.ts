/**
 * Takes secrets out of a text that somebody will read: passwords and tokens in URLs and connection strings,
 * NKey seeds, JWTs, and JSON members with telling names. Errors and logs should not hold any; this is for the
 * day one does.
 */

/**
 * Up to the last `@` before the next URL of a list, so that an unescaped `@`, `/` or `,` leaks no part of it.
 */
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)((?:(?!,\s*[a-z][a-z0-9+.-]*:\/\/)[^\s"'<>])*)@/gi
/** In NATS URLs a user without a password is a token. */
const TOKEN_SCHEMES = /^(nats|tls|wss?):/i
const PARAMETER = /\b(password|passwd|pwd|token|secret|sslpassword)=((?:'(?:[^'\\]|\\.)*')|[^\s&"'<>,;]+)/gi
const MEMBER = /"([a-z_]*(?:password|passwd|token|secret|seed|jwt|nkey))":\s*"(?:[^"\\]|\\.)*"/gi
const NKEY_SEED = /\bS[ACNOUX][A-Z2-7]{56}\b/g
const JWT = /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/g
const CREDS_BLOCK = /-----BEGIN ([A-Z ]+)-----[\s\S]*?-{3,}END \1-{3,}/g

const HIDDEN = '***'

export function redactSecrets(text: string): string {
  return text
    .replace(USER_INFO, (_, scheme: string, info: string) => `${scheme}${redactUser(scheme, info)}@`)
    .replace(PARAMETER, `$1=${HIDDEN}`)
    .replace(MEMBER, `"$1":"${HIDDEN}"`)
    .replace(NKEY_SEED, HIDDEN)
    .replace(JWT, HIDDEN)
    .replace(CREDS_BLOCK, HIDDEN)
}

/** Begins one URL of a list in one text. */
const NEXT_URL = /,(?=\s*[a-z][a-z0-9+.-]*:\/\/)/i
const QUERY_SECRET = /([?&](?:password|sslpassword)=)[^&]*/gi

/**
 * A text that is known to be nothing but one URL, or several with commas between: whatever stands before the last `@`
 * is the login, spaces and quotes too. One without a scheme is read as that of a NATS server.
 */
export function redactUrl(text: string): string {
  return text
    .split(NEXT_URL)
    .map(url => {
      const [, scheme = 'nats://', rest = ''] = /^\s*([a-z][a-z0-9+.-]*:\/\/)?(.*)$/is.exec(url) ?? []
      if (rest === '') return url
      const at = rest.lastIndexOf('@')
      const user = at < 0 ? '' : `${redactUser(scheme, rest.slice(0, at))}@`
      return `${scheme}${user}${rest.slice(at + 1)}`.replace(QUERY_SECRET, `$1${HIDDEN}`)
    })
    .join(',')
}

function redactUser(scheme: string, info: string): string {
  const colon = info.indexOf(':')
  if (colon >= 0) return `${info.slice(0, colon)}:${HIDDEN}`
  return TOKEN_SCHEMES.test(scheme) ? HIDDEN : info
}
