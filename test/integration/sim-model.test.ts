/**
 * The simulation is worth what its model of a stream is worth. So the model and a real nats-server are given the same
 * random calls, and must answer alike and hold the same after each: one replica and three, with and without batches.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  DiscardPolicy,
  type JetStreamManager,
  jetstreamManager,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { connect, type MsgHdrs, type NatsConnection, headers as newHeaders } from '@nats-io/transport-node'
import { type NatsCluster, type NatsServer, startNats, startNatsCluster } from '../kit/nats.ts'
import {
  type Answer,
  type Batch,
  type IdCheck,
  type Incoming,
  ModelStream,
  refusal,
} from '../sim/model-stream.ts'
import { Random } from '../sim/random.ts'

/** Longer than the test. */
const WINDOW_MS = 600_000
const SHORT_WINDOW_MS = 500
const STREAM = 'model'
const SUBJECT = 'model.a'
const PAYLOAD = new Uint8Array(10)
/** What the file store adds to subject, headers and payload. */
const RECORD_BYTES = 22 + 4 + 8
const NO_RESPONDERS = 503

interface Call extends Incoming {
  readonly headers: MsgHdrs
}

/** Model and server side by side. */
class Pair {
  readonly #nc: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #replicas: number
  readonly #random: Random
  readonly #batches: boolean
  readonly #idCheck: IdCheck
  #model: ModelStream<Call> | null = null
  #calls = 0

  constructor(
    nc: NatsConnection,
    jsm: JetStreamManager,
    options: { readonly seed: number; readonly replicas: number; readonly version: string },
  ) {
    this.#nc = nc
    this.#jsm = jsm
    this.#random = new Random(options.seed)
    this.#replicas = options.replicas
    const [major = 0, minor = 0] = options.version.split('.').map(Number)
    this.#batches = major > 2 || minor >= 12
    this.#idCheck = idCheckOf(minor, options.replicas)
  }

  async create(limits: {
    readonly maxMessages?: number
    readonly maxBytes?: number
    readonly discard: 'old' | 'new'
  }) {
    const { maxMessages = 0, maxBytes = 0, discard } = limits
    const config: Partial<StreamConfig> & { name: string } = {
      name: STREAM,
      subjects: ['model.>'],
      storage: StorageType.File,
      num_replicas: this.#replicas,
      duplicate_window: WINDOW_MS * 1_000_000,
      max_msgs: maxMessages === 0 ? -1 : maxMessages,
      max_bytes: maxBytes === 0 ? -1 : maxBytes,
      discard: discard === 'new' ? DiscardPolicy.New : DiscardPolicy.Old,
    }
    if (this.#batches) Object.assign(config, { allow_atomic: true })
    await this.#add(config)
    this.#model = new ModelStream<Call>({
      idCheck: this.#idCheck,
      duplicateWindowMs: WINDOW_MS,
      ...{ maxMessages, maxBytes, discard },
    })
  }

  /** A cluster that has just started may not have seen all of its servers yet. */
  async #add(config: Parameters<JetStreamManager['streams']['add']>[0]): Promise<void> {
    for (let left = 100; ; left--) {
      try {
        await this.#jsm.streams.add(config)
        return
      } catch (error) {
        if (left === 0 || !/no suitable peers/.test(String(error))) throw error
        await sleep(100)
      }
    }
  }

  async delete(): Promise<void> {
    await this.#jsm.streams.delete(STREAM)
    this.#model = null
  }

  /** One random call to both. */
  async step(): Promise<void> {
    const die = this.#random.below(100)
    if (die < 70) await this.#publish(this.#call(null))
    else if (die < 88) await (this.#batches ? this.#publishBatch() : this.#publish(this.#call(null)))
    else if (die < 90) await this.#purge()
    else await this.#remove()
    await this.#compareState()
  }

  async publishWithoutStream(): Promise<void> {
    await this.#publish(this.#call(null))
  }

  #call(batch: Batch | null): Call {
    const random = this.#random
    const last = this.#model?.lastSequence ?? 0
    // Few ids, so that many come again.
    const msgId = random.chance(0.7) ? `id-${String(random.below(40)).padStart(2, '0')}` : null
    const wantsFence = batch === null ? random.chance(0.5) : batch.sequence === 1 && random.chance(0.7)
    const expected = wantsFence ? Math.max(0, last + random.pick([0, 0, 0, 0, 1, -1])) : null
    const chained = batch === null && expected === null && this.#replicas === 1 && random.chance(0.4)
    const follows = chained ? (random.chance(0.7) && this.#model?.lastId) || 'id-00' : null
    const headers = newHeaders()
    if (msgId !== null) headers.set('Nats-Msg-Id', msgId)
    if (follows !== null) headers.set('Nats-Expected-Last-Msg-Id', follows)
    if (expected !== null) headers.set('Nats-Expected-Last-Sequence', String(expected))
    if (batch !== null) {
      headers.set('Nats-Batch-Id', batch.id)
      headers.set('Nats-Batch-Sequence', String(batch.sequence))
      if (batch.commit) headers.set('Nats-Batch-Commit', '1')
    }
    // The client sends a header block for one header at least.
    if (msgId === null && expected === null && follows === null && batch === null) headers.set('X', 'y')
    const size = RECORD_BYTES + SUBJECT.length + headerBytes(headers) + PAYLOAD.length
    return { msgId, expected, follows, size, batch, headers }
  }

  async #publish(call: Call): Promise<void> {
    const answered = call.batch === null || call.batch.commit
    const real = answered ? await this.#settled(call) : this.#nc.publish(SUBJECT, PAYLOAD, call)
    const model = this.#model === null ? refusal(NO_RESPONDERS) : this.#model.publish(call, 0)
    if (answered) assert.deepEqual(real, model, this.#describe(call))
    this.#calls++
  }

  /** On a busy machine a cluster may elect in between: nobody answers, and nothing is stored. Then once more. */
  async #settled(call: Call): Promise<Answer> {
    for (let left = 50; ; left--) {
      const answer = await this.#request(call)
      if (this.#model === null || answer.code !== NO_RESPONDERS || left === 0) return answer
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }

  async #publishBatch(): Promise<void> {
    const random = this.#random
    const length = 1 + random.below(5)
    const id = `batch-${this.#calls}-${random.bits()}`
    // A message that never came, and a batch that is never committed.
    const missing = random.chance(0.15) ? 1 + random.below(length) : 0
    for (let sequence = 1; sequence <= length; sequence++) {
      if (sequence !== missing) await this.#publish(this.#call({ id, sequence, commit: sequence === length }))
    }
  }

  async #purge(): Promise<void> {
    await this.#jsm.streams.purge(STREAM)
    this.#model!.purge()
  }

  async #remove(): Promise<void> {
    const model = this.#model!
    const from = this.#random.chance(0.5) ? model.firstSequence : model.lastSequence - this.#random.below(4)
    if (model.get(from) === undefined) return
    await this.#jsm.streams.deleteMessage(STREAM, from)
    model.remove(from)
  }

  async #request({ headers }: Call): Promise<Answer> {
    const message = await this.#nc
      .request(SUBJECT, PAYLOAD, { headers, timeout: 5_000 })
      .catch((error: Error) => error)
    if (message instanceof Error) {
      assert.match(message.message, /no responders/)
      return refusal(NO_RESPONDERS)
    }
    const ack = message.json<{ error?: { err_code: number }; seq: number; duplicate?: boolean }>()
    if (ack.error !== undefined) return refusal(ack.error.err_code)
    return { code: 0, sequence: ack.seq, duplicate: ack.duplicate === true }
  }

  async #compareState(): Promise<void> {
    const { state } = await this.#jsm.streams.info(STREAM)
    const model = this.#model!
    const { messages, bytes, last_seq } = state
    // What an empty stream calls its first message says nothing.
    const [first, modelFirst] = messages === 0 ? [0, 0] : [state.first_seq, model.firstSequence]
    assert.deepEqual(
      { messages, bytes, first, last: last_seq },
      { messages: model.count, bytes: model.bytes, first: modelFirst, last: model.lastSequence },
      `after ${this.#calls} calls`,
    )
  }

  #describe({ msgId, expected, follows, batch }: Call): string {
    return `call ${this.#calls}: ${JSON.stringify({ msgId, expected, follows, batch, last: this.#model?.lastSequence })}`
  }
}

/** `minor`: of the server's version, 2.x. */
function idCheckOf(minor: number, replicas: number): IdCheck {
  if (minor >= 12) return replicas === 1 ? 'late' : 'early'
  if (replicas === 1) return 'early'
  return minor === 10 ? 'claims-duplicate' : 'claims-in-process'
}

function headerBytes(headers: MsgHdrs): number {
  let bytes = 'NATS/1.0\r\n\r\n'.length
  for (const [name, values] of headers) for (const value of values) bytes += `${name}: ${value}\r\n`.length
  return bytes
}

async function compare(
  url: string,
  version: string,
  replicas: number,
  seed: number,
  calls: number,
): Promise<void> {
  const nc = await connect({ servers: url })
  try {
    const jsm = await jetstreamManager(nc)
    const pair = new Pair(nc, jsm, { seed, replicas, version })
    const limits = [
      { discard: 'new' },
      { discard: 'new', maxMessages: 12 },
      { discard: 'new', maxBytes: 1_500 },
      { discard: 'old', maxMessages: 5 },
    ] as const
    for (const limit of limits) {
      // The same name again: sequences and Msg-Ids begin anew.
      await pair.create(limit)
      for (let call = 0; call < calls; call++) await pair.step()
      await pair.delete()
      // Among several servers the news of the deletion needs a while, and a message may meet with silence.
      if (replicas === 1) await pair.publishWithoutStream()
    }
  } finally {
    await nc.close()
  }
}

let server: NatsServer
let cluster: NatsCluster

before(async () => {
  server = await startNats()
  cluster = await startNatsCluster()
})

after(async () => {
  await server?.stop()
  await cluster?.stop()
})

test('one replica: the model answers as the server does', async () => {
  for (const seed of [1, 2, 3]) await compare(server.url, server.version, 1, seed, 150)
})

test('three replicas: the model answers as the servers do', async () => {
  await compare(cluster.url, cluster.servers[0]!.version, 3, 3, 150)
})

test('a Msg-Id is forgotten when the window has passed', async () => {
  const nc = await connect({ servers: server.url })
  try {
    const jsm = await jetstreamManager(nc)
    const duplicate_window = SHORT_WINDOW_MS * 1_000_000
    await jsm.streams.add({ name: 'window', subjects: ['window.>'], duplicate_window })
    const model = new ModelStream<Incoming>({
      ...{ idCheck: 'late', duplicateWindowMs: SHORT_WINDOW_MS, maxMessages: 0, maxBytes: 0, discard: 'new' },
    })
    const message = { msgId: 'x', expected: null, follows: null, size: 0, batch: null }
    const headers = newHeaders()
    headers.set('Nats-Msg-Id', 'x')
    const publish = async (now: number) => {
      const { seq, duplicate } = (await nc.request('window.a', PAYLOAD, { headers, timeout: 5_000 })).json<{
        seq: number
        duplicate?: boolean
      }>()
      const real = { code: 0, sequence: seq, duplicate: duplicate === true }
      return { real, model: model.publish(message, now) }
    }
    const first = await publish(0)
    assert.deepEqual(first.real, first.model)
    // The server looks for old ids once a window.
    await sleep(3 * SHORT_WINDOW_MS)
    const later = await publish(3 * SHORT_WINDOW_MS)
    assert.deepEqual(later.real, later.model)
    assert.equal(later.real.sequence, 2)
  } finally {
    await nc.close()
  }
})
