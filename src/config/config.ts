/**
 * The one configuration the rest of the program sees. Its types come from the table of keys in schema.ts; here stands
 * only what differs from what is written: rules, login, TLS and streams after they were checked together.
 */
import type { z } from 'zod'
import type { FORMATS, limitsSchema, OPERATIONS, settingsSchema } from './schema.ts'

export type RuleOperation = (typeof OPERATIONS)[number]
export type MessageFormat = (typeof FORMATS)[number]

/** Where a value or rule was written, for messages. */
export interface Origin {
  readonly file: string
  readonly line: number
}

export interface Rule {
  /** `schema.table` or `table`; null for channel rules. */
  readonly table: string | null
  readonly channel: string | null
  readonly entity: string | null
  /** Empty means all. */
  readonly operations: readonly RuleOperation[]
  /** Subject template; null means the default subject. */
  readonly subject: string | null
  readonly format: MessageFormat | null
  /** The worker's; the bridge publishes whatever they say. */
  readonly condition?: string | null
  readonly actions?: readonly Readonly<Record<string, unknown>>[]
  readonly origin: Origin
}

export type NatsAuth =
  | { readonly type: 'none' }
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'user'; readonly user: string; readonly password: string }
  | { readonly type: 'nkey'; readonly seed: string }
  | { readonly type: 'jwt'; readonly jwt: string; readonly seed: string }
  | { readonly type: 'creds'; readonly file: string }

type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Immutable<T[Name]> }
    : T

/** What is written, with the defaults filled in. */
export type Settings = Immutable<z.output<typeof settingsSchema>>

export type NatsTls = Omit<Settings['nats']['tls'], 'enabled'>

/** 0 means no limit, for age, bytes, messages and message size. */
export type StreamLimits = Immutable<z.output<typeof limitsSchema>>

export interface NamedStream extends StreamLimits {
  readonly name: string
  readonly subjects: readonly string[]
  readonly origin: Origin
}

export type Config = Omit<Settings, 'database' | 'nats' | 'streams'> & {
  readonly database: Omit<Settings['database'], 'ssl_mode'>
  readonly nats: Omit<Settings['nats'], 'auth' | 'tls'> & {
    readonly auth: NatsAuth
    /** null: plain text, unless a server URL says tls://. */
    readonly tls: NatsTls | null
  }
  readonly streams: readonly NamedStream[]
  readonly rules: readonly Rule[]
}
