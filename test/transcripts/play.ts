/** Plays a dialogue against the real service on the real store: what is the same for every protocol. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ImapHouse, ImapServer } from '../support/imap.ts'
import { PASSWORD } from '../support/imap.ts'
import { type ScramChoices, ScramClient } from '../support/scram.ts'
import { WireClient } from '../support/wire-client.ts'
import { Bindings, expand, parseScript, type Step, shown } from './script.ts'

const CLOSED = '(closed)'
const SILENCE_MS = 60
/** What `@messages` makes. */
const AT = Date.UTC(2024, 4, 6, 7, 8, 9)
export const message = (n: number): string =>
  `From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: Message ${n}\r\nDate: Mon, 6 May 2024 07:08:09 +0000\r\nMessage-ID: <${n}@example.test>\r\n\r\nThis is ${n}.\r\n`

export interface Played {
  /** The script with the server's lines as they were. */
  readonly updated: string
  /** The first thing that was not as expected. */
  readonly failure: Error | undefined
}

export interface PlayOptions {
  readonly house: ImapHouse
  readonly user: string
  /** Who `@peer` sessions belong to. */
  readonly peer?: string
  /** What clients send comes octet by octet. */
  readonly split?: boolean
}

/** Sessions open at their first line and log in as `user`, unless `@anonymous` names them. */
export async function play(text: string, player: Player): Promise<Played> {
  const lines: (string | undefined)[] = text.split('\n')
  let failure: Error | undefined
  try {
    for (const step of parseScript(text)) {
      const came = await player.step(step)
      if (!came || step.kind !== 'expect') continue
      failure ??= came.failure
      step.lines.forEach((_, i) => {
        lines[step.at + i] = undefined
      })
      lines[step.at] = came.lines.map((line) => `S${step.session}: ${line}`).join('\n')
    }
    await player.finish()
  } catch (error) {
    failure ??= error as Error
  } finally {
    await player.close()
  }
  return { updated: lines.filter((line) => line !== undefined).join('\n'), failure }
}

interface Came {
  readonly lines: readonly string[]
  readonly failure: Error | undefined
}

/** One dialogue; each protocol has its own kind. */
export abstract class Player {
  protected readonly house: ImapHouse
  protected readonly user: string
  protected readonly words = new Bindings()
  protected readonly anonymous = new Set<string>()
  protected server: ImapServer | undefined
  readonly #split: boolean
  readonly #sessions = new Map<string, WireClient>()
  readonly #peer: string
  readonly #ofPeer = new Set<string>()
  #scram: ScramClient | undefined

  constructor({ house, user, peer = '', split = false }: PlayOptions) {
    this.house = house
    this.#peer = peer
    if (peer) this.words.set('peer', `${peer}@example.test`)
    this.user = user
    this.#split = split
    this.words.set('user', `${user}@example.test`)
    this.words.set('password', PASSWORD)
    this.words.set('user64', base64(`${user}@example.test`))
    this.words.set('password64', base64(PASSWORD))
    this.words.set('plain', base64(`\0${user}@example.test\0${PASSWORD}`))
  }

  protected abstract serve(): Promise<ImapServer>
  /** The greeting is still to be read. */
  protected abstract logIn(client: WireClient, address: string): Promise<void>
  /** A verb of this protocol alone; false: there is none. */
  protected abstract eventOf(verb: string, rest: string): Promise<boolean>
  /** `@options` of the service, before the first session. */
  protected abstract setOptions(options: object): void

  async step(step: Step): Promise<Came | undefined> {
    switch (step.kind) {
      case 'send':
        await this.#send(step.session, expand(this.words.fill(step.text)))
        return undefined
      case 'event':
        await this.#event(step.verb, step.rest)
        return undefined
      case 'expect':
        return await this.#expect(step)
    }
  }

  /** Nobody says more than the script has. */
  async finish(): Promise<void> {
    for (const [name, session] of this.#sessions) {
      session.end()
      const line = await session.line()
      assert.equal(line, undefined, `session ${name} also got: ${line}`)
    }
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) session.destroy()
    await this.server?.stop()
  }

  async #send(session: string, octets: string): Promise<void> {
    const client = await this.session(session)
    if (!this.#split) return client.send(octets)
    for (const octet of octets) {
      client.send(octet)
      await new Promise(setImmediate)
    }
  }

  protected async session(name: string): Promise<WireClient> {
    const open = this.#sessions.get(name)
    if (open) return open
    this.server ??= await this.serve()
    const client = await WireClient.connect(this.server.port)
    this.#sessions.set(name, client)
    if (!this.anonymous.has(name)) {
      await this.logIn(client, `${this.#ofPeer.has(name) ? this.#peer : this.user}@example.test`)
    }
    return client
  }

  async #expect({ session: name, lines, anyOrder, at }: Extract<Step, { kind: 'expect' }>): Promise<Came> {
    const session = await this.session(name)
    const came: string[] = []
    const left = [...lines]
    let failure: Error | undefined
    while (left.length > 0) {
      const line = await session.line().catch((error: Error) => {
        failure ??= new Error(`line ${at + came.length + 1}: expected ${JSON.stringify(left[0])}, but ${error.message}`)
        return null
      })
      if (line === null) break
      const text = line === undefined ? CLOSED : shown(line)
      this.#prove(text)
      const index = (anyOrder ? left : left.slice(0, 1)).findIndex((expected) => this.words.matches(expected, text))
      came.push(index >= 0 ? left[index]! : this.words.unfill(text))
      if (index < 0)
        failure ??= new Error(`line ${at + came.length}: expected ${JSON.stringify(this.words.fill(left[0]!))}, got ${JSON.stringify(text)}`)
      left.splice(Math.max(index, 0), 1)
      if (line === undefined) break
    }
    // More of the same reply belongs here, for UPDATE.
    if (failure && came.at(-1) !== CLOSED) {
      let more = await quick(session)
      for (; typeof more === 'string'; more = await quick(session)) came.push(this.words.unfill(shown(more)))
      if (more === undefined) came.push(CLOSED)
    }
    return { lines: came, failure }
  }

  /** The server's first message of a SCRAM exchange: what the client answers is `$final`, and what the server has to say to that `$proof`. */
  #prove(line: string): void {
    const challenge = /^\+ ([A-Za-z0-9+/=]+)$/.exec(line)?.[1]
    const scram = this.#scram
    if (!scram || challenge === undefined) return
    this.#scram = undefined
    this.words.set('final', base64(scram.final(Buffer.from(challenge, 'base64').toString())))
    this.words.set('proof', base64(scram.expected))
  }

  protected scram(choices: Omit<ScramChoices, 'user'>): void {
    this.#scram = new ScramClient({ user: `${this.user}@example.test`, ...choices })
    this.words.set('first', base64(this.#scram.first))
  }

  async #event(verb: string, rest: string): Promise<void> {
    const [first = '', second = ''] = rest.split(' ')
    switch (verb) {
      // @anonymous 1: this session is not logged in; its greeting is part of the script.
      case 'anonymous':
        this.anonymous.add(rest)
        await this.session(rest)
        return
      // @peer 2: this session is of another user.
      case 'peer':
        this.#ofPeer.add(rest)
        return
      // @options {"limits": {"bad": 2}, "disable": ["IDLE"]}: of the service, before the first session.
      case 'options':
        this.setOptions(JSON.parse(rest) as object)
        return
      // @messages INBOX 3 \Seen: appends messages, counted from 1, by another way than IMAP.
      case 'messages': {
        const flags = rest.split(' ').slice(2)
        const messages = Array.from({ length: Number(second) }, (_, i) => ({ text: message(i + 1), flags, at: AT }))
        await this.house.append(this.user, first, messages)
        return
      }
      // @mailbox Name
      case 'mailbox':
        await this.house.store.create(await this.house.access(this.user), rest)
        return
      // @scram n other password: a SCRAM exchange begins; `$first` is what the client says first, with that flag and that password or the user's own.
      case 'scram':
        this.scram({ flag: first, password: rest.slice(first.length + 1) || PASSWORD })
        return
      // @kick: the account's sessions are ended.
      case 'kick':
        this.house.drivers.presence.kick((await this.house.access(this.user)).account, rest)
        return
      // @stop: the server is stopping.
      case 'stop':
        void this.server?.stop()
        return
      // @silent 1: this session gets nothing for a while.
      case 'silent': {
        const said = await (await this.session(rest)).silence(SILENCE_MS)
        assert.equal(said, '', `session ${rest} was to be silent`)
        return
      }
      // @wait 100: milliseconds.
      case 'wait':
        await sleep(Number(rest))
        return
      // @end 1: the client closes its side.
      case 'end':
        ;(await this.session(rest)).end()
        return
      default:
        if (!(await this.eventOf(verb, rest))) throw new Error(`there is no @${verb}`)
    }
  }
}

/** A line that is there or comes soon; undefined at the end of the connection, null for silence. */
const quick = (session: WireClient): Promise<string | undefined | null> => session.line(200).catch(() => null)
export const base64 = (text: string): string => Buffer.from(text).toString('base64')
