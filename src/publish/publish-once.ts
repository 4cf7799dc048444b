/** One message, published alone and waited for: for what the daemon itself has to say in a stream. */
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { RetryableError } from '../errors.ts'
import { parsePubAck } from './pub-ack.ts'

const TIMEOUT_MS = 5000

/** Published twice with the same `Nats-Msg-Id`, it is stored once (within the duplicate window). */
export async function publishOnce(
  nc: NatsConnection,
  subject: string,
  values: Readonly<Record<string, string>>,
  body: object,
): Promise<void> {
  const hdrs = headers()
  for (const [name, value] of Object.entries(values)) hdrs.set(name, value)
  const answer = await nc
    .request(subject, JSON.stringify(body), { headers: hdrs, timeout: TIMEOUT_MS })
    .catch(cause => {
      throw notStored(subject, 'no publish ack', cause)
    })
  const ack = parsePubAck(answer.data)
  if (ack.kind === 'refused') throw notStored(subject, `${ack.description} (${ack.code})`)
}

function notStored(subject: string, why: string, cause?: unknown): RetryableError {
  return new RetryableError(`JetStream did not store a message for ${subject}: ${why}`, {
    code: 'NOT_STORED',
    remedy: 'The daemon tries again; look at the stream and its servers if this repeats.',
    cause,
  })
}
