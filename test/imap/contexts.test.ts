/**
 * Results that are kept up to date (RFC 5267): a client that does what ADDTO and REMOVEFROM say, in the order in which they come and at the places that they name, has at any time
 * what the server would answer if it asked anew; whoever changes the mailbox.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ImapHouse, imapHouse, PASSWORD } from '../support/imap.ts'
import { seeded } from '../support/random.ts'
import { WireClient } from '../support/wire-client.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = Number(process.env['ROUNDS'] ?? 20)

let house: ImapHouse
before(async () => {
  house = await imapHouse(['ann', 'bob'])
})
after(() => house.close())

const expand = (set: string): number[] =>
  set.split(',').flatMap((part) => {
    const [first, last = first] = part.split(':').map(Number) as [number, number?]
    return Array.from({ length: last! - first + 1 }, (_, i) => first + i)
  })

/** One context as the client has it. */
class Result {
  readonly ask: string
  readonly byUid: boolean
  readonly isSorted: boolean
  list: number[] = []
  moves = { added: 0, removed: 0 }

  constructor(ask: string) {
    this.ask = ask
    this.byUid = ask.startsWith('UID ')
    this.isSorted = ask.includes('SORT')
  }

  begin(line: string): void {
    const set = / ALL ([0-9,:]+)$/.exec(line)?.[1]
    this.list = set ? expand(set) : []
  }

  /** `ADDTO (3 5:7 9 2)`. */
  apply(item: string, pairs: string): void {
    const words = pairs.split(' ')
    assert.equal(words.length % 2, 0)
    for (let i = 0; i < words.length; i += 2) {
      const place = Number(words[i])
      const numbers = expand(words[i + 1]!)
      assert.equal(place > 0, this.isSorted)
      if (place === 0) {
        const others = this.list.filter((n) => !numbers.includes(n))
        assert.equal(others.length, item === 'ADDTO' ? this.list.length : this.list.length - numbers.length)
        this.list = item === 'ADDTO' ? [...others, ...numbers].sort((a, b) => a - b) : others
      } else if (item === 'ADDTO') {
        assert.ok(place <= this.list.length + 1, `${place} of ${this.list.length}`)
        this.list.splice(place - 1, 0, ...numbers)
      } else assert.deepEqual(this.list.splice(place - 1, numbers.length), numbers, 'what stands there is what goes')
      if (item === 'ADDTO') this.moves.added += numbers.length
      else this.moves.removed += numbers.length
    }
  }

  expunged(msn: number): void {
    if (this.byUid) return
    assert.ok(!this.list.includes(msn), 'told before EXPUNGE')
    this.list = this.list.map((n) => (n > msn ? n - 1 : n))
  }
}

/** The client that keeps results. */
class Watcher {
  readonly #wire: WireClient
  readonly results = new Map<string, Result>()
  exists = 0
  #tags = 0

  constructor(wire: WireClient) {
    this.#wire = wire
  }

  async watch(ask: string): Promise<void> {
    const result = new Result(ask)
    const tag = `w${this.results.size}`
    const lines = await this.command(ask.replace('RETURN ()', 'RETURN (UPDATE ALL)'), tag)
    this.results.set(tag, result)
    result.begin(lines.at(-2)!)
  }

  /** The lists are what the server says to somebody who asks now. */
  async check(step: string): Promise<void> {
    for (const { ask, list } of this.results.values()) {
      const asked = new Result(ask)
      asked.begin((await this.command(ask.replace('RETURN ()', 'RETURN (ALL)'))).find((line) => line.startsWith('* ESEARCH'))!)
      assert.deepEqual(list, asked.list, `${ask} after ${step}`)
    }
  }

  async command(text: string, tag = `t${++this.#tags}`): Promise<string[]> {
    this.#wire.send(`${tag} ${text}\r\n`)
    return await this.#read(tag)
  }

  async idle(meanwhile: () => Promise<void>): Promise<void> {
    const tag = `t${++this.#tags}`
    this.#wire.send(`${tag} IDLE\r\n`)
    await meanwhile()
    this.#wire.send('DONE\r\n')
    await this.#read(tag)
  }

  async #read(tag: string): Promise<string[]> {
    const lines: string[] = []
    for (;;) {
      const line = await this.#wire.line(20_000)
      assert.ok(line !== undefined, 'the connection ended')
      lines.push(line)
      if (line.startsWith(`${tag} `)) {
        assert.match(line, / OK /)
        return lines
      }
      this.#heard(line)
    }
  }

  #heard(line: string): void {
    const [, n, word] = /^\* ([0-9]+) (EXISTS|EXPUNGE)$/.exec(line) ?? []
    if (word === 'EXISTS') this.exists = Number(n)
    if (word === 'EXPUNGE') {
      this.exists--
      for (const result of this.results.values()) result.expunged(Number(n))
    }
    const [, tag, uid, item, pairs] = /^\* ESEARCH \(TAG "(w[0-9]+)"\)( UID)? (ADDTO|REMOVEFROM) \((.*)\)$/.exec(line) ?? []
    const result = this.results.get(tag ?? '')
    if (!result) return
    assert.equal(uid !== undefined, result.byUid)
    result.apply(item!, pairs!)
  }
}

const ASKED = [
  'UID SORT RETURN () (SUBJECT) UTF-8 UNSEEN',
  'SORT RETURN () (REVERSE DATE FROM) UTF-8 NOT FLAGGED',
  'UID SORT RETURN () (SIZE REVERSE ARRIVAL) UTF-8 OR SEEN SUBJECT a',
  'SORT RETURN () (REVERSE SUBJECT) UTF-8 ALL',
  'UID SORT RETURN () (FROM) UTF-8 FUZZY SUBJECT "betas"',
  'SEARCH RETURN () UNSEEN',
  'UID SEARCH RETURN () OR FLAGGED SUBJECT gamma',
  'UID SEARCH RETURN () OR UID * UID 30:*',
  'SORT RETURN () (SUBJECT) UTF-8 NOT UID *:20 UNSEEN',
]

const SITES = [
  ['of one process', { user: 'ann', apart: false }],
  ['of another process, from which this one hears nothing', { user: 'bob', apart: true }],
] as const
for (const [where, site] of SITES) test(`lists are what they would be if they were asked for anew, after changes ${where}`, () => watch(site))

async function watch({ user, apart }: { readonly user: string; readonly apart: boolean }): Promise<void> {
  const random = seeded(SEED)
  const one = <T>(list: readonly T[]): T => list[random(list.length)]!
  const server = await house.serve()
  const login = async ({ port } = server): Promise<WireClient> => {
    const wire = await WireClient.connect(port)
    await wire.line()
    await wire.command('l', `LOGIN ${user}@example.test "${PASSWORD}"`)
    await wire.command('s', 'SELECT INBOX')
    return wire
  }
  const other = await login(apart ? await house.serve({ apart }) : server)
  let tags = 0
  const say = async (text: string): Promise<void> => {
    assert.match((await other.command(`o${++tags}`, text)).at(-1)!, / OK /, text)
  }
  await say('CREATE Away')
  const append = async (): Promise<void> => {
    const text = `From: ${one(['ann', 'bob', 'Carl'])}@x\r\nSubject: ${one(['', 'Re: '])}${one(['alpha', 'beta', 'Gamma', 'delta', 'beta two'])}\r\nDate: ${1 + random(28)} May 2026 10:00 +0000\r\n\r\n${'x'.repeat(random(4))}\r\n`
    await say(
      `APPEND INBOX (${one(['', '\\Seen', '\\Flagged'])}) "${`${1 + random(28)}`.padStart(2, '0')}-May-2026 00:00:00 +0000" {${text.length}+}\r\n${text}`,
    )
  }
  for (let i = 0; i < 12; i++) await append()
  const watcher = new Watcher(await login())
  await watcher.command('NOOP')
  for (const ask of ASKED) await watcher.watch(ask)

  const flags = (): string => `${one(['+', '-'])}FLAGS.SILENT (${one(['\\Seen', '\\Flagged', '\\Seen \\Flagged'])})`
  const anySet = (): string => one(['1:*', '*', '1', `${1 + random(20)}:${1 + random(20)}`])
  const change = async (): Promise<string> => {
    const what = one(['append', 'append', 'append', 'store', 'store', 'store', 'expunge', 'move', 'all at once'])
    if (what === 'append') for (let i = random(3); i >= 0; i--) await append()
    if (what === 'store') await say(`UID STORE ${one(['1:*', '*', `${1 + random(200)}:${1 + random(200)}`])} ${flags()}`)
    if (what === 'expunge') {
      await say(`UID STORE ${1 + random(200)}:${1 + random(200)} +FLAGS.SILENT (\\Deleted)`)
      if (random(3) === 0) await say('UID STORE 1:* -FLAGS.SILENT (\\Deleted)')
      await say('EXPUNGE')
    }
    if (what === 'move') await say(`UID MOVE ${one(['*', `${1 + random(200)}`])} Away`)
    if (what === 'all at once') {
      await append()
      await say(`UID STORE 1:* ${flags()}`)
      await say(`UID MOVE ${1 + random(200)}:${1 + random(200)} Away`)
      await append()
    }
    return what
  }
  for (let round = 0; round < ROUNDS; round++) {
    let step = ''
    const changes = async (): Promise<void> => {
      for (let i = random(3); i >= 0; i--) step += ` ${await change()}`
    }
    if (random(3) === 0) await watcher.idle(changes)
    else await changes()
    // What holds EXPUNGE back tells of the rest.
    if (random(3) === 0 && watcher.exists > 0) await watcher.command(one(['FETCH 1 FLAGS', `STORE ${1 + random(watcher.exists)} ${flags()}`]))
    if (random(4) === 0) await changes()
    if (random(4) === 0) await watcher.command(`UID STORE ${anySet()} ${flags()}`)
    await watcher.command('NOOP')
    await watcher.check(`${round}:${step}`)
  }
  for (const { ask, moves } of watcher.results.values()) assert.ok(moves.added > 2 && moves.removed > 2, `${ask} ${JSON.stringify(moves)}`)
}
