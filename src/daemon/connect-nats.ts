/** NATS for one run: connected, its changes of state on the board and in the log, its publisher told of them. */
import type { NatsConnection } from '@nats-io/transport-node'
import { FatalError, RetryableError } from '../errors.ts'
import { connectNats, type NatsStatus } from '../nats.ts'
import { failsRequest, requestFailure } from '../nats-api.ts'
import { loginFailure } from '../nats-connect-error.ts'
import { APPLICATION_NAME, type Context } from './context.ts'
import { limitChanged } from './watch-limits.ts'

/** `fail`: the connection is closed for good. */
export async function connectToNats(
  { config, board, log }: Context,
  signal: AbortSignal,
  fail: (error: unknown) => void,
): Promise<NatsConnection> {
  // What was told last of this outage: the client reports each attempt that fails, and when one succeeds all of them as
  // successes; only the first is a change.
  let away = false
  let refusal = ''
  const onStatus = (status: NatsStatus): void => {
    switch (status.kind) {
      case 'disconnected':
        if (away) return
        away = true
        board.connection('nats', 'disconnected')
        board.publisher?.disconnected(performance.now())
        log.warn({ server: status.server }, 'NATS disconnected; publishing stops, the client reconnects')
        return
      case 'reconnected':
        if (!away) return
        away = false
        refusal = ''
        board.connection('nats', 'connected')
        board.reconnected('nats')
        log.info({ server: status.server }, 'NATS reconnected')
        // What waits to be sent was made to fit the old limit, or was given up on because of it.
        if (nats.info?.max_payload !== maxPayload) fail(limitChanged('max_payload of NATS'))
        else board.publisher?.connected(performance.now())
        return
      case 'lame-duck':
        log.info({ server: status.server }, 'the NATS server is about to shut down')
        return
      case 'error': {
        if (failsRequest(status.error)) return
        // A user that may not publish will not be allowed to by trying again.
        const failure = loginFailure(status.error) ?? requestFailure(status.error, 'NATS', 0)
        if (failure instanceof FatalError) {
          fail(failure)
          return
        }
        board.failed(failure)
        if (failure.message === refusal) return
        refusal = failure.message
        log.error({ err: failure }, failure.message)
        return
      }
      case 'closed':
        fail(
          new RetryableError('the connection to NATS was closed', {
            code: 'NATS_CLOSED',
            remedy: 'The daemon connects again.',
          }),
        )
        return
      default:
        status satisfies never
    }
  }
  const nats = await connectNats(config.nats, { name: APPLICATION_NAME, signal, onStatus })
  const maxPayload = nats.info?.max_payload
  board.connection('nats', 'connected', nats.info?.version)
  return nats
}
