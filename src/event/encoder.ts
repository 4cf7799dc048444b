/**
 * What a format is: it makes one encoder for each relation and operation, ahead of time, and that encoder writes each
 * such event as the payload of a message. One file per format in format/; `createFormat` in encode.ts picks.
 */
import type { ByteWriter } from './bytes.ts'
import type { Numbers } from './encode-number.ts'
import type { Event, Operation, Relation } from './event.ts'
import type { MessageId } from './message-id.ts'

export interface Encoder {
  /** Appends the payload of `event`, which has the relation and operation it was made for. Throws PoisonError. */
  encode(event: Event, id: MessageId, out: ByteWriter): void
  /** The format has a place to say which columns were left out, so that a message too large can be trimmed. */
  readonly namesOmissions: boolean
}

export interface Format {
  /** For the events of one operation. */
  forRelation(relation: Relation, entity: string, operation: Operation): Encoder
  /** For CUSTOM events, which have no relation. */
  forMessage(entity: string): Encoder
}

/** Where the events come from, for the formats that say so in each message. */
export interface SourceIdentity {
  /** PostgreSQL's system identifier in base 36. */
  readonly system: string
  readonly database: string
  /** Debezium's logical name of the source. */
  readonly name: string
  /** The version of this program. */
  readonly version: string
}

export interface FormatOptions {
  readonly numbers: Numbers
  readonly entity: 'copy' | 'omit'
  readonly source: SourceIdentity
}
