/**
 * Which stream stores which subject, decided before anything is touched: from the configuration, the subjects that
 * the rules can give, and the streams that the server has. In this order a subject goes to
 *
 *   1. a configured stream that owns it, 2. a stream of the server that owns it,
 *   3. the main stream: below the prefix, and subjects of one token,
 *   4. a stream of its first token, or of as many tokens as it takes not to overlap any other.
 *
 * Pure. Whatever would make two streams share a subject is a problem here, and not a refusal of the server's later.
 */
import type { Config, StreamLimits } from '../config/config.ts'
import {
  containedInAny,
  overlapAmong,
  subjectContains,
  subjectsOverlap,
  withoutContained,
} from './subject-overlap.ts'

/**
 * `existing`: somebody else's stream, used as it is. `token`: of the subject's first tokens, where the consumers of
 * a choreography publish as well.
 */
export type StreamKind = 'main' | 'named' | 'existing' | 'token' | 'dead-letter'

export interface PlannedStream {
  readonly name: string
  readonly kind: StreamKind
  /** What it must own, at least. */
  readonly subjects: readonly string[]
  /** How it is created; null for `existing`. */
  readonly limits: StreamLimits | null
  /** Others write to it by design: consumers of a choreography publish there too, and the worker its dead letters. */
  readonly shared: boolean
}

export interface StreamPlan {
  readonly streams: readonly PlannedStream[]
  /** Subject filter, as it was asked for -> name of the stream; the dead letters' subject too. */
  readonly ownerOf: ReadonlyMap<string, string>
}

export interface StreamProblem {
  readonly message: string
  readonly remedy: string
}

/** A stream that the server has. */
export interface ExistingStream {
  readonly name: string
  readonly subjects: readonly string[]
}

export type PlanConfig = Pick<Config, 'stream' | 'streams' | 'dlq'>

/** `subjects`: each as a filter, with `*` for a token that is not known before. */
export function planStreams(
  config: PlanConfig,
  subjects: readonly string[],
  existing: readonly ExistingStream[],
): StreamPlan | { readonly problems: readonly StreamProblem[] } {
  const draft = new Draft(config, existing)
  const ownerOf = new Map<string, string>()
  const deadLetters = config.dlq.enabled ? [config.dlq.subject] : []
  for (const subject of new Set([...subjects, ...deadLetters])) {
    const owner = draft.ownerOf(subject)
    if (owner !== null) ownerOf.set(subject, owner)
  }
  const problems = draft.problems()
  return problems.length > 0 ? { problems } : { streams: draft.streams(), ownerOf }
}

interface Claim {
  readonly kind: StreamKind
  readonly limits: StreamLimits | null
  readonly subjects: readonly string[]
}

/** Dead letters are few; the server sets the whole of `max_bytes` aside when a stream is created. */
const DEAD_LETTER_MAX_BYTES = 1024 ** 3

/** The plan as it grows, one subject after the other. */
class Draft {
  readonly #config: PlanConfig
  readonly #existing: readonly ExistingStream[]
  readonly #claims = new Map<string, Claim>()
  readonly #problems = new Map<string, StreamProblem>()
  readonly #underPrefix: string

  constructor(config: PlanConfig, existing: readonly ExistingStream[]) {
    this.#config = config
    this.#existing = existing
    this.#underPrefix = `${config.stream.subject_prefix}.>`
    for (const stream of config.streams) this.#claim(stream.name, this.#kindOf(stream.name), stream.subjects)
  }

  streams(): PlannedStream[] {
    return [...this.#claims].map(([name, { kind, limits, subjects }]) => ({
      ...{ name, kind, limits },
      subjects: withoutContained(subjects),
      shared: kind === 'token' || kind === 'dead-letter',
    }))
  }

  problems(): StreamProblem[] {
    return [...this.#problems.values()]
  }

  /** Name of the stream that stores the subject; null when there is a problem. */
  ownerOf(subject: string): string | null {
    const main = this.#config.stream.name
    const underPrefix = subjectContains(this.#underPrefix, subject)
    const configured = [...this.#claims].find(([, { subjects }]) => containedInAny(subjects, subject))
    const there = this.#existing.find(({ subjects }) => containedInAny(subjects, subject))
    const owner = configured?.[0] ?? there?.name ?? null
    if (subject === this.#config.dlq.subject && underPrefix && (owner === null || owner === main)) {
      this.#overlaps(this.#underPrefix, main, subject, this.#config.dlq.stream_name)
      return null
    }
    if (configured !== undefined) return configured[0]
    if (there !== undefined) return this.#claimThere(there, subject)
    if (subject === this.#config.dlq.subject) {
      return this.#claim(this.#config.dlq.stream_name, 'dead-letter', [subject])
    }
    if (underPrefix) return this.#claim(main, 'main', [this.#underPrefix])
    if (!subject.includes('.')) return this.#claim(main, 'main', [...this.#wholePrefix(), subject])
    return this.#claimTokens(subject)
  }

  /**
   * A new main stream owns all below the prefix, also where the rules name subjects of one token only, so that it is
   * the same stream whatever rules come. One that is there or configured has the subjects somebody chose.
   */
  #wholePrefix(): string[] {
    const { name } = this.#config.stream
    const chosen = [...this.#existing, ...this.#config.streams].some(stream => stream.name === name)
    return chosen || this.#othersOver(this.#underPrefix, name) !== null ? [] : [this.#underPrefix]
  }

  /** A stream that an earlier run made is what it was planned as then, with the subjects it had. */
  #claimThere({ name, subjects }: ExistingStream, subject: string): string | null {
    const usual = [
      this.#underPrefix,
      ...tokenStreams(subject).flatMap(token => (token.name === name ? token.subject : [])),
    ]
    const owned = usual.find(wide => subjectContains(wide, subject) && containedInAny(subjects, wide))
    const known = this.#claims.get(name)?.kind ?? this.#kindOf(name)
    const kind = known === 'existing' && owned !== undefined && owned !== this.#underPrefix ? 'token' : known
    return this.#claim(name, kind, [kind === 'existing' ? subject : (owned ?? subject)])
  }

  #kindOf(name: string): StreamKind {
    if (name === this.#config.stream.name) return 'main'
    if (name === this.#config.dlq.stream_name) return 'dead-letter'
    return this.#config.streams.some(stream => stream.name === name) ? 'named' : 'existing'
  }

  #claim(name: string, kind: StreamKind, subjects: readonly string[]): string | null {
    const clashes = subjects.flatMap(subject => {
      const other = this.#othersOver(subject, name)
      return other === null ? [] : [{ subject, other }]
    })
    for (const { subject, other } of clashes) this.#overlaps(subject, name, other.subject, other.stream)
    const claim = this.#claims.get(name)
    // A stream that was only used becomes one that is also given subjects.
    const kept =
      claim !== undefined && claim.kind !== 'existing' ? claim : { kind, limits: this.#limits(name, kind) }
    this.#claims.set(name, { ...kept, subjects: [...(claim?.subjects ?? []), ...subjects] })
    return clashes.length > 0 ? null : name
  }

  #limits(name: string, kind: StreamKind): StreamLimits | null {
    if (kind === 'existing') return null
    const { stream, streams } = this.#config
    const named = streams.find(configured => configured.name === name)
    if (named !== undefined) return named
    if (kind !== 'dead-letter') return stream
    const max_bytes = Math.min(stream.max_bytes || DEAD_LETTER_MAX_BYTES, DEAD_LETTER_MAX_BYTES)
    // What is too large for the main stream is kept here.
    return { ...stream, retention: 'limits', discard: 'old', max_bytes, max_msg_size: 0 }
  }

  /** The subject of another stream, planned or existing, that overlaps. */
  #othersOver(subject: string, name: string | null): { stream: string; subject: string } | null {
    for (const [stream, { kind, subjects }] of this.#claims) {
      if (stream === name || kind === 'existing') continue
      const found = overlapAmong(subjects, subject)
      if (found !== undefined) return { stream, subject: found }
    }
    for (const { name: stream, subjects } of this.#existing) {
      const found = stream === name ? undefined : overlapAmong(subjects, subject)
      if (found !== undefined) return { stream, subject: found }
    }
    return null
  }

  #claimTokens(subject: string): string | null {
    for (const token of tokenStreams(subject)) {
      // The main stream and the dead letters keep their places, also where this run does not need them.
      const taken = [this.#underPrefix, this.#config.dlq.subject].some(reserved =>
        subjectsOverlap(token.subject, reserved),
      )
      if (taken || this.#othersOver(token.subject, token.name) !== null || !this.#fits(token)) continue
      return this.#claim(token.name, 'token', [token.subject])
    }
    if (subjectsOverlap(subject, this.#underPrefix)) {
      return this.#spans(subject, this.#underPrefix, this.#config.stream.name)
    }
    const partly = this.#othersOver(subject, null)
    if (partly !== null) return this.#spans(subject, partly.subject, partly.stream)
    return this.#problem(
      `no stream can be named after subject ${subject}`,
      `Configure a stream that owns it: [nats.jetstream.streams.NAME] subjects = ["${subject}"].`,
    )
  }

  /** A stream of that name is this one when it has something to do with the subject; else it is another's. */
  #fits({ name, subject }: TokenStream): boolean {
    const claimed = this.#claims.get(name)
    if (claimed !== undefined && claimed.kind !== 'existing') return claimed.kind === 'token'
    if (this.#kindOf(name) !== 'existing') return false
    const there = this.#existing.find(stream => stream.name === name)
    if (there === undefined) return true
    const shared = there.subjects.filter(own => subjectsOverlap(own, subject))
    return shared.length > 0 && shared.every(own => subjectContains(subject, own))
  }

  #overlaps(subject: string, name: string, other: string, otherName: string): void {
    this.#problem(
      `subject ${subject} of stream ${name} overlaps subject ${other} of stream ${otherName}`,
      `Two streams can't share a subject: let ${otherName} own all of ${subject}, or none of it, or use another ${
        subject === this.#underPrefix ? 'subject_prefix' : 'subject'
      }.`,
    )
  }

  #spans(subject: string, other: string, otherName: string): null {
    return this.#problem(
      `subject ${subject} would go to two streams: ${other} is stream ${otherName}'s, and the rest is not`,
      `Let ${otherName} own all of ${subject}, or change the subject so that none of it is under ${other}.`,
    )
  }

  #problem(message: string, remedy: string): null {
    this.#problems.set(message, { message, remedy })
    return null
  }
}

interface TokenStream {
  readonly name: string
  readonly subject: string
}

/** `a.b.c` -> `a` with `a.>`, `a_b` with `a.b.>`, `a_b_c` with `a.b.c`; as far as the tokens are literal. */
function tokenStreams(subject: string): TokenStream[] {
  const tokens = subject.split('.')
  const wild = tokens.findIndex(token => token === '*' || token === '>')
  const literal = wild < 0 ? tokens : tokens.slice(0, wild)
  return literal.map((_, i) => {
    const head = tokens.slice(0, i + 1)
    return {
      name: head.join('_').replace(/[^\p{L}\p{N}_-]/gu, '_'),
      subject: i === tokens.length - 1 ? subject : `${head.join('.')}.>`,
    }
  })
}
