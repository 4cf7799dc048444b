/** The one configuration the rest of the program sees. Key names are those of the file. */

export type RuleOperation = 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE' | 'CUSTOM'
export type MessageFormat = 'fraiseql' | 'row' | 'debezium' | 'cloudevents'

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
  readonly origin: Origin
}

export type NatsAuth =
  | { readonly type: 'none' }
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'user'; readonly user: string; readonly password: string }
  | { readonly type: 'nkey'; readonly seed: string }
  | { readonly type: 'jwt'; readonly jwt: string; readonly seed: string }
  | { readonly type: 'creds'; readonly file: string }

export interface NatsTls {
  readonly ca_file: string | null
  readonly cert_file: string | null
  readonly key_file: string | null
  readonly server_name: string | null
  readonly insecure_skip_verify: boolean
}

export interface StreamLimits {
  /** 0 means no limit, for all four. */
  readonly max_age_seconds: number
  readonly max_bytes: number
  readonly max_msgs: number
  readonly max_msg_size: number
  readonly duplicate_window_seconds: number
  readonly replicas: number
  readonly storage: 'file' | 'memory'
  readonly discard: 'old' | 'new'
  readonly retention: 'limits' | 'interest' | 'workqueue'
}

export interface NamedStream extends StreamLimits {
  readonly name: string
  readonly subjects: readonly string[]
  readonly origin: Origin
}

export interface Config {
  readonly database: { readonly url: string; readonly connect_timeout_ms: number }
  readonly replication: {
    readonly slot_name: string
    readonly publication_name: string
    readonly status_interval_ms: number
    /** Every how long an idle slot is moved by a logical message; 0: never. */
    readonly heartbeat_interval_ms: number
  }
  readonly nats: {
    readonly servers: readonly string[]
    readonly auth: NatsAuth
    /** null: plain text, unless a server URL says tls://. */
    readonly tls: NatsTls | null
    readonly connect_timeout_ms: number
  }
  readonly stream: StreamLimits & {
    readonly name: string
    readonly subject_prefix: string
    /** false: a missing stream is an error. */
    readonly create: boolean
  }
  readonly streams: readonly NamedStream[]
  readonly partitions: { readonly enabled: boolean; readonly key: string; readonly count: number }
  readonly rules: readonly Rule[]
  readonly event: {
    readonly format: MessageFormat
    readonly entity: 'copy' | 'omit'
    readonly numbers: 'number' | 'string'
  }
  readonly publish: {
    readonly max_in_flight_messages: number
    readonly max_in_flight_bytes: number
    readonly ack_timeout_ms: number
    readonly on_oversize: 'dead-letter' | 'trim' | 'stop'
  }
  readonly http: { readonly host: string; readonly port: number }
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error'
    readonly format: 'auto' | 'json' | 'pretty'
  }
  readonly shutdown_timeout_ms: number
}
