/**
 * Draining a backlog: the daemon in each of its variants, and the limits of the same run in between. Each repetition
 * also reads one row with every program, which is its start-up; the median of those is taken off its figures.
 */
import { type Backlog, type Content, writeBacklog } from './backlog.ts'
import { type Cost, type DaemonCost, deleteStreams, runDaemon } from './daemon-run.ts'
import { runPgRecvlogical, runRawPublisher, runRawReader, STORE_MODES, type StoreMode } from './limit-runs.ts'
import type { Options } from './options.ts'
import { findPgRecvlogical, type MessageSize, type Servers } from './servers.ts'
import { median, type Spread, spread } from './statistics.ts'

/** One program on one backlog, over all repetitions. */
export interface Measured {
  readonly name: string
  readonly kind: 'daemon' | 'read' | 'store'
  readonly eventsPerSecond: Spread
  /** Of the stream, or of the replication connection. NaN where the program does not say. */
  readonly megabytesPerSecond: Spread
  /** Microseconds of processor time an event. */
  readonly cpuUs: { readonly own: Spread; readonly walsender: Spread; readonly nats: Spread }
  readonly peakMib: Spread
  readonly startupSeconds: number
  readonly runs: readonly Cost[]
  readonly message: MessageSize | null
  /** To pg_recvlogical, or the own reader where that is not there, of the same repetition. */
  readonly ratioToRead: Spread
  /** To the raw publisher of messages of the same size, of the same repetition. */
  readonly ratioToStore: Spread
}

export interface BacklogResult {
  readonly scenario: string
  readonly rows: number
  readonly measured: readonly Measured[]
}

interface Subject {
  readonly name: string
  readonly kind: Measured['kind']
  run(which: 'all' | 'last'): Promise<Cost & { readonly message?: MessageSize }>
  readonly runs: (Cost & { readonly message?: MessageSize })[]
  readonly startups: Cost[]
  /** The raw publisher of the same size. */
  readonly store?: Subject
}

interface Subjects {
  readonly readers: readonly Subject[]
  /** One for each size of message. */
  readonly groups: readonly {
    readonly daemons: readonly Subject[]
    readonly publishers: readonly Subject[]
  }[]
}

export async function runBacklog(
  servers: Servers,
  scenario: string,
  content: Content,
  options: Options,
  say: (text: string) => void,
): Promise<BacklogResult> {
  const { rows } = options
  say(`${scenario}: writing ${rows} rows`)
  const backlog = await writeBacklog(servers, content, rows)
  try {
    const subjects = subjectsOf(servers, backlog, options)
    for (let run = 1; run <= options.runs; run++) {
      for (const subject of inTurn(subjects, run)) {
        if (subject.kind !== 'store') subject.startups.push(await subject.run('last'))
        const cost = await subject.run('all')
        subject.runs.push(cost)
        const rate = rows / span(cost, startup(subject))
        say(`${scenario} ${run}/${options.runs}: ${subject.name} ${Math.round(rate)}/s`)
      }
    }
    const reader = subjects.readers[0] ?? null
    return { scenario, rows, measured: inTurn(subjects, 1).map(subject => summary(subject, rows, reader)) }
  } finally {
    await deleteStreams(servers)
    await backlog.close()
  }
}

/** pg_recvlogical first: it is the yardstick where it is there. A publisher stands behind its daemon. */
function subjectsOf(servers: Servers, backlog: Backlog, options: Options): Subjects {
  const pgRecvlogical = findPgRecvlogical()
  const blank = () => ({ runs: [], startups: [] })
  const readers: Subject[] = []
  if (pgRecvlogical !== null) {
    const run = (which: 'all' | 'last') => runPgRecvlogical(pgRecvlogical, backlog, which)
    readers.push({ name: 'pg_recvlogical', kind: 'read', run, ...blank() })
  }
  readers.push({ name: 'raw reader', kind: 'read', run: which => runRawReader(backlog, which), ...blank() })
  const groups = options.entities.map(entity => {
    let message: MessageSize | null = null
    const publishers = STORE_MODES.map(
      (mode: StoreMode): Subject => ({
        name: `raw publisher, ${mode}, ${entity}`,
        kind: 'store',
        run: () => runRawPublisher(servers, message!, backlog.rows, mode),
        ...blank(),
      }),
    )
    const store = publishers[0]!
    const daemons = options.builds.map((build): Subject => {
      const run = async (which: 'all' | 'last'): Promise<DaemonCost> => {
        await deleteStreams(servers)
        const cost = await runDaemon(servers, backlog, which, { build, entity, options })
        if (which === 'all') message = cost.message
        return cost
      }
      return { name: `${build.name}, ${entity}`, kind: 'daemon', run, ...blank(), store }
    })
    return { daemons, publishers: options.limits ? publishers : [] }
  })
  return { readers: options.limits ? readers : [], groups }
}

/**
 * Readers and daemons take turns in who is first, and so do several daemons: in one comparison the second of
 * two was a tenth faster, and in the other order they were alike. Publishers always follow a daemon, for its stream and its size.
 */
function inTurn({ readers, groups }: Subjects, run: number): readonly Subject[] {
  const back = run % 2 === 0
  const others = groups.flatMap(({ daemons, publishers }) => [
    ...(back ? daemons.toReversed() : daemons),
    ...publishers,
  ])
  return back ? [...others, ...readers] : [...readers, ...others]
}

/** What is too short to be seen, such as the walsender of one row, counts as nothing. */
function startup({ startups }: Subject): Cost {
  const of = (pick: (cost: Cost) => number) => median(startups.map(pick)) || 0
  return {
    seconds: of(cost => cost.seconds),
    bytes: 0,
    cpu: {
      own: of(cost => cost.cpu.own),
      walsender: of(cost => cost.cpu.walsender),
      nats: of(cost => cost.cpu.nats),
    },
    peakMib: 0,
  }
}

/** Seconds without start-up; of a small backlog that may be less than a clock of milliseconds tells. */
function span(cost: Cost, start: Cost): number {
  return Math.max(cost.seconds - start.seconds, 0.001)
}

function summary(subject: Subject, rows: number, reader: Subject | null): Measured {
  const { name, kind, runs } = subject
  const start = startup(subject)
  const rate = (of: Subject, index: number) => rows / span(of.runs[index]!, startup(of))
  const each = (pick: (cost: Cost, index: number) => number) => spread(runs.map(pick))
  const perEvent = (pick: (cost: Cost) => number) => each(cost => ((pick(cost) - pick(start)) / rows) * 1e6)
  const { store } = subject
  return {
    ...{ name, kind, runs },
    eventsPerSecond: each((_, index) => rate(subject, index)),
    megabytesPerSecond: each(cost => cost.bytes / span(cost, start) / 1e6),
    cpuUs: {
      own: perEvent(cost => cost.cpu.own),
      walsender: perEvent(cost => cost.cpu.walsender),
      nats: perEvent(cost => cost.cpu.nats),
    },
    peakMib: each(cost => cost.peakMib),
    startupSeconds: start.seconds,
    message: runs[0]?.message ?? null,
    ratioToRead:
      reader === null || kind === 'store'
        ? spread([])
        : each((_, index) => rate(subject, index) / rate(reader, index)),
    ratioToStore:
      store === undefined || store.runs.length === 0
        ? spread([])
        : each((_, index) => rate(subject, index) / rate(store, index)),
  }
}
