/**
 * The proxies in a thread of their own: what the checker works out in the bench's own thread takes seconds at times, and
 * must not become a fault that nobody asked for. Calls arrive in order, and take effect soon after.
 */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { type Conditions, TcpProxy } from './proxy.ts'

type Order =
  | { readonly call: 'open'; readonly proxy: number; readonly target: number }
  | { readonly call: 'set'; readonly proxy: number; readonly conditions: Partial<Conditions> }
  | { readonly call: 'halfClose'; readonly proxy: number; readonly told: 'client' | 'server' }
  | { readonly call: 'cut' | 'lose' | 'heal'; readonly proxy: number }

export class ProxyThread {
  readonly #worker = new Worker(new URL(import.meta.url))
  #proxies = 0

  /** One in front of each port. */
  async open(targets: readonly number[]): Promise<RemoteProxy[]> {
    const proxies: RemoteProxy[] = []
    for (const target of targets) {
      const proxy = this.#proxies++
      this.#worker.postMessage({ call: 'open', proxy, target } satisfies Order)
      const [port] = (await once(this.#worker, 'message')) as [number]
      proxies.push(new RemoteProxy(port, proxy, order => this.#worker.postMessage(order)))
    }
    return proxies
  }

  /** All connections go with it. */
  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Controls one proxy from the bench's thread; each does what the one of TcpProxy does. */
export class RemoteProxy {
  readonly port: number
  readonly #proxy: number
  readonly #order: (order: Order) => void

  constructor(port: number, proxy: number, order: (order: Order) => void) {
    this.port = port
    this.#proxy = proxy
    this.#order = order
  }

  set(conditions: Partial<Conditions>): void {
    this.#order({ call: 'set', proxy: this.#proxy, conditions })
  }

  halfClose(told: 'client' | 'server'): void {
    this.#order({ call: 'halfClose', proxy: this.#proxy, told })
  }

  cut(): void {
    this.#order({ call: 'cut', proxy: this.#proxy })
  }

  lose(): void {
    this.#order({ call: 'lose', proxy: this.#proxy })
  }

  heal(): void {
    this.#order({ call: 'heal', proxy: this.#proxy })
  }
}

const proxies: TcpProxy[] = []

async function obey(order: Order): Promise<void> {
  const proxy = proxies[order.proxy]!
  switch (order.call) {
    case 'open':
      proxies[order.proxy] = await TcpProxy.open(order.target)
      parentPort!.postMessage(proxies[order.proxy]!.port)
      return
    case 'set':
      proxy.set(order.conditions)
      return
    case 'halfClose':
      proxy.halfClose(order.told)
      return
    case 'cut':
    case 'lose':
    case 'heal':
      proxy[order.call]()
      return
  }
}

if (!isMainThread) parentPort?.on('message', (order: Order) => void obey(order))
