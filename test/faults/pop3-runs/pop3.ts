/** A POP3 program: comes in, looks, fetches and marks at random, and says QUIT or does not. */
import { setTimeout as sleep } from 'node:timers/promises'
import { POP3_LIMITS } from '../../../src/pop3/limits.ts'
import { bodyOf, sha256, tokenOf } from '../../support/ledger.ts'
import { address, type Host, pick } from '../load/load.ts'
import { Lost, Wire } from '../wire.ts'
import type { Act, Deed } from './book.ts'
import { type Client, hostFor, type Moment, type Policy, type Run, unexpected } from './clients.ts'
import type { Visit } from './visits.ts'

/** Longer than any wait of a server's. */
const ANSWER_MS = 30_000
/** Lines of a message between two moments in which something may happen. */
const LOOK_EVERY = 32
/** To read the end of a connection, in milliseconds. */
const NOTICE_MS = 20
/** For the maildrop, in milliseconds. */
const PATIENCE = 8_000

export interface Popper extends Client {
  readonly policy: Policy
  readonly visits: number
}

/** One session after the other, each as soon as the maildrop is free. */
export async function popper(run: Run, client: Popper): Promise<void> {
  await sleep(client.random(30))
  for (let n = 0; n < client.visits; n++) {
    const until = performance.now() + PATIENCE
    while (performance.now() < until && !(await visit(run, client, { by: `${client.name}.${n}`, until }))) await pause(client)
    await sleep(client.random(10))
  }
}

const pause = ({ random }: Client): Promise<void> => sleep(10 + random(25))

/** false: it was not let in. */
async function visit(run: Run, client: Popper, { by, until }: { by: string; until: number }): Promise<boolean> {
  const host = hostFor(run, client, 'pop3s')
  try {
    await using session = await Session.open(run, client, { by, host })
    // Some come back on another connection.
    while (!(await session.logIn())) {
      if (client.random(5) === 0 || performance.now() > until) return false
      await pause(client)
    }
    await session.look()
    for (let left = 1 + client.random(7); left > 0; left--) await session.act()
    await session.leave()
    return true
  } catch (err) {
    if (!(err instanceof Lost)) throw err
    // Before the login, or within: it is over, and the next one may be let in.
    return client.random(2) === 0
  }
}

class Session implements AsyncDisposable {
  readonly #run: Run
  readonly #client: Popper
  readonly #wire: Wire
  readonly #visit: Visit
  readonly #by: string
  /** Tokens by message number; undefined where it cannot be read. */
  #tokens: (string | undefined)[] = []
  readonly #marked = new Set<string>()
  readonly #taken = new Set<string>()

  private constructor(run: Run, client: Popper, parts: { by: string; visit: Visit; wire: Wire }) {
    this.#run = run
    this.#client = client
    this.#by = parts.by
    this.#visit = parts.visit
    this.#wire = parts.wire
  }

  static async open(run: Run, client: Popper, { by, host }: { by: string; host: Host }): Promise<Session> {
    const visit = run.visits.begin(by, client.policy.folder, host.name)
    const wire = await Wire.open(host.where('pop3s'))
    const session = new Session(run, client, { by, visit, wire })
    visit.hasEnded = () => wire.ended
    await wire.line(ANSWER_MS)
    return session
  }

  readonly #drop = (): void => {
    const { state } = this.#visit
    if (state === 'entering' || state === 'in' || state === 'leaving') this.#run.visits.move(this.#visit, 'dropped')
    this.#wire.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#drop()
  }

  async logIn(): Promise<boolean> {
    const { visits, user } = this.#run
    await this.#say(`USER ${address(user)}`)
    await this.#at('PASS', 'before')
    visits.move(this.#visit, 'entering')
    this.#wire.send(`PASS ${this.#client.password}\r\n`)
    await this.#at('PASS', 'sent')
    const said = await this.#wire.line(ANSWER_MS)
    // A session that the server has ended in its trouble may not have noticed yet.
    if (this.#run.isDisturbed) await sleep(NOTICE_MS)
    visits.answered(this.#visit, said, this.#run.isDisturbed)
    await this.#at('PASS', 'after')
    return said.startsWith('+OK')
  }

  /** UIDL, and TOP of what was not seen before: which message is which. */
  async look(): Promise<void> {
    const { book } = this.#run
    const said = await this.#say('UIDL')
    if (!said.startsWith('+OK')) return this.#odd(said)
    const ids = (await this.#lines()).map((line) => line.split(' ')[1]!)
    this.#tokens = ids.map((id) => book.tokenOf(id))
    const unknown = ids.flatMap((id, at) => (this.#tokens[at] === undefined ? [{ id, at }] : []))
    this.#wire.send(unknown.map(({ at }) => `TOP ${at + 1} 0\r\n`).join(''))
    for (const { id, at } of unknown) {
      const top = await this.#wire.line(ANSWER_MS)
      if (!top.startsWith('+OK')) {
        this.#odd(top)
        continue
      }
      const token = tokenOf((await this.#lines()).join('\r\n'))
      if (token !== undefined) book.named(id, token, this.#by)
      this.#tokens[at] = token
    }
    if (this.#visit.state !== 'in') return
    const known = this.#tokens.filter((token) => token !== undefined)
    const tokens = new Set(known)
    this.#run.tally.check('once', tokens.size === known.length, () => `${this.#by} is shown ${known.length} messages, ${tokens.size} different ones`)
    // TOP may have failed, of some or all.
    if (known.length < ids.length) return
    const { folder: box, max = Number.POSITIVE_INFINITY } = this.#client.policy
    this.#run.tally.check('read', tokens.size <= max, () => `${this.#by} is shown ${tokens.size} of at most ${max}`)
    book.shown(this.#by, { box, tokens, from: this.#from, all: tokens.size < max })
  }

  /** On the book's clock: PASS was not sent before. */
  #from = 0

  async act(): Promise<void> {
    const { random } = this.#client
    const number = random(this.#tokens.length || 1) + 1
    const token = this.#tokens[number - 1]
    // Nobody could say afterwards what it was that went.
    if (token === undefined) return
    if (random(3) === 0) await sleep(random(8))
    const what = random(20)
    if (what < 8) return await this.#retrieve(number, token)
    if (what < 15) {
      const said = await this.#say(`DELE ${number}`)
      if (said.startsWith('+OK')) this.#marked.add(token)
    } else if (what === 15) {
      if ((await this.#say('RSET')).startsWith('+OK')) this.#marked.clear()
    } else if (what === 16) {
      if ((await this.#say('LIST')).startsWith('+OK')) await this.#lines()
    } else await this.#say(pick(random, ['NOOP', 'STAT', `UIDL ${number}`]))
  }

  async #retrieve(number: number, token: string): Promise<void> {
    const { book, tally } = this.#run
    const said = await this.#say(`RETR ${number}`)
    const isMarked = this.#marked.has(token)
    if (!said.startsWith('+OK')) {
      if (!isMarked) tally.check('read', this.#run.isDisturbed, () => `${this.#by}: RETR of ${token} is answered ${said}`)
      return
    }
    const lines = await this.#lines('RETR')
    const octets = `${lines.join('\r\n')}\r\n`
    const letter = book.letters.get(tokenOf(octets) ?? '')
    const isRight = letter !== undefined && letter.message.token === token && sha256(bodyOf(octets)) === letter.message.bodySha
    tally.check('read', isRight, () => `${this.#by}: RETR ${number} gives ${letter?.message.token}, not ${token}, or other octets`)
    this.#taken.add(token)
  }

  /** QUIT, after some DELE that nobody waits for; or another end. */
  async leave(): Promise<void> {
    const { random } = this.#client
    if (random(8) === 0) return
    if (random(8) === 0) return await this.#end(pick(random, ['half', 'long', 'wrong']))
    const more = random(3) === 0 ? this.#tokens.slice(0, 1 + random(3)) : []
    await this.#at('QUIT', 'before')
    const lines = more.flatMap((token, at) => (token === undefined ? [] : [`DELE ${at + 1}\r\n`]))
    for (const token of more) if (token !== undefined) this.#marked.add(token)
    const { book, visits } = this.#run
    const deed = book.begin(this.#by, this.#client.policy.folder, this.#acts())
    visits.move(this.#visit, 'leaving')
    try {
      this.#wire.send(`${lines.join('')}QUIT\r\n`)
      await this.#at('QUIT', 'sent')
      for (const _ of lines) await this.#wire.line(ANSWER_MS)
      this.#answered(deed, await this.#wire.line(ANSWER_MS))
    } catch (err) {
      book.settle(deed, 'doubt')
      throw err
    }
    await this.#at('QUIT', 'after')
  }

  /** The server ends it: after our half of the connection, a line that is too long, or too many commands that are none. Then the maildrop is free. */
  async #end(how: 'half' | 'long' | 'wrong'): Promise<void> {
    await this.#at(how, 'before')
    this.#run.visits.move(this.#visit, 'leaving')
    if (how === 'half') this.#wire.end()
    else this.#wire.send(how === 'long' ? 'x'.repeat(10_000) : 'WRONG\r\n'.repeat(POP3_LIMITS.bad))
    await this.#at(how, 'sent')
    try {
      for (;;) await this.#wire.line(ANSWER_MS)
    } catch (err) {
      if (!(err instanceof Lost)) throw err
    }
    if (!this.#run.isDisturbed) this.#run.visits.move(this.#visit, 'left')
  }

  #answered(deed: Deed, said: string): void {
    const { book, visits, tally } = this.#run
    if (said.startsWith('+OK')) book.settle(deed, 'done')
    // "Nothing was changed" is a promise too; any other SYS/TEMP is none.
    else book.settle(deed, said.includes('nothing was ') ? 'refused' : 'doubt')
    const mayFail = this.#run.isDisturbed
    tally.check('words', said.startsWith('+OK') || (said.startsWith('-ERR') && mayFail), () => `${this.#by}: QUIT is answered ${said}`)
    // What is answered is let go of before.
    visits.move(this.#visit, said.startsWith('+OK') ? 'left' : 'dropped')
  }

  #acts(): Act[] {
    const { after, seen } = this.#client.policy
    const [marked, taken] = [[...this.#marked], [...this.#taken]]
    const all = [...new Set([...marked, ...taken])]
    const flags = seen ? taken.map((token) => ({ kind: 'seen', token }) as const) : []
    switch (after) {
      case 'client':
        return [...flags, ...marked.map((token) => ({ kind: 'gone', token }) as const)]
      case 'delete':
        return all.map((token) => ({ kind: 'gone', token }))
      case 'keep':
        return [...flags, ...marked.map((token) => ({ kind: 'hide', token }) as const)]
      case 'trash':
      case 'archive':
        return [...flags, ...all.map((token) => ({ kind: 'move', token, to: after === 'trash' ? 'Trash' : 'Archive' }) as const)]
      default:
        return after satisfies never
    }
  }

  async #say(line: string): Promise<string> {
    const command = line.split(' ')[0]!
    await this.#at(command, 'before')
    this.#wire.send(`${line}\r\n`)
    await this.#at(command, 'sent')
    const said = await this.#wire.line(ANSWER_MS)
    await this.#at(command, 'after')
    return said
  }

  /** Up to the lone dot, which is not among them. */
  async #lines(within?: string): Promise<string[]> {
    const lines: string[] = []
    let octets = 0
    for (let line = await this.#wire.line(ANSWER_MS); line !== '.'; line = await this.#wire.line(ANSWER_MS)) {
      lines.push(line.startsWith('.') ? line.slice(1) : line)
      octets += line.length + 2
      if (within !== undefined && lines.length % LOOK_EVERY === 1) await this.#at(within, 'within', octets)
    }
    return lines
  }

  async #at(command: string, phase: Moment['phase'], octets?: number): Promise<void> {
    if (command === 'PASS' && phase === 'before') this.#from = this.#run.book.now()
    await this.#run.at({ client: this.#client.name, command, phase, drop: this.#drop, ...(octets === undefined ? {} : { octets }) })
  }

  #odd(said: string): void {
    unexpected(this.#run, this.#client, said)
  }
}
