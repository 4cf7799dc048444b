/** A straight line through samples: how fast something grows, and how sure that is. Least squares. */

export interface Point {
  readonly seconds: number
  readonly value: number
}

export interface Trend {
  /** Per hour. */
  readonly slope: number
  /** Standard error of the slope, per hour; Infinity for less than three points. */
  readonly error: number
  readonly mean: number
  /** What the line rises by from the first point to the last. */
  readonly rise: number
}

const HOUR = 3600

export function trendOf(points: readonly Point[]): Trend {
  const n = points.length
  const meanX = mean(points.map(({ seconds }) => seconds))
  const meanY = mean(points.map(({ value }) => value))
  const squares = sum(points.map(({ seconds }) => (seconds - meanX) ** 2))
  const slope =
    squares === 0 ? 0 : sum(points.map(({ seconds, value }) => (seconds - meanX) * (value - meanY))) / squares
  const rest = sum(points.map(({ seconds, value }) => (value - meanY - slope * (seconds - meanX)) ** 2))
  const error = n < 3 || squares === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(rest / (n - 2) / squares)
  const span = n === 0 ? 0 : points[n - 1]!.seconds - points[0]!.seconds
  return { slope: slope * HOUR, error: error * HOUR, mean: meanY, rise: slope * span }
}

/**
 * The mean of each stretch of `seconds`. Samples that follow closely upon each other are alike, so a line through them
 * would look surer than it is; the means of whole rounds of work and reconnect are not.
 */
export function meansOf(points: readonly Point[], seconds: number): Point[] {
  const stretches = new Map<number, Point[]>()
  for (const point of points) {
    const stretch = Math.floor(point.seconds / seconds)
    const found = stretches.get(stretch)
    if (found === undefined) stretches.set(stretch, [point])
    else found.push(point)
  }
  return [...stretches.values()].map(stretch => ({
    seconds: mean(stretch.map(point => point.seconds)),
    value: mean(stretch.map(({ value }) => value)),
  }))
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
