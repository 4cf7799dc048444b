/**
 * The greeting of a NATS server: the first line it sends, before TLS and before anybody logs in. Read once before
 * the client connects, because what it says (TLS or not, certificate wanted or not) can't be told from the client's
 * errors, and some of these misfits would only show as a time-out.
 * https://docs.nats.io/reference/reference-protocols/nats-protocol#info
 */
import { createConnection } from 'node:net'
import { ConfigurationError, RetryableError } from './errors.ts'

export interface Greeting {
  readonly version: string
  readonly tls_required: boolean
  readonly tls_available: boolean
  /** The server wants a certificate of the client's. */
  readonly tls_verify: boolean
  /** Bytes of header and payload; null: it does not say. */
  readonly max_payload: number | null
}

const MAX_BYTES = 1024 * 1024

/** Rejects with the socket's error, with ours, or with `signal.reason`. */
export function readGreeting(server: string, timeoutMs: number, signal?: AbortSignal): Promise<Greeting> {
  const colon = server.lastIndexOf(':')
  const host = server.slice(0, colon).replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port: Number(server.slice(colon + 1)) })
    let text = ''
    const abort = () => end(() => reject(signal?.reason))
    const timer = setTimeout(() => end(() => reject(silent(server, timeoutMs, socket.connecting))), timeoutMs)
    const end = (settle: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      socket.removeAllListeners()
      socket.on('error', () => {})
      socket.destroy()
      settle()
    }
    signal?.addEventListener('abort', abort, { once: true })
    socket.on('error', error => end(() => reject(error)))
    socket.on('close', () => end(() => reject(silent(server, timeoutMs, false))))
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (!text.includes('\n') && text.length < MAX_BYTES) return
      const greeting = parseGreeting(text)
      end(() => (greeting === null ? reject(notNats(server)) : resolve(greeting)))
    })
  })
}

/** null: not the greeting of a NATS server. */
export function parseGreeting(text: string): Greeting | null {
  const json = /^INFO\s+(\{[^\r\n]*\})\s*\r?\n/.exec(text)?.[1]
  if (json === undefined) return null
  try {
    const info = JSON.parse(json) as Readonly<Record<string, unknown>>
    return {
      version: typeof info.version === 'string' ? info.version : '',
      tls_required: info.tls_required === true,
      tls_available: info.tls_available === true,
      tls_verify: info.tls_verify === true,
      max_payload: typeof info.max_payload === 'number' ? info.max_payload : null,
    }
  } catch {
    return null
  }
}

function silent(server: string, timeoutMs: number, connecting: boolean): RetryableError {
  return connecting
    ? new RetryableError(`NATS at ${server}: no connection within ${timeoutMs} ms`, {
        code: 'ETIMEDOUT',
        remedy: 'Check host, port and firewalls between here and NATS, or raise [nats] connect_timeout_ms.',
      })
    : new RetryableError(`NATS at ${server}: the server does not greet`, {
        code: 'NATS_SILENT',
        remedy:
          'Check that it is the client port of a NATS server (4222), and that its tls block has no handshake_first = true.',
      })
}

function notNats(server: string): ConfigurationError {
  return new ConfigurationError(`NATS at ${server}: what answers there is not a NATS server`, {
    code: 'NOT_NATS',
    remedy: 'Check host and port in NATS_URL: the client port is 4222 by default, 8222 is for monitoring.',
  })
}
