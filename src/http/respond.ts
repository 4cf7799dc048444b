/**
 * Requests to answers, without a socket in sight: which paths there are, and what each says. Everything is
 * read-only, so GET and HEAD are the only methods.
 */
import type { Metrics } from '../metrics.ts'
import { PAGE_SECURITY_POLICY, renderPage } from './page.ts'
import type { RateMeter } from './rate-meter.ts'
import { reasonsNotAlive, reasonsNotReady, type Status } from './status.ts'

export interface HttpInput {
  readonly metrics: Pick<Metrics, 'scrape' | 'contentType'>
  status(): Status
}

export interface Answer {
  readonly code: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

type Handler = (input: HttpInput, rates: RateMeter) => Answer | Promise<Answer>

const ROUTES: Readonly<Record<string, Handler>> = {
  '/metrics': async ({ metrics }) => answer(200, metrics.contentType, await metrics.scrape()),
  '/health': ({ status }) => verdict('alive', reasonsNotAlive(status())),
  '/readiness': ({ status }) => verdict('ready', reasonsNotReady(status())),
  '/status': ({ status }, rates) => {
    const now = status()
    const reasons = reasonsNotReady(now)
    const computed = { ready: reasons.length === 0, reasons, events_per_second: round(rates.perSecond) }
    return json(200, { ...now, ...computed })
  },
  '/': ({ status }, rates) => ({
    ...answer(200, 'text/html; charset=utf-8', renderPage(status(), rates)),
    headers: { ...headersOf('text/html; charset=utf-8'), 'content-security-policy': PAGE_SECURITY_POLICY },
  }),
}

export const PATHS: readonly string[] = Object.keys(ROUTES)

/** `target` as in the request line: a path, perhaps with a query. */
export async function respond(
  method: string | undefined,
  target: string | undefined,
  input: HttpInput,
  rates: RateMeter,
): Promise<Answer> {
  const path = (target ?? '').replace(/[?#].*$/s, '')
  const handler = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined
  if (handler === undefined) return json(404, { error: 'not found', paths: PATHS })
  if (method !== 'GET' && method !== 'HEAD') {
    const refusal = json(405, { error: 'only GET and HEAD' })
    return { ...refusal, headers: { ...refusal.headers, allow: 'GET, HEAD' } }
  }
  return await handler(input, rates)
}

function verdict(word: 'alive' | 'ready', reasons: readonly string[]): Answer {
  return json(reasons.length === 0 ? 200 : 503, { [word]: reasons.length === 0, reasons })
}

export function json(code: number, value: unknown): Answer {
  return answer(code, 'application/json; charset=utf-8', `${JSON.stringify(value, null, 2)}\n`)
}

function answer(code: number, type: string, body: string): Answer {
  return { code, headers: headersOf(type), body }
}

function headersOf(type: string): Readonly<Record<string, string>> {
  return { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
}

function round(rate: number): number {
  return Math.round(rate * 10) / 10
}
