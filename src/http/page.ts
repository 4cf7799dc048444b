/**
 * /status for people: one page that refreshes itself, reads on a phone, follows the browser's dark or light,
 * and loads nothing from anywhere. A pure function of the status; what it shows may hold anything, so all of
 * it is escaped.
 */
import { formatBytes, formatCount, formatDuration, formatRate } from './format-figures.ts'
import { SCRIPT, STYLE } from './page-assets.ts'
import { HISTORY_SECONDS, type RateMeter } from './rate-meter.ts'
import {
  type ConnectionStatus,
  type DaemonState,
  type ErrorStatus,
  type RuleStatus,
  reasonsNotReady,
  type SlotStatus,
  type Status,
  type StreamStatus,
} from './status.ts'

/** SHA-256 of SCRIPT, base64; test/unit/page holds the two together. */
const SCRIPT_HASH = 'cfQE2zZCwBMb8FQFcclbPhEEx8f/BKrNyhwsVaqw9UI='

export const PAGE_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  `script-src 'sha256-${SCRIPT_HASH}'`,
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

/** A string that is HTML already. */
interface Html {
  readonly html: string
}

type Part = string | number | Html | readonly Html[]

export function renderPage(status: Status, rates: Pick<RateMeter, 'perSecond' | 'history'>): string {
  const title = `${status.state} - fraiseql-observer`
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(STYLE)}</style>
<noscript><meta http-equiv="refresh" content="5"></noscript>
</head>
<body>
<div id="stale" hidden></div>
<main>
${header(status)}${lastError(status)}${figures(status, rates)}${connections(status)}
${streams(status.streams)}${rules(status.rules)}
</main>
<footer><a href="status">status</a> · <a href="metrics">metrics</a> · <a href="health">health</a> ·
<a href="readiness">readiness</a></footer>
<script>${raw(SCRIPT)}</script>
</body>
</html>
`
  return page.html
}

const STATE_CLASS: Readonly<Record<DaemonState, string>> = {
  starting: 'warn',
  standby: 'warn',
  streaming: 'good',
  reconnecting: 'bad',
  stopping: 'warn',
}

function header(status: Status): Html {
  const reasons = reasonsNotReady(status).filter(reason => reason !== status.state)
  return markup`<header>
<h1>fraiseql-observer</h1><span class="pill ${STATE_CLASS[status.state]}">${status.state}</span>
<span class="dim">${reasons.join(' · ')}</span>
<span class="dim">version ${status.version} · up ${formatDuration(status.uptime_seconds)}</span>
</header>`
}

/** Loud while it still stops the daemon, quiet when it is history. */
function lastError(status: Status): Html {
  const error = status.last_error
  if (error === null) return raw('')
  const over = reasonsNotReady(status).length === 0
  return markup`<section class="card alert ${over ? 'old' : ''}">
<h2>Last error${over ? ', over since' : ''} · ${ago(error, status)}</h2>
<div class="${over ? 'dim' : 'bad'}">${error.message} <code>${error.code ?? ''}</code></div>
${error.remedy === null ? raw('') : markup`<p>${error.remedy}</p>`}</section>`
}

function ago(error: ErrorStatus, status: Status): string {
  const now = Date.parse(status.started_at) + status.uptime_seconds * 1_000
  return `${formatDuration(Math.max(0, Math.round((now - Date.parse(error.at)) / 1_000)))} ago`
}

function figures(status: Status, rates: Pick<RateMeter, 'perSecond' | 'history'>): Html {
  const { slot, in_flight: flight, latency, totals } = status
  const share = flight.max_messages === 0 ? 0 : flight.messages / flight.max_messages
  const used = Math.min(1, Math.max(share, flight.max_bytes === 0 ? 0 : flight.bytes / flight.max_bytes))
  return markup`<div class="grid">
<section class="card"><h2>Events a second</h2><div class="big">${formatRate(rates.perSecond)}</div>
${sparkline(rates.history)}</section>
<section class="card"><h2>Behind</h2><div class="big">${formatBytes(slot.lag_bytes)}
<small>${slot.lag_seconds === null ? '' : formatDuration(slot.lag_seconds)}</small></div>
<div class="dim">${keptWal(slot)}</div></section>
<section class="card"><h2>Commit to ack</h2>
<div class="big">${formatDuration(latency.commit_to_ack_p99_seconds)} <small>p99</small></div>
<div class="dim">${formatDuration(latency.commit_to_ack_p50_seconds)} p50</div></section>
<section class="card"><h2>In flight</h2><div class="big">${formatCount(flight.messages)}
<small>of ${formatCount(flight.max_messages)}</small></div>
<svg class="bar ${flight.paused ? 'full' : ''}" viewBox="0 0 100 6" preserveAspectRatio="none"
aria-hidden="true"><rect width="${(used * 100).toFixed(1)}" height="6"></rect></svg>
<div class="dim">${formatBytes(flight.bytes)}${flight.paused ? ' · paused: the window is full' : ''}</div>
</section></div>
<section class="card"><h2>Since the start</h2><dl class="totals">${[
    total('events', totals.events),
    total('failed', totals.failed, 'bad'),
    total('dead letters', totals.dead_letters, 'bad'),
    total('duplicates', totals.duplicates, 'warn'),
    total('resumes', totals.resumes),
    total('reconnects', totals.reconnects),
  ]}</dl></section>`
}

function keptWal({ retained_wal_bytes: kept, safe_wal_bytes: safe }: SlotStatus): string {
  const parts = kept === null ? [] : [`${formatBytes(kept)} of WAL kept for the slot`]
  return (safe === null ? parts : [...parts, `safe for ${formatBytes(safe)} more`]).join(' · ')
}

function total(name: string, value: number, alarm = ''): Html {
  return markup`<div><dt>${name}</dt><dd class="${value > 0 ? alarm : ''}">${formatCount(value)}</dd></div>`
}

/** Two minutes, newest at the right; the highest rate of them is the top. */
function sparkline(history: readonly number[]): Html {
  const top = Math.max(1, ...history)
  const left = HISTORY_SECONDS - history.length
  const points = history.map((rate, i) => `${left + i} ${(40 - (rate / top) * 38).toFixed(1)}`)
  const path = points.length < 2 ? '' : `M${left} 41 L${points.join(' L')} L${HISTORY_SECONDS - 1} 41 Z`
  const label = `events a second, the last two minutes; at most ${formatRate(top)}`
  const box = `0 0 ${HISTORY_SECONDS - 1} 42`
  return markup`<svg class="spark" viewBox="${box}" preserveAspectRatio="none" role="img"
aria-label="${label}"><path d="${path}"></path></svg>`
}

function connections({ postgres, nats, slot }: Status): Html {
  return markup`<div class="grid wide">
<section class="card"><h2>PostgreSQL</h2><dl>${connection(postgres)}
<dt>slot</dt><dd><code>${slot.name}</code></dd>
<dt>publication</dt><dd><code>${slot.publication}</code></dd>
<dt>tables</dt><dd>${slot.tables}</dd>
<dt>confirmed</dt><dd><code>${slot.confirmed_lsn ?? '-'}</code></dd>
<dt>WAL status</dt><dd>${walStatus(slot.wal_status ?? '-')}</dd></dl></section>
<section class="card"><h2>NATS</h2><dl>${connection(nats)}</dl></section>
</div>`
}

function walStatus(word: string): Html {
  const alarm = word === 'lost' ? 'bad' : word === 'unreserved' ? 'warn' : ''
  return markup`<span class="${alarm}">${word}</span>`
}

function connection({ state, server, server_version: version, since }: ConnectionStatus): Html {
  const tone = state === 'connected' ? 'good' : state === 'connecting' ? 'warn' : 'bad'
  return markup`<dt>state</dt><dd class="${tone}">${state}</dd>
<dt>server</dt><dd>${server}${version === null ? '' : ` · ${version}`}</dd>
<dt>since</dt><dd>${since.replace('T', ' ').replace(/\.\d+/, '')}</dd>`
}

const FENCED = raw('<span class="good">fenced</span>')
const UNFENCED = raw('<span class="warn">unfenced: other writers share it</span>')

function streams(all: readonly StreamStatus[]): Html {
  const rows = all.map(
    stream => markup`<tr><td data-label="stream"><code>${stream.name}</code></td>
<td class="num" data-label="last sequence">${formatCount(stream.last_sequence)}</td>
<td data-label="order">${stream.fenced ? FENCED : UNFENCED}</td></tr>`,
  )
  if (rows.length === 0) return raw('')
  return markup`<section class="card rows"><h2>Streams</h2><table><thead><tr><th>stream</th>
<th class="num">last sequence</th><th>order</th></tr></thead>
<tbody>${rows}</tbody></table></section>`
}

function rules(all: readonly RuleStatus[]): Html {
  if (all.length === 0) {
    return markup`<section class="card"><h2>Rules</h2>
None: every table of the publication goes to its default subject.</section>`
  }
  const rows = all.map(
    rule => markup`<tr><td data-label="source"><code>${rule.source}</code></td>
<td data-label="operations">${rule.operations.length === 0 ? 'all' : rule.operations.join(', ')}</td>
<td data-label="subject"><code>${rule.subject}</code></td>
<td data-label="stream"><code>${rule.stream}</code></td>
<td data-label="format">${rule.format} <span class="warn">${rule.note ?? ''}</span></td></tr>`,
  )
  return markup`<section class="card rows"><h2>Rules</h2><table><thead><tr>
<th>source</th><th>operations</th><th>subject</th><th>stream</th><th>format</th>
</tr></thead><tbody>${rows}</tbody></table></section>`
}

function raw(html: string): Html {
  return { html }
}

function markup(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return raw(texts.reduce((html, text, i) => html + htmlOf(parts[i - 1] ?? '') + text))
}

function htmlOf(part: Part): string {
  if (typeof part === 'object') return 'html' in part ? part.html : part.map(each => each.html).join('')
  return String(part).replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
