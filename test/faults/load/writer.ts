/** An IMAP session that writes: APPEND, STORE, COPY, MOVE and UID EXPUNGE, on what it owns (load.ts), each acknowledgement written down. */
import { type LoadMessage, type Place, sha256, tokenOf } from '../../support/ledger.ts'
import { type Answer, expand, fetched, ImapClient, Unexpected } from '../imap-client.ts'
import { address, BOXES, type Host, type Load, ownerOf, PASSWORD, pause, pick, reconnecting } from './load.ts'

/** Above this many messages of its own in a mailbox a writer removes more than it adds. */
const ENOUGH = 40
/** Acts between two SELECTs. */
const ACTS = 40

export interface WriterOptions {
  readonly user: string
  readonly host: Host
  /** 0 or 1: which messages it owns. */
  readonly which: 0 | 1
}

export function writer(load: Load, options: WriterOptions): Promise<void> {
  const mine = new Writer(load, options)
  return reconnecting(load, `writer of ${options.user}`, (well) => mine.session(well))
}

class Writer {
  readonly #load: Load
  readonly #o: WriterOptions
  readonly #keyword: string
  #client!: ImapClient
  #box = ''
  #uidvalidity = 0
  /** What stands in the selected mailbox, as far as this session asked. */
  #here = new Map<number, string>()

  constructor(load: Load, o: WriterOptions) {
    this.#load = load
    this.#o = o
    this.#keyword = `$writer${o.which}`
  }

  async session(well: () => void): Promise<void> {
    const { gate, stop, random } = this.#load
    const { user, host } = this.#o
    this.#client = await ImapClient.login(host.where('imaps'), { user: address(user), password: PASSWORD })
    try {
      while (!stop.aborted) {
        await this.#select(pick(random, BOXES))
        well()
        for (let acts = 0; acts < ACTS && !stop.aborted; acts++) {
          await gate.run(async () => void (stop.aborted || (await this.#act())))
          await pause(this.#load, 30 + random(150))
        }
      }
    } finally {
      this.#client.close()
    }
  }

  async #select(box: string): Promise<void> {
    const { untagged } = await this.#client.must(`SELECT ${box}`)
    const uidvalidity = untagged.map(({ text }) => /UIDVALIDITY (\d+)/.exec(text)?.[1]).find((n) => n !== undefined)
    this.#box = box
    this.#uidvalidity = Number(uidvalidity)
    this.#here = new Map()
  }

  async #act(): Promise<void> {
    const { random } = this.#load
    await this.#look()
    const own = [...this.#here].filter(([, token]) => ownerOf(token) === `writer${this.#o.which}`)
    const chance = random(100)
    if (own.length > ENOUGH || (chance < 15 && own.length > 0)) return await this.#expunge(own.slice(0, 1 + random(8)))
    if (chance < 35) return await this.#append()
    if (chance < 50 && own.length > 0) return await this.#transfer('MOVE', own.slice(-1 - random(4)))
    if (chance < 60 && own.length > 0) return await this.#transfer('COPY', own.slice(-1 - random(2)))
    if (this.#here.size > 0) await this.#flag()
  }

  /** Fetches the tokens of what is new here, and drops what is gone. */
  async #look(): Promise<void> {
    const known = Math.max(0, ...this.#here.keys())
    const { untagged } = await this.#client.must(`UID FETCH ${known + 1}:* (UID BODY.PEEK[HEADER.FIELDS (X-Token)])`)
    for (const response of untagged) {
      const { uid, literal } = fetched(response) ?? {}
      const token = literal === undefined ? undefined : tokenOf(literal)
      if (uid !== undefined && uid > known && token !== undefined) this.#here.set(uid, token)
    }
  }

  async #append(): Promise<void> {
    const { ledger, random } = this.#load
    const { user } = this.#o
    const message = ledger.message({ to: [user], from: address(user) })
    const box = pick(random, BOXES)
    const intent = ledger.intend(user, message.token, 1)
    // What anybody was told before this is committed before it, where nothing lies between.
    const before = box === this.#box ? ledger.highestUid(this.#where) : 0
    const answer = await this.#client.command(`APPEND ${box} (\\Seen) {${message.octets.length}}`, message.octets)
    if (answer.status === 'OK') {
      intent.done()
      this.#appended(answer, { box, message, before })
    } else this.#settle(answer, intent)
  }

  #appended({ text }: Answer, { box, message, before }: { box: string; message: LoadMessage; before: number }): void {
    const { ledger } = this.#load
    const [, uidvalidity, uid] = /APPENDUID (\d+) (\d+)/.exec(text) ?? []
    if (uid === undefined) throw new Unexpected(text)
    const place = { user: this.#o.user, box, uidvalidity: Number(uidvalidity), uid: Number(uid) }
    ledger.tell(place, sha256(message.octets), 'APPENDUID')
    ledger.tally.check('I3', place.uid > before, () => `${user(place)}: APPEND got ${uid} when ${before} was known`)
  }

  async #flag(): Promise<void> {
    const { ledger, random } = this.#load
    const uids = [...this.#here.keys()]
    const from = random(uids.length)
    const set = uids.slice(from, from + 1 + random(20))
    const value = random(2) === 0
    for (const uid of set) ledger.flag(this.#place(uid), this.#keyword, value, false)
    const { status } = await this.#client.command(`UID STORE ${set.join(',')} ${value ? '+' : '-'}FLAGS.SILENT (${this.#keyword})`)
    if (status === 'OK') for (const uid of set) ledger.flag(this.#place(uid), this.#keyword, value, true)
    // Everybody sets this one.
    await this.#client.command(`UID STORE ${pick(random, set)} ${random(2) ? '+' : '-'}FLAGS (\\Seen \\Flagged)`)
  }

  async #expunge(own: readonly (readonly [number, string])[]): Promise<void> {
    const { ledger } = this.#load
    const set = own.map(([uid]) => uid).join(',')
    const { status } = await this.#client.command(`UID STORE ${set} +FLAGS.SILENT (\\Deleted)`)
    if (status !== 'OK') return
    for (const [uid] of own) this.#here.delete(uid)
    const intents = own.map(([, token]) => ledger.intend(this.#o.user, token, -1))
    const answer = await this.#client.command(`UID EXPUNGE ${set}`)
    for (const intent of intents) this.#settle(answer, intent)
    if (answer.status === 'OK') for (const [uid] of own) ledger.expunged(this.#place(uid))
  }

  async #transfer(verb: 'COPY' | 'MOVE', own: readonly (readonly [number, string])[]): Promise<void> {
    const { ledger } = this.#load
    const box = BOXES.find((name) => name !== this.#box)!
    const set = own.map(([uid]) => uid).join(',')
    // A MOVE neither adds nor takes: the user has as many as before, whatever came of it.
    const intents = verb === 'COPY' ? own.map(([, token]) => ledger.intend(this.#o.user, token, 1)) : []
    if (verb === 'MOVE') for (const [uid] of own) this.#here.delete(uid)
    const answer = await this.#client.command(`UID ${verb} ${set} ${box}`)
    for (const intent of intents) this.#settle(answer, intent)
    if (answer.status !== 'OK') return
    if (verb === 'MOVE') for (const [uid] of own) ledger.expunged(this.#place(uid))
    const line = verb === 'COPY' ? answer.text : answer.untagged.map(({ text }) => text).find((text) => text.includes('COPYUID'))
    const [, uidvalidity, from, to] = /COPYUID (\d+) (\S+) ([^\]\s]+)\]/.exec(line ?? '') ?? []
    const [sources, targets] = from && to ? [expand(from), expand(to)] : [[], []]
    ledger.tally.check(
      'I1',
      sources.length === own.length && targets.length === own.length,
      () => `${verb} of ${set} in ${user(this.#place(0))} said ${line ?? 'nothing'}`,
    )
    for (const [i, source] of sources.entries()) {
      const sha = ledger.told.get(`${this.#o.user}/${this.#box}/${this.#uidvalidity}/${source}`)
      const place = { user: this.#o.user, box, uidvalidity: Number(uidvalidity), uid: targets[i]! }
      if (sha === undefined) ledger.noteUid(place)
      else ledger.tell(place, sha, 'COPYUID')
    }
  }

  #settle({ status }: Answer, intent: { done(): void; refused(): void }): void {
    if (status === 'OK') intent.done()
    else if (status !== 'UNKNOWN') intent.refused()
  }

  get #where(): Omit<Place, 'uid'> {
    return { user: this.#o.user, box: this.#box, uidvalidity: this.#uidvalidity }
  }
  #place(uid: number): Place {
    return { ...this.#where, uid }
  }
}

const user = ({ user, box }: Place): string => `${user}/${box}`
