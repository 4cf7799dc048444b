/**
 * Messages as NATS has them on the wire. The client's own `publish` makes strings, options and four small buffers of
 * every message, and copies them together again before it writes; that costs several times as much as all else between
 * the window and the socket. Here the messages of a burst are written one after the other into one buffer, which the
 * client is given as one command.
 * https://docs.nats.io/reference/reference-protocols/nats-protocol#hpub
 */
import { ByteWriter, Constant } from '../event/bytes.ts'
import { SLAB_BYTES, type Slabs } from '../event/slabs.ts'
import type { Window } from './window.ts'

const SPACE = 0x20
/** Digits, spaces and line ends of a message beside what is counted. */
const SLACK_BYTES = 80
/** Subjects whose command is kept ready. */
const MAX_SUBJECTS = 10_000
const END = new Constant('\r\n')

export class Wire {
  readonly #send: (bytes: Uint8Array) => void
  readonly #out: ByteWriter
  /** By subject: `HPUB <subject> `. */
  readonly #commands = new Map<string, Constant>()
  /** `<reply>.` */
  #reply = new Constant('')
  #lastSubject = ''
  #lastCommand: Constant | null = null

  /** `send` keeps what it is given until it is written. `slabs`: for what is written here. */
  constructor(slabs: Slabs, send: (bytes: Uint8Array) => void) {
    this.#out = new ByteWriter(SLAB_BYTES, slabs)
    this.#send = send
  }

  /** Where answers go to: this subject and, as another token, the number of the message. */
  set reply(subject: string) {
    this.#reply = new Constant(`${subject}.`)
  }

  /** An entry of the window. Nothing is sent before `flush()` but what is too much for one piece. */
  message(window: Window, entry: number, lines: ByteWriter, answered: boolean): void {
    const subject = window.subject(entry)
    const command = subject === this.#lastSubject ? this.#lastCommand! : this.#commandOf(subject)
    const headerBytes = lines.length + window.headBytes(entry)
    const messageBytes = headerBytes + window.payloadBytes(entry)
    const out = this.#out
    const bytes = command.length + this.#reply.length + messageBytes + SLACK_BYTES
    if (out.at + bytes > out.buffer.length) this.flush()
    out.reserve(bytes)
    out.constant(command)
    if (answered) {
      out.constant(this.#reply)
      out.decimal(entry)
      out.byte(SPACE)
    }
    out.decimal(headerBytes)
    out.byte(SPACE)
    out.decimal(messageBytes)
    out.constant(END)
    out.range(lines.view, 0, lines.length)
    const at = window.start(entry)
    out.bytes(window.slab(entry), at, at + messageBytes - lines.length)
    out.constant(END)
  }

  flush(): void {
    if (this.#out.length > 0) this.#send(this.#out.cut())
  }

  #commandOf(subject: string): Constant {
    let command = this.#commands.get(subject)
    if (command === undefined) {
      command = new Constant(`HPUB ${subject} `)
      if (this.#commands.size >= MAX_SUBJECTS) this.#commands.clear()
      this.#commands.set(subject, command)
    }
    this.#lastSubject = subject
    this.#lastCommand = command
    return command
  }
}
