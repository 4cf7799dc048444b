/**
 * The safeguards of the protocol core, each switched off by itself: a line of the built code replaced. A simulation
 * that does not notice is worth nothing, or the safeguard is not needed.
 */
import type { Patch } from './core.ts'
import type { Broken } from './oracle.ts'
import type { Setting } from './setting.ts'

export interface Mutant {
  readonly name: string
  readonly patches: readonly Patch[]
  /** What the simulation must see broken; one of them. */
  readonly breaks: readonly Broken[]
  /** Settings that let it show. */
  readonly setting?: Partial<Setting>
}

const sender = (from: string, to: string): Patch => ({ file: 'publish/sender.js', from, to })
const publisher = (from: string, to: string): Patch => ({ file: 'publish/publisher.js', from, to })
const groups = (from: string, to: string): Patch => ({ file: 'publish/groups.js', from, to })
const lane = (from: string, to: string): Patch => ({ file: 'publish/lane.js', from, to })
const walk = (from: string, to: string): Patch => ({ file: 'publish/tail-walk.js', from, to })

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'fence: messages are sent without an expected last sequence',
    patches: [
      sender('const follows = lane.chained', 'const follows = false'),
      sender('const fence = lane.shared || follows !== null', 'const fence = true'),
      sender('i > 0 || lane.shared ? null', 'true ? null'),
    ],
    breaks: ['order', 'twice'],
  },
  {
    name: 'fence: batches are sent without an expected last sequence',
    patches: [sender('i > 0 || lane.shared ? null', 'true ? null')],
    breaks: ['order', 'twice'],
    setting: { batches: 'always' },
  },
  {
    name: 'chains: a message follows a sequence, and not the message before it',
    patches: [sender('const follows = lane.chained', 'const follows = false')],
    breaks: ['confirmed early', 'lost'],
  },
  {
    name: 'chains: an answer with another sequence, or of a duplicate, holds for all',
    patches: [publisher('if (unexpected && first !== entry)', 'if (false)')],
    breaks: ['confirmed early', 'lost'],
    setting: { alone: true, batches: 'never', idCheck: 'late', keptMessages: 1, duplicateWindowMs: 1e9 },
  },
  {
    name: 'chains: what was refused in a chain is sent in a chain again',
    patches: [publisher('lane.singlyTo = this.#next', 'lane.singlyTo = 0')],
    breaks: ['never done'],
    setting: { batches: 'never', alone: true, idCheck: 'late' },
  },
  {
    name: 'batches: a transaction does not wait for its end',
    patches: [groups('if (this.whole)', 'if (false)')],
    breaks: ['split'],
    setting: { batches: 'always' },
  },
  {
    name: 'batches: a backlog that waits for company is forgotten',
    patches: [
      publisher(
        'if (this.inFlight === 0)\n            this.flush(now)',
        'if (this.#groups.whole && this.inFlight === 0) this.flush(now)',
      ),
    ],
    breaks: ['never done'],
    setting: { batches: 'backlog', maxMessages: 64 },
  },
  {
    name: 'batches: they are cut anywhere',
    patches: [
      { file: 'publish/batch.js', from: 'lastBoundary(window, entries, start, end) ?? end', to: 'end' },
    ],
    breaks: ['split'],
    setting: { batches: 'always' },
  },
  {
    name: 'batches: what was refused as a batch is sent as a batch again',
    patches: [publisher('lane.singlyTo = this.#next', 'lane.singlyTo = 0')],
    breaks: ['never done'],
    setting: { batches: 'always' },
  },
  {
    name: 'resume skip: what the stream holds is sent again',
    patches: [publisher('if (lane.holds(window, entry))', 'if (false)')],
    breaks: ['twice'],
  },
  {
    name: 'confirm after ack: a mark is confirmed as soon as it comes',
    patches: [publisher('if (window.low === window.high)', 'if (true)')],
    breaks: ['confirmed early'],
  },
  {
    name: 'resend in order: after a resume, what was not sent yet goes first',
    patches: [
      publisher('this.#next = this.window.low;', 'this.flush(this.#now); this.#next = this.window.low;'),
    ],
    breaks: ['order', 'twice'],
  },
  {
    name: 'resend: after a resume, what was sent before is not sent again',
    patches: [publisher('this.#next = this.window.low;', '')],
    breaks: ['never done', 'order'],
  },
  {
    name: 'settle: the tail is read while messages are in flight',
    patches: [
      publisher('if (this.inFlight > 0)\n', 'if (this.inFlight > 0) this.#forgetFlight();\n if (false)\n'),
    ],
    breaks: ['resent too soon'],
  },
  {
    name: 'resume after a reconnect: the fence of before is taken for right',
    patches: [publisher("this.#enter('settling');\n        this.#settled();", 'this.#open();')],
    breaks: ['order', 'twice'],
  },
  {
    name: 'epoch: a tail that was asked for before the last resume counts',
    patches: [
      publisher(
        "if (epoch !== this.#sender.epoch || this.state !== 'reading')",
        "if (this.state !== 'reading')",
      ),
    ],
    breaks: ['order', 'twice', 'never done'],
    setting: { duplicateWindowMs: 0, batches: 'never' },
  },
  {
    name: 'refusal: a refused message counts as stored',
    patches: [publisher('window.setState(one, QUEUED)', 'window.setState(one, STORED)')],
    breaks: ['confirmed early', 'lost', 'never done'],
  },
  {
    name: 'time-out: a message without an answer counts as stored',
    patches: [
      publisher(
        'expired = true;\n            window.setState(entry, QUEUED)',
        'expired = true;\n            window.setState(entry, STORED)',
      ),
    ],
    breaks: ['confirmed early', 'lost', 'never done'],
  },
  {
    name: 'time-out: none',
    patches: [publisher('if (expired)', 'if (false)'), publisher('expired = true;', 'continue;')],
    breaks: ['never done'],
  },
  {
    name: 'window: a stored message frees those before it',
    patches: [
      {
        file: 'publish/window.js',
        from: 'if (this.#state[i] !== STORED)',
        to: 'if (this.#state[i] === QUEUED)',
      },
    ],
    breaks: ['confirmed early', 'lost'],
  },
  {
    name: 'Msg-Ids of the tail are not kept',
    patches: [walk('this.stored.set(msgId, position);', 'void 0;')],
    breaks: ['twice'],
  },
  {
    name: 'floor: a message is taken to say that everything before it is stored',
    patches: [walk('this.#raise(floor ?? position)', 'this.#raise(position)')],
    breaks: ['confirmed early'],
  },
  {
    name: 'floor: the event of the floor counts as stored, too',
    patches: [
      lane('if (comparePlaces(place, this.#floor) < 0)', 'if (comparePlaces(place, this.#floor) <= 0)'),
    ],
    breaks: ['confirmed early'],
  },
  {
    name: 'floor: messages say the next event and not the oldest that has no ack',
    patches: [sender('if (entry === low)', 'if (true)')],
    breaks: ['confirmed early'],
  },
  {
    name: 'the walk ends too early',
    patches: [walk('count >= ENOUGH', 'count >= 1')],
    breaks: ['twice'],
    setting: { crowded: true },
  },
  {
    name: 'the walk looks at nothing that this run has looked at, in a stream of the same name as well',
    patches: [walk('if (stream !== this.#afterStream)', 'if (false)')],
    breaks: ['twice'],
    setting: { streams: 1, duplicateWindowMs: 0, batches: 'never' },
  },
  {
    name: 'later resumes forget what the first one found',
    patches: [
      lane(
        'this.lookedAt = lastSequence;',
        'this.lookedAt = lastSequence; this.#stored.clear(); this.#floor = null; this.#ceiling = null;',
      ),
    ],
    breaks: ['twice'],
  },
  {
    name: 'lost history: messages of a server that was replaced count',
    patches: [walk('if (this.#isLost(position))', 'if (false)')],
    breaks: ['confirmed early'],
  },
  {
    name: 'shared: the fence is never given up',
    patches: [lane('this.shared = this.#foreign.length >= FOREIGN_LIMIT;', 'this.shared = false;')],
    breaks: ['never done'],
    setting: { crowded: true },
  },
  {
    name: 'claims: a duplicate with sequence 0 counts as stored',
    patches: [publisher('if (duplicate && sequence === 0)', 'if (false)')],
    breaks: ['confirmed early'],
  },
  {
    name: 'room: nobody is told',
    patches: [publisher('this.#options.onRoom();', '')],
    breaks: ['never done'],
  },
]
