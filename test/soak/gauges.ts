/** One look at the daemon from outside: what the kernel says of its process, and what its own metrics say. */
import { readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'

export interface Gauges {
  /** Since the run began. */
  readonly seconds: number
  readonly rssMib: number
  readonly peakMib: number
  readonly fds: number
  readonly threads: number
  readonly heapMib: number
  /** What keeps Node's loop alive or could, by type: sockets, timers. */
  readonly resources: ReadonlyMap<string, number>
  readonly lagSeconds: number
  readonly lagBytes: number
  readonly retainedBytes: number
  readonly inFlight: number
  readonly reconnects: number
  readonly resumes: number
  readonly retried: number
  readonly skipped: number
  readonly duplicates: number
  readonly fenceBreaks: number
}

export async function look(pid: number, port: number, begun: number): Promise<Gauges> {
  const fds = readdirSync(`/proc/${pid}/fd`).length
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kernel = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN)
  const metrics = await page(port)
  const own = (name: string) => total(metrics, `fraiseql_observer_${name}`)
  return {
    seconds: (Date.now() - begun) / 1000,
    rssMib: kernel('VmRSS') / 1024,
    peakMib: kernel('VmHWM') / 1024,
    fds,
    threads: kernel('Threads'),
    heapMib: total(metrics, 'nodejs_heap_size_used_bytes') / 2 ** 20,
    resources: byType(metrics, 'nodejs_active_resources'),
    lagSeconds: own('slot_lag_seconds'),
    lagBytes: own('slot_lag_bytes'),
    retainedBytes: own('slot_retained_wal_bytes'),
    inFlight: own('in_flight_messages'),
    reconnects: own('reconnects_total'),
    resumes: own('resumes_total'),
    retried: own('events_retried_total'),
    skipped: own('resume_skipped_total'),
    duplicates: own('duplicates_total'),
    fenceBreaks: own('fence_breaks_total'),
  }
}

/** On a connection of its own, which is closed at once, so that looking leaves nothing open in the daemon. */
export function page(port: number, path = '/metrics'): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, agent: false, timeout: 10_000 } as const
    const request = get(options, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.once('end', () => resolve(text)).once('error', reject)
    })
    request.once('timeout', () => request.destroy(new Error(`no answer of ${path} within 10 s`)))
    request.once('error', reject)
  })
}

/** Over all labels; 0 where there is no such metric. */
function total(metrics: string, name: string): number {
  let sum = 0
  for (const [, value] of metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm')))
    sum += Number(value)
  return sum
}

function byType(metrics: string, name: string): Map<string, number> {
  const found = new Map<string, number>()
  for (const [, type = '', value] of metrics.matchAll(new RegExp(`^${name}\\{type="(\\w+)"\\} (\\S+)`, 'gm')))
    found.set(type, Number(value))
  return found
}
