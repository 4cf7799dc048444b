/**
 * The limit of reading, as a program: changes counted and discarded. `raw-reader.js URL SLOT PUBLICATION CHANGES SKIP`; it
 * reads until it has seen so many row changes, tells, and stays until it is ended, so that its walsender can still be
 * asked for its processor time.
 */
import { clockZero } from './clock.ts'
import { readReplication } from './replication.ts'
import { printResult } from './report-line.ts'
import { type Percentiles, percentiles } from './statistics.ts'

export interface RawReaderResult {
  /** Milliseconds since 1970. */
  readonly doneAt: number
  /** Of CopyData messages, with their frames. */
  readonly bytes: number
  /** From the commit of a row change to the read that brought it, milliseconds, without those of the first `skip` changes. */
  readonly commitToRead: Percentiles
}

const [url = '', slot = '', publication = '', changes = '0', skip = '0'] = process.argv.slice(2)
const wanted = Number(changes)
const skipped = Number(skip)
const zero = clockZero()
const latencies = new Float64Array(wanted)
let seen = 0
let bytes = 0
let readAt = 0

await readReplication(url, slot, publication, {
  begins() {
    readAt = performance.now()
  },
  frame(length) {
    bytes += length
  },
  change(committedAt) {
    latencies[seen++] = zero + readAt - committedAt
    if (seen !== wanted) return
    const commitToRead = percentiles(latencies.subarray(skipped))
    printResult({ doneAt: Date.now(), bytes, commitToRead } satisfies RawReaderResult)
  },
})
