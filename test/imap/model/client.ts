/**
 * A client that believes every word, and remembers by what the RFCs let it: sequence numbers by EXISTS, EXPUNGE and VANISHED, flags and mod-sequences by FETCH, and as its
 * cursor what it heard in answers that may tell of expunges (RFC 7162 §3.2). Whatever the server says is held to the truth at once.
 */
import assert from 'node:assert/strict'
import { PASSWORD } from '../../support/imap.ts'
import { WireClient } from '../../support/wire-client.ts'
import { changed, type Message, type Mode, numbersOf, same, type Truth } from './truth.ts'

export type Kind = 'plain' | 'condstore' | 'qresync'

/** `apart`: a process that hears of others' changes when it asks, which is after a command has been answered from what it knew. */
export interface ModelServer {
  readonly port: number
  readonly apart: boolean
}

export class ModelClient {
  readonly kind: Kind
  readonly #truth: Truth
  readonly #user: string
  readonly #port: number
  readonly hearsAtOnce: boolean
  #wire: WireClient | undefined
  #tags = 0
  /** UIDs in order, 0 where it has not asked yet. */
  uids: number[] = []
  readonly known = new Map<number, Message>()
  readOnly = false
  #uidvalidity = 0
  /** Up to here it knows everything of the messages in `known`. */
  cursor = 0
  /** What this command would raise the cursor to: by modseqs of messages, if it may tell of expunges; by HIGHESTMODSEQ in any case. */
  #heardModseq = 0
  #heardHighest = 0
  #idling = false

  constructor(kind: Kind, { truth, user, server }: { truth: Truth; user: string; server: ModelServer }) {
    this.kind = kind
    this.hearsAtOnce = !server.apart
    this.#truth = truth
    this.#user = user
    this.#port = server.port
  }

  get isIdling(): boolean {
    return this.#idling
  }
  get isConnected(): boolean {
    return this.#wire !== undefined
  }

  async connect(): Promise<void> {
    this.#wire = await WireClient.connect(this.#port)
    await this.#wire.line()
    await this.#ask(`LOGIN ${this.#user}@example.test "${PASSWORD}"`)
    if (this.kind !== 'plain') await this.#ask(`ENABLE ${this.kind.toUpperCase()}`)
  }

  /** As a line that breaks. */
  drop(): void {
    this.#wire?.destroy()
    this.#wire = undefined
    this.#idling = false
  }

  /** SELECT or EXAMINE; with what it knows, where it may use that. `known`, `pairs`: what of it to name. */
  async open(verb: 'SELECT' | 'EXAMINE', { known, pairs }: { known?: boolean; pairs?: boolean } = {}): Promise<void> {
    const returns = this.kind === 'qresync' && this.#uidvalidity > 0
    const uids = [...this.known.keys()].sort((a, b) => a - b)
    const before = this.uids.filter((uid) => uid > 0)
    this.readOnly = verb === 'EXAMINE'
    this.uids = []
    let parameter = ''
    if (returns) {
      const set = known && uids.length > 0 ? ` ${uids.join(',')}` : ''
      // Only where its list is whole does it know which number a message had.
      const match = pairs && before.length > 0 ? ` (${before.map((_, i) => i + 1).join(',')} ${before.join(',')})` : ''
      parameter = ` (QRESYNC (${this.#uidvalidity} ${this.cursor}${set}${match}))`
    } else this.known.clear()
    const lines = await this.#ask(`${verb} INBOX${parameter}`)
    assert.match(lines.at(-1)!, /^OK \[READ-/)
    const code = (name: string): number => Number(new RegExp(`\\[${name} ([0-9]+)\\]`).exec(lines.join('\n'))?.[1] ?? 0)
    assert.equal(code('HIGHESTMODSEQ'), this.#truth.modseq)
    assert.equal(code('UIDNEXT'), this.#truth.uidnext)
    this.#uidvalidity = code('UIDVALIDITY')
    // What it knows and was told of makes up its list again; the rest it must ask for.
    if (returns) {
      const list = [...this.known.keys()].sort((a, b) => a - b)
      this.uids = this.#placed(list, code('UIDNEXT'))
    }
    await this.#learn()
    this.cursor = this.#truth.modseq
    this.agree('all')
  }

  /** A command that changes nothing but what the server says of it. `level`: whether EXPUNGE may come. */
  async command(text: string, level: 'all' | 'no-expunge'): Promise<string> {
    const [answer] = (await this.#ask(text, level)).slice(-1)
    await this.#learn()
    this.#raise(level)
    return answer!
  }

  /** CLOSE: it drops what had \Deleted, if it is told up to where that brings it. */
  async close(): Promise<void> {
    const [answer] = (await this.#ask('CLOSE')).slice(-1)
    const told = Number(/\[HIGHESTMODSEQ ([0-9]+)\]/.exec(answer!)?.[1] ?? 0)
    if (told > 0) {
      assert.equal(told, this.#truth.modseq)
      for (const [uid, { flags }] of this.known) if (flags.has('\\Deleted')) this.known.delete(uid)
      this.cursor = told
    }
    this.uids = []
  }

  async idle(): Promise<void> {
    this.#idling = true
    this.#wire!.send(`t${++this.#tags} IDLE\r\n`)
    assert.match((await this.#wire!.line())!, /^\+/)
  }
  async done(): Promise<void> {
    this.#idling = false
    this.#wire!.send('DONE\r\n')
    await this.#read('all', false)
    await this.#learn()
    this.#raise('all')
    this.agree('all')
  }

  /** What a STORE with .SILENT made of these messages, which nobody tells. */
  assume(uids: readonly number[], mode: Mode, names: readonly string[]): void {
    for (const uid of uids) {
      const message = this.known.get(uid)
      if (message) message.flags = changed(message.flags, mode, names)
    }
  }

  /** Its state is the truth; after `no-expunge` it may count messages that are gone. */
  agree(level: 'all' | 'no-expunge'): void {
    const { messages, uids } = this.#truth
    assert.deepEqual(level === 'all' ? this.uids : this.uids.filter((uid) => messages.has(uid)), uids)
    for (const [uid, { flags, modseq }] of messages) {
      const mine = this.known.get(uid)!
      assert.deepEqual([...mine.flags].sort(), [...flags].sort(), `flags of ${uid}`)
      if (this.kind !== 'plain') assert.equal(mine.modseq, modseq, `modseq of ${uid}`)
    }
  }

  #raise(level: 'all' | 'no-expunge'): void {
    this.cursor = Math.max(this.cursor, this.#heardHighest, level === 'all' ? this.#heardModseq : 0)
    this.#heardHighest = 0
  }

  /** Messages that it has not seen are the last ones: UIDs rise. */
  #placed(list: readonly number[], uidnext: number): number[] {
    assert.ok(list.every((uid) => uid < uidnext))
    return [...list, ...new Array<number>(Math.max(0, this.uids.length - list.length)).fill(0)]
  }

  async #learn(): Promise<void> {
    // One that it named by a UID it was not told of may have been told with its modseq alone.
    const first = this.uids.findIndex((uid) => !this.known.has(uid))
    if (first < 0) return
    const modseq = this.kind === 'plain' ? '' : ' MODSEQ'
    await this.#ask(`FETCH ${first + 1}:${this.uids.length} (UID FLAGS${modseq})`, 'no-expunge', this.#heardModseq)
  }

  async #ask(text: string, level: 'all' | 'no-expunge' = 'all', heard = 0): Promise<string[]> {
    this.#heardModseq = heard
    this.#wire!.send(`t${++this.#tags} ${text}\r\n`)
    return await this.#read(level, this.hearsAtOnce)
  }

  /** Up to the tagged line, which is returned without its tag. `isNow`: what comes is the truth of this moment. */
  async #read(level: 'all' | 'no-expunge', isNow: boolean): Promise<string[]> {
    const tag = `t${this.#tags} `
    const lines: string[] = []
    for (;;) {
      const line = await this.#wire!.line(30_000)
      assert.ok(line !== undefined, 'the connection ended')
      const code = Number(/^\S+ OK \[HIGHESTMODSEQ ([0-9]+)\]/.exec(line)?.[1] ?? 0)
      if (code > 0) this.#heardHighest = Math.max(this.#heardHighest, code)
      if (line.startsWith(tag)) return [...lines, line.slice(tag.length)]
      lines.push(line)
      this.#heard(line, level, isNow)
    }
  }

  #heard(line: string, level: 'all' | 'no-expunge', isNow: boolean): void {
    const [, number, word, rest = ''] = /^\* ([0-9]+) (EXPUNGE|EXISTS|FETCH)(.*)$/.exec(line) ?? []
    const n = Number(number)
    if (word === 'EXPUNGE') this.#expunge(n, level)
    else if (word === 'EXISTS') {
      assert.ok(n >= this.uids.length, `EXISTS ${n} after ${this.uids.length}`)
      while (this.uids.length < n) this.uids.push(0)
    } else if (word === 'FETCH') this.#fetched(n, rest, level, isNow)
    const [, earlier, set] = /^\* VANISHED (\(EARLIER\) )?(\S+)$/.exec(line) ?? []
    if (set) this.#vanished(numbersOf(set), earlier !== undefined, level)
  }

  #expunge(n: number, level: string): void {
    assert.equal(level, 'all', 'EXPUNGE while sequence numbers are in use')
    assert.notEqual(this.kind, 'qresync')
    const uid = this.uids[n - 1]
    assert.ok(uid !== undefined && (uid === 0 || !this.#truth.messages.has(uid)), `EXPUNGE ${n}`)
    this.uids.splice(n - 1, 1)
    this.known.delete(uid)
  }

  #vanished(uids: readonly number[], isEarlier: boolean, level: string): void {
    assert.equal(level, 'all', 'VANISHED while sequence numbers are in use')
    assert.equal(this.kind, 'qresync')
    for (const uid of uids) {
      assert.ok(!this.#truth.messages.has(uid), `VANISHED ${uid}, which is there`)
      const at = this.uids.indexOf(uid)
      assert.ok(isEarlier || at >= 0 || this.uids.includes(0), `VANISHED ${uid}, which was not there`)
      if (!isEarlier) this.uids.splice(at >= 0 ? at : this.uids.indexOf(0), 1)
      this.known.delete(uid)
    }
  }

  #fetched(n: number, rest: string, level: string, isNow: boolean): void {
    const uid = Number(/UID ([0-9]+)/.exec(rest)?.[1] ?? 0)
    assert.ok(n >= 1 && n <= this.uids.length, `FETCH ${n} of ${this.uids.length}`)
    const believed = this.uids[n - 1]
    assert.ok(uid === 0 || believed === 0 || believed === uid, `${n} was ${believed}, now ${uid}`)
    if (uid > 0) this.uids[n - 1] = uid
    this.#noted(uid || believed!, rest, level, isNow)
  }

  #noted(uid: number, rest: string, level: string, isNow: boolean): void {
    const words = /FLAGS \(([^)]*)\)/.exec(rest)?.[1]?.split(' ')
    const flags = words && new Set(words.filter((flag) => flag !== '' && flag !== '\\Recent'))
    const modseq = Number(/MODSEQ \(([0-9]+)\)/.exec(rest)?.[1] ?? 0)
    const before = this.known.get(uid)
    if (level === 'all') this.#heardModseq = Math.max(this.#heardModseq, modseq)
    const truth = this.#truth.messages.get(uid)
    // Of what is gone and not told of, an index that was loaded anew may show an earlier state.
    assert.ok(!truth || modseq === 0 || modseq >= (before?.modseq ?? 0), 'a modseq fell')
    if (truth && isNow) {
      if (flags) assert.ok(same(flags, truth.flags), `${uid} has ${[...truth.flags]}, told are ${[...flags]}`)
      if (modseq > 0) assert.equal(modseq, truth.modseq, `modseq of ${uid}`)
    }
    if (before) Object.assign(before, { ...(flags && { flags }), ...(modseq > 0 && { modseq }) })
    else if (flags) this.known.set(uid, { flags, modseq })
  }
}
