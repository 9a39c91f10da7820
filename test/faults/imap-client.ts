/** The IMAP side of the load: commands one after the other, answers with their literals, and every untagged line told in order. */
import { Lost, type Where, Wire } from './wire.ts'

/** One response: text with `{n}` where a literal was, and the literals. */
export interface Response {
  readonly text: string
  readonly literals: readonly string[]
}

export interface Answer {
  /** `NO` with UNAVAILABLE counts as `UNKNOWN`: a commit whose reply was lost, and that could not be asked for, is answered so too. */
  readonly status: 'OK' | 'NO' | 'BAD' | 'UNKNOWN'
  readonly text: string
  readonly untagged: readonly Response[]
}

/** An answer that the load did not expect; the session ends, its next one begins anew. */
export class Unexpected extends Error {}

export class ImapClient {
  readonly #wire: Wire
  readonly #told: (response: Response) => void
  #tag = 0

  private constructor(wire: Wire, told: (response: Response) => void) {
    this.#wire = wire
    this.#told = told
  }

  /** Connects and logs in. `told` hears every untagged response, in order. */
  static async login(where: Where, who: { user: string; password: string }, told: (response: Response) => void = () => {}): Promise<ImapClient> {
    const wire = await Wire.open(where)
    const client = new ImapClient(wire, told)
    try {
      await wire.line()
      await client.must(`LOGIN ${who.user} "${who.password}"`)
      return client
    } catch (err) {
      wire.close()
      throw err
    }
  }

  /** `literal` goes after the line, which ends in its `{n}`. */
  async command(line: string, literal?: string): Promise<Answer> {
    const tag = `a${++this.#tag}`
    this.#wire.send(`${tag} ${line}\r\n`)
    if (literal !== undefined) {
      const asked = await this.#until(tag, true)
      if (asked.status !== 'GO') return asked
      this.#wire.send(`${literal}\r\n`)
    }
    const answer = await this.#until(tag, false)
    if (answer.status === 'GO') throw new Unexpected('asked to go on')
    return answer
  }

  /** The command's answer. A server that cannot do it now ends this session like a lost line; any other answer is Unexpected. */
  async must(line: string): Promise<Answer> {
    const answer = await this.command(line)
    if (answer.text.includes('[UNAVAILABLE]')) throw new Lost(answer.text)
    if (answer.status !== 'OK') throw new Unexpected(`${line}: ${answer.text}`)
    return answer
  }

  /** IDLE until something came or `ms` passed; true if something came. */
  async idle(ms: number): Promise<boolean> {
    const tag = `a${++this.#tag}`
    this.#wire.send(`${tag} IDLE\r\n`)
    // What is known already comes before the "+", or just after it.
    const begun = await this.#until(tag, true)
    if (begun.status !== 'GO') throw new Unexpected(begun.text)
    const heard = begun.untagged.length > 0 || (await this.#wire.readable(ms))
    this.#wire.send('DONE\r\n')
    const done = await this.#until(tag, false)
    if (done.status !== 'OK') throw new Unexpected(done.text)
    return heard
  }

  close(): void {
    this.#wire.close()
  }

  async #until(tag: string, plusEnds: boolean): Promise<Answer | (Omit<Answer, 'status'> & { readonly status: 'GO' })> {
    const untagged: Response[] = []
    for (;;) {
      const response = await this.#response()
      const { text } = response
      if (text.startsWith('* ')) {
        if (text.startsWith('* BYE')) throw new Lost(text)
        untagged.push(response)
        this.#told(response)
      } else if (text.startsWith('+')) {
        if (plusEnds) return { status: 'GO', text, untagged }
      } else if (text.startsWith(`${tag} `)) {
        const [, status = ''] = text.split(' ')
        if (text.includes('[UNAVAILABLE]') || text.includes('[SERVERBUG]')) return { status: 'UNKNOWN', text, untagged }
        if (status !== 'OK' && status !== 'NO' && status !== 'BAD') throw new Unexpected(text)
        return { status, text, untagged }
      } else throw new Unexpected(text)
    }
  }

  async #response(): Promise<Response> {
    let text = await this.#wire.line()
    const literals: string[] = []
    for (let size = literalSize(text); size !== undefined; size = literalSize(text)) {
      literals.push(await this.#wire.octets(size))
      text += await this.#wire.line()
    }
    return { text, literals }
  }
}

function literalSize(text: string): number | undefined {
  const [, n] = /\{(\d+)\}$/.exec(text) ?? []
  return n === undefined ? undefined : Number(n)
}

export interface Fetched {
  readonly msn: number
  readonly uid: number | undefined
  readonly flags: readonly string[] | undefined
  readonly literal: string | undefined
}

/** An untagged FETCH; undefined for anything else. */
export function fetched({ text, literals }: Response): Fetched | undefined {
  const [, msn] = /^\* (\d+) FETCH \(/.exec(text) ?? []
  if (msn === undefined) return undefined
  const uid = /[( ]UID (\d+)/.exec(text)?.[1]
  const flags = /[( ]FLAGS \(([^)]*)\)/.exec(text)?.[1]
  return {
    msn: Number(msn),
    uid: uid === undefined ? undefined : Number(uid),
    flags: flags === undefined ? undefined : flags.split(' ').filter((flag) => flag !== ''),
    literal: literals[0],
  }
}

/** `1:3,7` → 1 2 3 7. */
export function expand(set: string): number[] {
  return set.split(',').flatMap((part) => {
    const [first, last = first] = part.split(':').map(Number)
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i)
  })
}
