/**
 * How long another server may take. For each answer RFC 5321 §4.5.3.2 says how long it must be waited for, at least; but who takes that long for every recipient, or takes
 * the text octet by octet, would have a place of the queue for days. So all that one message waits for in one transaction is bounded, too, by what it asks for.
 */

/** Milliseconds, where nothing else is said. */
export interface ClientTimeouts {
  readonly connect: number
  readonly greeting: number
  readonly command: number
  readonly data: number
  readonly block: number
  readonly dot: number
  readonly handshake: number
  /** In all, from the greeting to the first MAIL. */
  readonly begin: number
  /** On average, beside what one answer of each kind may take. */
  readonly recipient: number
  /** Of the text, beside `block`. Four times what Postfix asks for, and so little that 50 messages at a time may share a slow line. */
  readonly octetsPerSecond: number
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
export const CLIENT_TIMEOUTS: ClientTimeouts = {
  ...{
    connect: 30 * SECOND,
    greeting: 5 * MINUTE,
    command: 5 * MINUTE,
    data: 2 * MINUTE,
    block: 3 * MINUTE,
    dot: 10 * MINUTE,
    handshake: 30 * SECOND,
  },
  ...{ begin: 10 * MINUTE, recipient: 15 * SECOND, octetsPerSecond: 2 * 1024 },
}

/** From MAIL to the answer to DATA: each of the three as long as it may take, and so much for each recipient. */
export const envelopeMs = ({ command, data, recipient }: ClientTimeouts, recipients: number): number => 2 * command + data + recipients * recipient
/** Of these, what is kept for an answer to RCPT that is under way, and for DATA. */
export const reserveMs = ({ command, data }: ClientTimeouts): number => command + data
export const textMs = ({ block, octetsPerSecond }: ClientTimeouts, octets: number): number => block + (octets * SECOND) / octetsPerSecond

const MAX_TIMER = 2 ** 31 - 1

/** What is left of such a time. Only waiting for the other side takes from it: what our own database takes is not that one's fault. */
export class Patience {
  readonly all: number
  #left: number

  constructor(ms: number) {
    this.all = ms
    this.#left = ms
  }

  get left(): number {
    return this.#left
  }

  get isOver(): boolean {
    return this.#left < 1
  }

  /** `work` waits, for so many milliseconds at most. */
  async spend<T>(work: (ms: number) => Promise<T>, most = MAX_TIMER): Promise<T> {
    const began = performance.now()
    try {
      return await work(Math.min(most, this.#left, MAX_TIMER))
    } finally {
      this.#left -= performance.now() - began
    }
  }
}
