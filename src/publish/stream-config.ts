/**
 * A stream as JetStream's API writes it: only the fields that the daemon reads or sets, all known since nats-server
 * 2.9. Times are nanoseconds, -1 means no limit. https://docs.nats.io/nats-concepts/jetstream/streams
 */
import type { StreamLimits } from '../config/config.ts'
import type { PlannedStream } from './stream-plan.ts'

export interface StreamConfig {
  readonly name: string
  readonly subjects?: readonly string[] | null
  readonly retention: StreamLimits['retention']
  readonly storage: StreamLimits['storage']
  readonly discard: StreamLimits['discard']
  readonly num_replicas: number
  readonly max_age: number
  readonly max_bytes: number
  readonly max_msgs: number
  readonly max_msg_size?: number
  readonly max_msgs_per_subject?: number
  readonly duplicate_window?: number
  readonly no_ack?: boolean
  readonly sealed?: boolean
  readonly mirror?: object | null
  readonly sources?: readonly { readonly name: string }[] | null
  readonly republish?: { readonly src?: string; readonly dest: string } | null
  readonly subject_transform?: { readonly src?: string; readonly dest: string } | null
  readonly allow_msg_counter?: boolean
  readonly allow_direct?: boolean
  /** Both nats-server 2.12 and later. */
  readonly allow_atomic?: boolean
  readonly persist_mode?: 'default' | 'async'
}

export interface StreamInfo {
  readonly config: StreamConfig
  readonly state: {
    readonly messages: number
    readonly bytes: number
    readonly first_seq: number
    readonly last_seq: number
  }
  readonly created: string
  /** `name`: of the cluster that the server belongs to; '' or missing: none. */
  readonly cluster?: { readonly name?: string }
}

const NANOSECONDS = 1e9

/** Bytes of header and payload; null: only the server's max_payload counts. */
export function messageLimit({ max_msg_size = -1 }: StreamConfig): number | null {
  return max_msg_size > 0 ? max_msg_size : null
}

/** `atomic`: the server knows atomic batches. */
export function streamConfigOf(
  { name, subjects }: PlannedStream,
  limits: StreamLimits,
  atomic: boolean,
): StreamConfig {
  return {
    ...{ name, subjects },
    retention: limits.retention,
    storage: limits.storage,
    discard: limits.discard,
    num_replicas: limits.replicas,
    max_age: limits.max_age_seconds * NANOSECONDS,
    max_bytes: limits.max_bytes || -1,
    max_msgs: limits.max_msgs || -1,
    max_msg_size: limits.max_msg_size || -1,
    ...(limits.duplicate_window_seconds > 0
      ? { duplicate_window: limits.duplicate_window_seconds * NANOSECONDS }
      : {}),
    allow_direct: true,
    ...(atomic ? { allow_atomic: true } : {}),
  }
}
