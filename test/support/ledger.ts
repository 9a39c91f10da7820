/**
 * The ledger: what a client was told is written down before its next command, with the content it was told of; what was sent and not answered is in doubt. An auditor
 * can say afterwards what must be in the store, what may be, and what may not.
 */
import { createHash, randomBytes } from 'node:crypto'
import { openSync, writeSync } from 'node:fs'
import { seeded } from './random.ts'
import type { Tally } from './tally.ts'

/** A message of the load: its token is in its header and nowhere else in the world. */
export interface LoadMessage {
  readonly token: string
  readonly seq: number
  /** As sent, one character per octet, dots not doubled. */
  readonly octets: string
  /** Of what follows the header. */
  readonly bodySha: string
  /** Users that it is addressed to. */
  readonly to: readonly string[]
}

/** Where a message stands, as clients name it. */
export interface Place {
  readonly user: string
  readonly box: string
  readonly uidvalidity: number
  readonly uid: number
}

/** What one user should have of one message, in instances. */
interface Book {
  sure: number
  maybeMore: number
  maybeLess: number
  /** How often something was asked for: a copy that was lost and an expunge of the original leave the same numbers behind, and are two. */
  touches: number
}

/** Something that was asked for; in doubt until it is settled. */
export interface Intent {
  done(): void
  refused(): void
}

/** A flag that only one client sets: its last acknowledged value, unless a later one is in doubt. */
interface OwnFlag {
  readonly place: Place
  readonly keyword: string
  value: boolean
  sure: boolean
}

export const keyOf = ({ user, box, uidvalidity, uid }: Place): string => `${user}/${box}/${uidvalidity}/${uid}`
export const sha256 = (octets: string): string => createHash('sha256').update(octets, 'latin1').digest('hex')
/** What follows the header. */
export const bodyOf = (octets: string): string => octets.slice(octets.indexOf('\r\n\r\n') + 4)
export const tokenOf = (octets: string): string | undefined => /^X-Token: (\S+)/im.exec(octets)?.[1]

export class Ledger {
  readonly tally: Tally
  readonly messages = new Map<string, LoadMessage>()
  /** `user token` → what there should be. */
  readonly books = new Map<string, Book>()
  /** Place → SHA-256 of the whole message that stands there. */
  readonly told = new Map<string, string>()
  readonly gone = new Map<string, Place>()
  readonly flags = new Map<string, OwnFlag>()
  /** Remote messages that were acknowledged, and those whose answer was lost, or was no. */
  readonly relayed = { sure: new Set<string>(), doubt: new Set<string>() }
  acknowledged = 0
  /** Messages whose sender had to send again because an answer was lost or was 4xx. */
  readonly sentAgain = new Set<string>()
  readonly #highest = new Map<string, number>()
  readonly #random: (n: number) => number
  readonly #file: number | undefined
  readonly #run = randomBytes(3).toString('hex')

  /** `file`: where it is written down, for whoever looks into a violation later. */
  constructor({ tally, seed, file }: { tally: Tally; seed: number; file?: string }) {
    this.tally = tally
    this.#random = seeded(seed ^ 0x5eed)
    this.#file = file === undefined ? undefined : openSync(file, 'a')
  }

  /** A new message. One in fifty is too large for a single chunk of the store, where `octets`, about, are not said. */
  message({ to, from, octets: about }: { to: readonly string[]; from: string; octets?: number | undefined }): LoadMessage {
    const seq = this.messages.size
    const token = `t${seq}-${this.#run}`
    const size = about ?? (this.#random(50) === 0 ? 300_000 + this.#random(50_000) : 200 + this.#random(5_000))
    const octets = `${[
      `From: ${from}`,
      `To: ${to.map((user) => `${user}@example.test`).join(', ')}`,
      `Subject: ${token}`,
      `X-Token: ${token}`,
      `Message-ID: <${token}@load.test>`,
      'Date: Sun, 01 Feb 2026 12:00:00 +0000',
    ].join('\r\n')}\r\n\r\n${this.#text(token, size)}`
    const message = { token, seq, octets, bodySha: sha256(bodyOf(octets)), to }
    this.messages.set(token, message)
    return message
  }

  /** Instances that come (n > 0) or go: counted as possible from now on, as certain when it is done. */
  intend(user: string, token: string, n: number): Intent {
    const book = this.#book(user, token)
    book.touches++
    const maybe = n > 0 ? 'maybeMore' : 'maybeLess'
    book[maybe] += Math.abs(n)
    let settled = false
    const settle = (sure: number, word: string): void => {
      if (settled) return
      settled = true
      book[maybe] -= Math.abs(n)
      book.sure += sure
      this.write({ [word]: n, user, token })
    }
    return { done: () => settle(n, 'done'), refused: () => settle(0, 'refused') }
  }

  /** A client was told that these octets stand there: the same ones for ever (I3). */
  tell(place: Place, sha: string, by: string): void {
    const key = keyOf(place)
    const known = this.told.get(key)
    this.tally.check(
      'I3',
      known === undefined || known === sha,
      () => `${by} was told ${sha.slice(0, 12)} at ${key}, before it was ${known?.slice(0, 12)}`,
    )
    if (known !== undefined) return
    this.told.set(key, sha)
    this.write({ told: key, sha, by })
    this.noteUid(place)
  }

  noteUid({ user, box, uidvalidity, uid }: Place): void {
    const key = `${user}/${box}/${uidvalidity}`
    this.#highest.set(key, Math.max(uid, this.#highest.get(key) ?? 0))
  }

  /** The highest UID that anybody was told of there. What is committed later has a higher one. */
  highestUid({ user, box, uidvalidity }: Omit<Place, 'uid'>): number {
    return this.#highest.get(`${user}/${box}/${uidvalidity}`) ?? 0
  }

  /** A client was told that it is expunged: nobody sees it again (I6). */
  expunged(place: Place): void {
    this.gone.set(keyOf(place), place)
    this.write({ gone: keyOf(place) })
  }

  flag(place: Place, keyword: string, value: boolean, sure: boolean): void {
    const key = `${keyOf(place)} ${keyword}`
    this.flags.set(key, { place, keyword, value, sure })
    if (sure) this.write({ flag: key, value })
  }

  /** Something was acknowledged: it is on paper before the client goes on. */
  write(what: object): void {
    this.acknowledged++
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify({ at: Date.now(), ...what })}\n`)
  }

  /** [fewest, most] instances of the message that the user may have now. */
  bounds(user: string, token: string): readonly [number, number] {
    const { sure, maybeMore, maybeLess } = this.books.get(`${user} ${token}`) ?? { sure: 0, maybeMore: 0, maybeLess: 0 }
    return [sure - maybeLess, sure + maybeMore]
  }

  #book(user: string, token: string): Book {
    const key = `${user} ${token}`
    const book = this.books.get(key) ?? { sure: 0, maybeMore: 0, maybeLess: 0, touches: 0 }
    this.books.set(key, book)
    return book
  }

  /** Lines that no other message has, some of them beginning with a dot. */
  #text(token: string, size: number): string {
    const lines: string[] = []
    for (let length = 0; length < size; ) {
      const line = `${this.#random(8) === 0 ? '.' : ''}${token} ${lines.length} ${this.#random(1 << 30).toString(36)} a line of a letter`
      lines.push(line)
      length += line.length + 2
    }
    return `${lines.join('\r\n')}\r\n`
  }
}
