/**
 * Two users and a mailbox of the first: its owner writes into it and gives and takes rights all the time, the other does what it may, and tries what it may not. Whatever
 * is shown or done is held against the rights that there may have been between the command and its answer.
 */
import { type Place, sha256, tokenOf } from '../../support/ledger.ts'
import { type Answer, fetched, ImapClient } from '../imap-client.ts'
import type { Grants } from './grants.ts'
import { address, BOXES, type Host, type Load, PASSWORD, pause, pick, reconnecting } from './load.ts'

export const TEAM = 'Team'
const RIGHTS = ['lrswite', 'lrswite', 'lrswite', 'lrs', 'lr', 'lrwi', 'l', 'i', ''] as const
const KEYWORD = '$guest'
/** Above this many messages of its own the guest takes away. */
const ENOUGH = 15

export interface Share {
  readonly owner: string
  readonly guest: string
  readonly grants: Grants
  readonly host: Host
}

const login = ({ host }: Share, user: string): Promise<ImapClient> =>
  ImapClient.login(host.where('imaps'), { user: address(user), password: PASSWORD })

/** An acknowledged APPEND to the mailbox: where it stands. */
async function append(
  load: Load,
  { owner, guest }: Share,
  { client, box }: { client: ImapClient; box: string },
): Promise<{ answer: Answer; token: string }> {
  const { ledger } = load
  const message = ledger.message({ to: [owner, guest], from: address(owner) })
  const intent = ledger.intend(owner, message.token, 1)
  const answer = await client.command(`APPEND ${box} {${message.octets.length}}`, message.octets)
  settle(answer, intent)
  const [, uidvalidity, uid] = /APPENDUID (\d+) (\d+)/.exec(answer.text) ?? []
  if (uid !== undefined)
    ledger.tell({ user: owner, box: TEAM, uidvalidity: Number(uidvalidity), uid: Number(uid) }, sha256(message.octets), 'APPENDUID')
  return { answer, token: message.token }
}

function settle({ status }: Answer, intent: { done(): void; refused(): void }): void {
  if (status === 'OK') intent.done()
  else if (status !== 'UNKNOWN') intent.refused()
}

/** Gives and takes. */
export function sharer(load: Load, share: Share): Promise<void> {
  const { owner, guest, grants } = share
  const { gate, stop, random } = load
  return reconnecting(load, `sharer ${owner}`, async (well) => {
    const client = await login(share, owner)
    try {
      await client.command(`CREATE ${TEAM}`)
      well()
      while (!stop.aborted) {
        await gate.run(async () => {
          if (stop.aborted) return
          if (grants.areKept || random(3) === 0) return void (await append(load, share, { client, box: TEAM }))
          const rights = pick(random, RIGHTS)
          const change = grants.change(rights)
          const { status } = await client.command(`SETACL ${TEAM} ${address(guest)} "${rights}"`)
          if (status === 'OK') change.done()
          else if (status !== 'UNKNOWN') change.refused()
        })
        await pause(load, 100 + random(500))
      }
    } finally {
      client.close()
    }
  })
}

/** Does what it may, and what it may not. */
export function guest(load: Load, share: Share): Promise<void> {
  const mine = new Guest(load, share)
  return reconnecting(load, `guest ${share.guest}`, (well) => mine.session(well))
}

class Guest {
  readonly #load: Load
  readonly #share: Share
  readonly #box: string
  /** Tokens that it appended: only it takes them away. */
  readonly #own = new Set<string>()
  #client!: ImapClient
  #uidvalidity = 0
  #here = new Map<number, string>()

  constructor(load: Load, share: Share) {
    this.#load = load
    this.#share = share
    this.#box = `Shared/${address(share.owner)}/${TEAM}`
  }

  async session(well: () => void): Promise<void> {
    const { gate, stop, random } = this.#load
    this.#client = await login(this.#share, this.#share.guest)
    try {
      well()
      while (!stop.aborted) {
        if (!(await gate.run(() => this.#select()))) {
          await gate.run(() => this.#append())
          await pause(this.#load, 50 + random(100))
          continue
        }
        for (let acts = 0; acts < 20 && !stop.aborted; acts++) {
          await gate.run(async () => void (stop.aborted || (await this.#act())))
          await pause(this.#load, 20 + random(100))
        }
      }
    } finally {
      this.#client.close()
    }
  }

  /** The command's answer, held against the rights: OK needs all of them at some moment, a refusal means that one was missing at some. */
  async #may(rights: string, line: string): Promise<Answer> {
    const began = performance.now()
    const answer = await this.#client.command(line)
    this.#judge(rights, answer, { line, began })
    return answer
  }

  #judge(rights: string, { status, text, untagged }: Answer, { line, began }: { line: string; began: number }): void {
    const { grants, owner, guest } = this.#share
    const { tally } = this.#load.ledger
    const who = () => `${guest} in the mailbox of ${owner}: ${line.slice(0, 60)}: ${text}`
    const isRefused = /\[(?:NOPERM|NONEXISTENT)\]/.test(text)
    if (status === 'OK') grants.answers.allowed++
    if (isRefused) grants.answers.refused++
    if (status === 'OK')
      tally.check(
        'I10',
        [...rights].every((right) => grants.may(right, began)),
        () => `${who()} without the right`,
      )
    if (isRefused) tally.check('I10', ![...rights].every((right) => grants.must(right, began)), () => `${who()} in spite of the right`)
    const shown = untagged.filter((response) => fetched(response) !== undefined || / EXISTS$/.test(response.text))
    if (shown.length > 0) tally.check('I10', grants.may('r', began), () => `${who()} showed ${shown[0]!.text}`)
  }

  async #select(): Promise<boolean> {
    const { status, untagged } = await this.#may('r', `SELECT ${this.#box}`)
    this.#uidvalidity = Number(untagged.map(({ text }) => /UIDVALIDITY (\d+)/.exec(text)?.[1]).find((n) => n !== undefined))
    this.#here = new Map()
    return status === 'OK'
  }

  async #act(): Promise<void> {
    const { random } = this.#load
    await this.#look()
    const own = [...this.#here].filter(([, token]) => this.#own.has(token))
    const chance = random(100)
    if (own.length > ENOUGH || (chance < 15 && own.length > 0)) return await this.#expunge(own.slice(0, 1 + random(4)))
    if (chance < 35) return await this.#append()
    if (chance < 45 && own.length > 0) return await this.#take('MOVE', own.slice(-1))
    if (chance < 55 && this.#here.size > 0) return await this.#take('COPY', [pick(random, [...this.#here])])
    if (chance < 65) return void (await this.#client.idle(200))
    if (this.#here.size > 0) await this.#flag()
  }

  async #look(): Promise<void> {
    const { ledger } = this.#load
    const { owner, guest } = this.#share
    const known = Math.max(0, ...this.#here.keys())
    const { untagged } = await this.#may('r', `UID FETCH ${known + 1}:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (X-Token)])`)
    for (const response of untagged) {
      const { uid, literal } = fetched(response) ?? {}
      const token = literal === undefined ? undefined : tokenOf(literal)
      if (uid === undefined || token === undefined) continue
      ledger.tally.check('I10', ledger.messages.get(token)?.to.join() === [owner, guest].join(), () => `${guest} was shown ${token} of ${owner}`)
      if (uid > known) this.#here.set(uid, token)
    }
    await this.#may('r', 'UID FETCH 1:* FLAGS')
  }

  async #append(): Promise<void> {
    const began = performance.now()
    const { answer, token } = await append(this.#load, this.#share, { client: this.#client, box: this.#box })
    this.#judge('i', answer, { line: 'APPEND', began })
    this.#own.add(token)
  }

  async #flag(): Promise<void> {
    const { ledger, random } = this.#load
    const uids = [...this.#here.keys()]
    const from = random(uids.length)
    const set = uids.slice(from, from + 1 + random(10))
    const value = random(2) === 0
    for (const uid of set) ledger.flag(this.#place(uid), KEYWORD, value, false)
    const { status } = await this.#may('w', `UID STORE ${set.join(',')} ${value ? '+' : '-'}FLAGS.SILENT (${KEYWORD})`)
    if (status === 'OK') for (const uid of set) ledger.flag(this.#place(uid), KEYWORD, value, true)
  }

  async #expunge(own: readonly (readonly [number, string])[]): Promise<void> {
    const { ledger } = this.#load
    const set = own.map(([uid]) => uid).join(',')
    if ((await this.#may('t', `UID STORE ${set} +FLAGS.SILENT (\\Deleted)`)).status !== 'OK') return
    const intents = own.map(([, token]) => ledger.intend(this.#share.owner, token, -1))
    const answer = await this.#may('e', `UID EXPUNGE ${set}`)
    for (const intent of intents) settle(answer, intent)
    if (answer.status !== 'OK') return
    for (const [uid] of own) this.#gone(uid)
  }

  /** Into a mailbox of the guest's own: another account. */
  async #take(verb: 'COPY' | 'MOVE', taken: readonly (readonly [number, string])[]): Promise<void> {
    const { ledger } = this.#load
    const { owner, guest } = this.#share
    const intents = taken.flatMap(([, token]) => [ledger.intend(guest, token, 1), ...(verb === 'MOVE' ? [ledger.intend(owner, token, -1)] : [])])
    const answer = await this.#may(verb === 'MOVE' ? 'rte' : 'r', `UID ${verb} ${taken.map(([uid]) => uid).join(',')} ${BOXES[1]}`)
    // One that is gone is passed over: nothing came of it.
    const isNothing = answer.status === 'OK' && !/COPYUID/.test([answer.text, ...answer.untagged.map(({ text }) => text)].join('\n'))
    for (const intent of intents) isNothing ? intent.refused() : settle(answer, intent)
    if (answer.status === 'OK' && verb === 'MOVE') for (const [uid] of taken) this.#gone(uid)
  }

  #gone(uid: number): void {
    this.#here.delete(uid)
    this.#load.ledger.expunged(this.#place(uid))
  }

  #place(uid: number): Place {
    return { user: this.#share.owner, box: TEAM, uidvalidity: this.#uidvalidity, uid }
  }
}
