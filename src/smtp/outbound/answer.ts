/** Replies of another server, read within bounds. RFC 5321 §4.2. */
import { IdleTimeout, type LineReader, LineTooLong } from '../../net/lines.ts'
import { hasEnhancedCode, sanitise } from '../reply.ts'
import { Failure } from './failure.ts'

/** Octets of a line (RFC 5321 §4.5.3.1.5 asks for 512), and lines of one reply. */
const MAX_LINE = 4 * 1024
const MAX_LINES = 200

export interface Answer {
  readonly code: number
  /** Without codes; as they came, latin1. */
  readonly lines: readonly string[]
}

/** It did what it was asked, or goes on to ask for more. Of a code only the first digit counts (RFC 5321 §4.3.2). */
export const isDone = ({ code }: Answer): boolean => code < 300
export const asksForMore = ({ code }: Answer): boolean => code >= 300 && code < 400
/** It closes the connection, whatever it was asked (RFC 5321 §4.2.3). */
export const CLOSING = 421

/** All of it within `idleMs`, however many lines it has. Throws Failure: the connection is of no more use. */
export async function readAnswer(lines: LineReader, { idleMs, remote }: { readonly idleMs: number; readonly remote: string }): Promise<Answer> {
  const texts: string[] = []
  const due = performance.now() + idleMs
  const lost = (why: string, cause?: unknown): Failure => new Failure(why, { permanent: false, status: '4.4.2', remote, elsewhere: true, cause })
  for (;;) {
    const line = await lines.readLine(MAX_LINE, { idleMs: due - performance.now() }).catch((err: unknown) => {
      if (err instanceof IdleTimeout) throw lost(`${remote} did not answer for ${Math.round(idleMs / 1000)} seconds`, err)
      if (err instanceof LineTooLong) throw lost(`${remote} does not speak SMTP`, err)
      throw lost(`The connection to ${remote} was lost`, err)
    })
    if (line === undefined) throw lost(`${remote} closed the connection`)
    // Line by line, each in time, a reply could take for ever.
    if (performance.now() > due) throw lost(`${remote} did not end its reply within ${Math.round(idleMs / 1000)} seconds`)
    const [, code, more, text] = /^([2-5]\d\d)([ -]|$)(.*)$/s.exec(line.toString('latin1')) ?? []
    if (code === undefined) throw lost(`${remote} does not speak SMTP`)
    texts.push(text ?? '')
    if (more !== '-') return { code: Number(code), lines: texts }
    if (texts.length >= MAX_LINES) throw lost(`${remote} never ends its reply`)
  }
}

/** An enhanced status code of the reply's own class, its own where it brought one. */
export function statusOf({ code, lines }: Answer): string {
  const digit = String(code)[0]!
  const [first = ''] = lines
  const [found = ''] = hasEnhancedCode(first) ? first.split(' ', 1) : []
  return found.startsWith(digit) ? found : `${digit}.0.0`
}

/** What it said, for people: printable, bounded, with its code. */
export const wordsOf = ({ code, lines }: Answer): string => sanitise(`${code} ${lines.join(' ')}`)

/** A reply that refuses. `aboutHost`: greeting, EHLO and TLS are about us or the host, not about one message. */
export function refusal(answer: Answer, remote: string, { aboutHost = false }: { aboutHost?: boolean } = {}): Failure {
  const temporary = answer.code < 500 || aboutHost
  const status = statusOf(answer)
  return new Failure(wordsOf(answer), {
    permanent: !temporary,
    status: temporary ? status.replace(/^[235]/, '4') : status,
    remote,
    elsewhere: aboutHost || answer.code === CLOSING,
  })
}
