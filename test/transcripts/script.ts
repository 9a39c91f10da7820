/**
 * The language of the dialogues. A line is one of
 *
 *   C1: a1 NOOP          session 1 sends this line. `{{xff}}` is an octet, `{{20*ab}}` is repeated text, `{{-}}` at the end keeps the CRLF back.
 *   S1: a1 OK done       session 1 gets this line. `$name` stands for a word, the same one each time; `…` for anything; `S1: (closed)` for the
 *                        end of the connection.
 *                        Octets that are no printable ASCII show as `{{xff}}` here too.
 *   {any order} … {end}  the S lines between them come in any order
 *   @verb arguments      something that happens outside: see play.ts
 *   # …                  a remark
 */

export type Step =
  | { readonly kind: 'send'; readonly session: string; readonly text: string; readonly at: number }
  | { readonly kind: 'expect'; readonly session: string; readonly lines: readonly string[]; readonly anyOrder: boolean; readonly at: number }
  | { readonly kind: 'event'; readonly verb: string; readonly rest: string; readonly at: number }

const LINE = /^([CS])([0-9]): ?(.*)$/

/** `at` is the index of the step's first line, its own number of lines being what UPDATE replaces. */
export function parseScript(text: string): Step[] {
  const steps: Step[] = []
  const lines = text.split('\n')
  let block: { session: string; lines: string[]; at: number } | undefined
  let anyOrder = false
  const close = (): void => {
    if (block) steps.push({ kind: 'expect', ...block, anyOrder })
    block = undefined
  }
  lines.forEach((line, at) => {
    if (line === '{any order}' || line === '{end}') {
      close()
      anyOrder = line === '{any order}'
      return
    }
    const match = LINE.exec(line)
    const [, side, session, rest] = match ?? []
    if (side === 'S' && session !== undefined) {
      if (block?.session !== session) {
        close()
        block = { session, lines: [], at }
      }
      block!.lines.push(rest ?? '')
      return
    }
    close()
    if (side === 'C' && session !== undefined) steps.push({ kind: 'send', session, text: rest ?? '', at })
    else if (line.startsWith('@')) {
      const [verb = '', ...words] = line.slice(1).split(' ')
      steps.push({ kind: 'event', verb, rest: words.join(' '), at })
    } else if (line.trim() !== '' && !line.startsWith('#')) throw new Error(`line ${at + 1} is none of the language: ${line}`)
  })
  close()
  return steps
}

/** `{{…}}` in what is sent. Returns the octets, one per character, with the CRLF if there is one. */
export function expand(text: string): string {
  const held = text.endsWith('{{-}}')
  const body = held ? text.slice(0, -5) : text
  const octets = Buffer.from(body, 'utf8').toString('latin1')
  const filled = octets.replace(/\{\{(?:x([0-9a-f]{2})|([0-9]+)\*(.*?))\}\}/g, (_, octet?: string, times?: string, what = '') =>
    octet ? String.fromCharCode(Number.parseInt(octet, 16)) : what.repeat(Number(times)),
  )
  return held ? filled : `${filled}\r\n`
}

/** A line of the server as a script shows it. */
export const shown = (line: string): string => line.replace(/[^ -~]/g, (octet) => `{{x${octet.charCodeAt(0).toString(16).padStart(2, '0')}}}`)

const VARIABLE = /\$([a-z][a-z0-9]*)/g
const WORD = '[A-Za-z0-9:,._+-]+'
const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** The words that `$name`s stood for so far. */
export class Bindings {
  readonly #words = new Map<string, string>()

  set(name: string, word: string): void {
    this.#words.set(name, word)
  }

  /** `$name`s that are known are filled in; others stay. */
  fill(text: string): string {
    return text.replace(VARIABLE, (all, name: string) => this.#words.get(name) ?? all)
  }

  /** Whether the line is the expected one; binds what it shows for the first time. */
  matches(expected: string, line: string): boolean {
    const names: string[] = []
    const pattern = expected.split(VARIABLE).map((part, i) => {
      if (i % 2 === 0) return part.split('…').map(literally).join('.*')
      const known = this.#words.get(part)
      if (known !== undefined) return literally(known)
      names.push(part)
      return names.indexOf(part) < names.length - 1 ? `\\${names.indexOf(part) + 1}` : `(${WORD})`
    })
    const match = new RegExp(`^${pattern.join('')}$`, 's').exec(line)
    names.forEach((name, i) => {
      if (match?.[i + 1] !== undefined) this.#words.set(name, match[i + 1]!)
    })
    return match !== null
  }

  /** A line as a script would have it: a UIDVALIDITY and a MAILBOXID get names, and what is known and long enough to be meant is named. */
  unfill(line: string): string {
    const validity = /\b(?:UIDVALIDITY|APPENDUID|COPYUID) ([0-9]+)/.exec(line)?.[1]
    if (validity) this.#nameOf('uidvalidity', validity)
    let text = line.replace(/\bMAILBOXID \(([^)]+)\)/g, (_, id: string) => `MAILBOXID ($${this.#nameOf('mailboxid', id)})`)
    for (const [name, word] of this.#words) if (word.length >= 6) text = text.replaceAll(word, `$${name}`)
    return text
  }

  /** The name that stands for the word: the kind's own, or the kind with a number. */
  #nameOf(kind: string, word: string): string {
    for (const [name, known] of this.#words) if (known === word) return name
    const n = [...this.#words.keys()].filter((name) => name.startsWith(kind)).length
    const name = `${kind}${n === 0 ? '' : n + 1}`
    this.#words.set(name, word)
    return name
  }
}
