/**
 * The configuration as it may be shown: every key with its value and where that came from, without passwords, tokens,
 * seeds and JWTs. `/status`, logs and `validate-config` take values from here and never from `Config` itself.
 */
import { redactSecrets, redactUrl } from '../redact.ts'
import type { Config } from './config.ts'
import { formatKeyPath } from './key-path.ts'
import { KEYS, type Key } from './keys.ts'

export interface ShownValue {
  readonly key: string
  readonly value: unknown
  /** `default`, `fraiseql.toml:3`, `env NATS_URL`, `flag`. */
  readonly source: string
}

const HIDDEN = '***'

/** In the order of the table of keys; keys without a value are left out. */
export function shownValues(config: Config, sources: ReadonlyMap<string, string>): ShownValue[] {
  const root = writtenShape(config)
  return KEYS.flatMap(key =>
    valuesAt(root, key.path).flatMap(({ path, value }) => {
      if (value === undefined || value === null) return []
      const name = formatKeyPath(path)
      const inherited =
        key.path[0] === 'streams' ? (sources.get(`stream.${key.path.at(-1)}`) ?? 'default') : 'default'
      return [{ key: name, value: shown(value, key), source: sources.get(name) ?? inherited }]
    }),
  )
}

function shown(value: unknown, { secret }: Key): unknown {
  if (secret === undefined) return typeof value === 'string' ? redactSecrets(value) : value
  if (secret === true) return HIDDEN
  return Array.isArray(value) ? value.map(url => redactUrl(String(url))) : redactUrl(String(value))
}

/** `Config` with login, TLS and streams under the names of their keys again. */
function writtenShape(config: Config): Readonly<Record<string, unknown>> {
  const { auth, tls } = config.nats
  const { seed, file, ...others } = { seed: undefined, file: undefined, ...auth }
  return {
    ...config,
    nats: {
      ...config.nats,
      auth: { ...others, nkey: seed, creds: file },
      tls: tls === null ? { enabled: false } : { enabled: true, ...tls },
    },
    streams: Object.fromEntries(config.streams.map(stream => [stream.name, stream])),
  }
}

function valuesAt(
  value: unknown,
  path: readonly string[],
  done: readonly string[] = [],
): { path: readonly string[]; value: unknown }[] {
  const [segment, ...rest] = path
  if (segment === undefined) return [{ path: done, value }]
  if (typeof value !== 'object' || value === null) return []
  const table = value as Readonly<Record<string, unknown>>
  const names = segment === '*' ? Object.keys(table) : [segment]
  return names.flatMap(name => valuesAt(table[name], rest, [...done, name]))
}
