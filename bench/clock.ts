/** What to add to performance.now() to have the system's clock, exact to microseconds. */
export function clockZero(): number {
  const before = Date.now()
  while (Date.now() === before) {
    // The next millisecond begins within one.
  }
  return Date.now() - performance.now()
}
