/**
 * The kinds of text that keys take: names of slots, streams and subjects, URLs. Each refuses what the server would
 * refuse, in words that follow the name of the key. None of them repeats the value, which may be a secret.
 */
import { z } from 'zod'
import { messageOf, remedyOf } from '../errors.ts'
import { parseTemplate } from '../event/subject-template.ts'
import { parseNatsServers } from '../nats-url.ts'
import { parseDatabaseUrl } from '../postgres-url.ts'

function checked(problemOf: (text: string) => string | null) {
  return z.string().check(({ value, issues }) => {
    const problem = problemOf(value)
    if (problem !== null) issues.push({ code: 'custom', message: problem, input: value })
  })
}

const pattern = (allowed: RegExp, problem: string) => checked(text => (allowed.test(text) ? null : problem))

export const SETTINGS_TEXT = {
  filled: pattern(/\S/, 'is empty'),
  /** https://www.postgresql.org/docs/current/warm-standby.html#STREAMING-REPLICATION-SLOTS-MANIPULATION */
  slotName: pattern(/^[a-z0-9_]{1,63}$/, 'may have only a-z, 0-9 and _, and 63 of them at most'),
  publicationName: checked(text =>
    text === '' || Buffer.byteLength(text) > 63 || text.includes('\0') ? 'must have 1 to 63 bytes' : null,
  ),
  /** https://docs.nats.io/running-a-nats-service/nats_admin/jetstream_admin/naming */
  streamName: pattern(
    /^[^\s.*>/\\\p{Cc}]{1,255}$/u,
    'must not be empty nor have spaces, dots, slashes, * or >',
  ),
  subject: checked(subjectProblem),
  subjectFilter: checked(subjectFilterProblem),
  databaseUrl: checked(text => thrownBy(() => parseDatabaseUrl(text))),
  natsServer: checked(text => thrownBy(() => parseNatsServers([text]))),
}

/** A literal subject or prefix. */
function subjectProblem(text: string): string | null {
  if (/[{}]/.test(text)) return 'a subject here must not have placeholders'
  const parsed = parseTemplate(text)
  return 'problem' in parsed ? parsed.problem : null
}

/** A subject with wildcards: `*` is a whole token, `>` the whole last one. */
function subjectFilterProblem(text: string): string | null {
  const tokens = text.split('.')
  const misplaced = tokens.some((token, i) =>
    token === '>' ? i < tokens.length - 1 : token !== '*' && /[*>]/.test(token),
  )
  if (misplaced) return 'a wildcard must be a token of its own, and > the last one'
  return subjectProblem(tokens.map(token => (token === '*' || token === '>' ? 'x' : token)).join('.'))
}

/** What the parser of the connection says, which shows no part of the URL. */
function thrownBy(parse: () => unknown): string | null {
  try {
    parse()
    return null
  } catch (error) {
    // Two sentences: some remedies begin with a capital, and each ends as it does elsewhere.
    return [messageOf(error), remedyOf(error)].filter(part => part !== undefined).join('. ')
  }
}
