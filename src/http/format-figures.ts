/** Figures as a person reads them: on the page, nowhere else. `-` is what is not known. */

const UNKNOWN = '-'
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

export function formatCount(value: number | null): string {
  return value === null ? UNKNOWN : value.toLocaleString('en-US', { maximumFractionDigits: 0 })
}

export function formatRate(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1).replace(/\.0$/, '') : formatCount(perSecond)
}

export function formatBytes(bytes: number | null): string {
  if (bytes === null) return UNKNOWN
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[unit]}`
}

/** From microseconds to days, two units at most. */
export function formatDuration(seconds: number | null): string {
  if (seconds === null) return UNKNOWN
  if (seconds <= 0) return '0 s'
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} us`
  if (seconds < 1) return `${Number((seconds * 1e3).toPrecision(2))} ms`
  if (seconds < 60) return `${Number(seconds.toPrecision(2))} s`
  const whole = Math.floor(seconds)
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3_600)} h`
}
