/**
 * A TCP proxy that can be as bad as a network: it cuts, stalls (either way or both), delays, throttles, half-closes,
 * loses connections without a word, and refuses new ones. Between the daemon and one server.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../kit/server-process.ts'

/** `up`: from the daemon to the server. */
export type Way = 'up' | 'down'

/** How bad it is; the fields of the same names. */
export interface Conditions {
  readonly stalled: readonly Way[]
  readonly delayMs: number
  readonly bytesPerSecond: number
  readonly refusing: boolean
}

interface Link {
  readonly client: Socket
  readonly server: Socket
  /** Nothing passes any more, and nobody is told. */
  lost: boolean
}

const CHECK_MS = 10

export class TcpProxy {
  /** Nothing passes these ways. */
  readonly stalled = new Set<Way>()
  /** Added to each chunk. */
  delayMs = 0
  /** 0: no limit. */
  bytesPerSecond = 0
  /** New connections are reset. */
  refusing = false
  readonly port: number
  readonly #target: number
  readonly #links = new Set<Link>()
  #listener: Server | null = null

  private constructor(port: number, target: number) {
    this.port = port
    this.#target = target
  }

  static async open(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(await freePort(), target)
    proxy.#listener = createServer({ allowHalfOpen: true }, client => proxy.#accept(client))
    proxy.#listener.listen(proxy.port, '127.0.0.1')
    await once(proxy.#listener, 'listening')
    return proxy
  }

  get links(): number {
    return [...this.#links].filter(link => !link.lost).length
  }

  /** What is not named stays as it is. */
  set({ stalled, delayMs, bytesPerSecond, refusing }: Partial<Conditions>): void {
    for (const way of stalled ?? []) this.stalled.add(way)
    this.delayMs = delayMs ?? this.delayMs
    this.bytesPerSecond = bytesPerSecond ?? this.bytesPerSecond
    this.refusing = refusing ?? this.refusing
  }

  /** Resets all connections. */
  cut(): void {
    for (const link of this.#links) this.#drop(link)
  }

  /** All connections of now fall silent for ever, as when a router forgets them; new ones work. */
  lose(): void {
    for (const link of this.#links) link.lost = true
  }

  /** Tells one side that the other has finished, while it has not. */
  halfClose(told: 'client' | 'server'): void {
    for (const link of this.#links) link[told].end()
  }

  heal(): void {
    this.stalled.clear()
    this.delayMs = 0
    this.bytesPerSecond = 0
    this.refusing = false
  }

  close(): void {
    this.heal()
    this.#listener?.close()
    for (const link of this.#links) {
      link.client.destroy()
      link.server.destroy()
    }
  }

  #accept(client: Socket): void {
    client.on('error', () => {})
    if (this.refusing) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const link: Link = { client, server, lost: false }
    this.#links.add(link)
    client.setNoDelay(true)
    for (const socket of [client, server]) {
      socket.on('error', () => this.#drop(link))
      socket.on('close', () => {
        if (!link.lost && (client.destroyed || client.writableFinished) && server.destroyed) this.#drop(link)
      })
    }
    void this.#pump(link, client, server, 'up')
    void this.#pump(link, server, client, 'down')
  }

  /** Ends silently with either socket; the other one is dropped with it, unless the link is lost. */
  async #pump(link: Link, from: Socket, to: Socket, way: Way): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (this.delayMs > 0) await sleep(this.delayMs)
        if (this.bytesPerSecond > 0) await sleep((chunk.length * 1000) / this.bytesPerSecond)
        while ((this.stalled.has(way) || link.lost) && !from.destroyed) await sleep(CHECK_MS)
        if (to.writableEnded) continue
        if (!to.write(chunk) && !to.destroyed) await drained(to)
      }
      while ((this.stalled.has(way) || link.lost) && !to.destroyed) await sleep(CHECK_MS)
      if (!to.writableEnded) to.end()
    } catch {
      this.#drop(link)
    }
  }

  #drop(link: Link): void {
    if (link.lost && this.#listener?.listening === true) return
    if (!this.#links.delete(link)) return
    for (const socket of [link.client, link.server]) {
      // A reset of what was shut down already leaves Node a handle that it can never close: the process would not end.
      if (socket.writableEnded) socket.destroy()
      else if (!socket.destroyed) socket.resetAndDestroy()
    }
  }
}

/** Room to write, or nobody to write to. */
function drained(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}
