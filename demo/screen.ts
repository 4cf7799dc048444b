/** How the demo looks: aligned columns, and colours where it is a terminal that shows them. Makes text, prints none. */
import type { Arrival, Message } from './arrivals.ts'

export interface Screen {
  readonly colours: boolean
  /** Longest line; 0: any. */
  readonly columns: number
}

type Style = 'dim' | 'bold' | 'red' | 'green' | 'yellow' | 'cyan'

const CODES: Readonly<Record<Style, number>> = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, cyan: 36 }
const OPERATION_STYLES: Readonly<Record<Message['event_type'], Style>> = {
  INSERT: 'green',
  UPDATE: 'yellow',
  DELETE: 'red',
}

const SUBJECT_WIDTH = 34
const ID_WIDTH = 8

export function styled(text: string, style: Style, { colours }: Pick<Screen, 'colours'>): string {
  return colours ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text
}

export function heading(screen: Screen): string {
  const columns = ['time'.padEnd(12), 'latency'.padStart(9), 'subject'.padEnd(SUBJECT_WIDTH), 'entity id']
  return styled(`${columns.join('  ')}  what changed`, 'dim', screen)
}

export function eventLine({ subject, message, at, latencyMs }: Arrival, screen: Screen): string {
  const time = new Date(at).toTimeString().slice(0, 8)
  const milliseconds = String(Math.trunc(at % 1000)).padStart(3, '0')
  const latency = `${latencyMs.toFixed(2)} ms`.padStart(9)
  const id = message.entity_id.slice(0, ID_WIDTH).padEnd('entity id'.length)
  const before = `${time}.${milliseconds}  ${latency}  `
  const padded = subject.padEnd(SUBJECT_WIDTH)
  const change = whatChanged(message)
  const room = screen.columns - before.length - padded.length - id.length - 4
  const shown =
    screen.columns > 0 && change.length > room ? `${change.slice(0, Math.max(0, room - 1))}…` : change
  const style = OPERATION_STYLES[message.event_type]
  return `${styled(before, 'dim', screen)}${styled(padded, style, screen)}  ${id}  ${shown}`
}

/** A line of the daemon's log. */
export function logLine(level: string, text: string, screen: Screen): string {
  const calm = level === 'info' || level === 'debug' || level === 'trace'
  return styled(`  daemon: ${calm ? '' : `${level}: `}${text}`, calm ? 'dim' : 'yellow', screen)
}

export function whatChanged({ event_type, entity_type, data, changes }: Message): string {
  if (event_type === 'UPDATE' && changes !== null) {
    const parts = Object.entries(changes).map(([column, { old, new: now }]) => {
      const show = column === 'total' ? money : String
      return `${column}: ${show(old)} -> ${show(now)}`
    })
    return parts.join(', ')
  }
  const verb = { INSERT: 'new', UPDATE: 'now', DELETE: 'gone' }[event_type]
  if (entity_type === 'Order') {
    return `${verb}: ${data.identifier} of ${data.customer}, ${data.status}, ${money(data.total)}`
  }
  return `${verb}: ${data.quantity} x ${data.product} at ${money(data.price)}`
}

/** Sorted or not. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

function money(value: unknown): string {
  return Number(value).toFixed(2)
}
