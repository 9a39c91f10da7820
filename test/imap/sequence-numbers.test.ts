/**
 * Several sessions on one mailbox do whatever comes to mind. Each keeps the list of messages that a client would keep, by EXISTS and EXPUNGE alone,
 * and every UID that an answer shows must stand where that list has it: a sequence number is never wrong (RFC 9051 §2.3.1.2, §7.5.1).
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ImapHouse, imapHouse, PASSWORD } from '../support/imap.ts'
import { seeded } from '../support/random.ts'
import { WireClient } from '../support/wire-client.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const SESSIONS = 3
const ROUNDS = 60

let house: ImapHouse
before(async () => {
  house = await imapHouse(['ann', 'bob'])
})
after(() => house.close())

/** A client's view of the mailbox: UIDs in order, 0 where it has not seen one yet. */
class Client {
  readonly #wire: WireClient
  readonly uids: number[] = []
  readonly flags = new Map<number, string>()
  #tags = 0
  #idling = ''

  constructor(wire: WireClient) {
    this.#wire = wire
  }

  async command(text: string): Promise<string> {
    const tag = `t${++this.#tags}`
    this.#wire.send(`${tag} ${text}\r\n`)
    return await this.#read(tag, text)
  }

  async idle(): Promise<void> {
    this.#idling = `t${++this.#tags}`
    this.#wire.send(`${this.#idling} IDLE\r\n`)
  }
  async done(): Promise<void> {
    if (this.#idling === '') return
    this.#wire.send('DONE\r\n')
    await this.#read(this.#idling, 'IDLE')
    this.#idling = ''
  }
  get isIdling(): boolean {
    return this.#idling !== ''
  }

  /** A sequence number whose UID this client knows. */
  pick(random: (n: number) => number): number {
    return this.uids.length === 0 ? 0 : 1 + random(this.uids.length)
  }

  async #read(tag: string, command: string): Promise<string> {
    const byNumber = /^(FETCH|STORE|SEARCH) /.test(command)
    for (;;) {
      const line = await this.#wire.line(20_000)
      assert.ok(line !== undefined, 'the connection ended')
      if (line.startsWith(`${tag} `)) return line.slice(tag.length + 1)
      this.#heard(line, byNumber)
    }
  }

  #heard(line: string, byNumber: boolean): void {
    const [, number, word, rest = ''] = /^\* ([0-9]+) (\w+)(.*)$/.exec(line) ?? []
    const n = Number(number)
    if (word === 'EXPUNGE') {
      assert.ok(!byNumber, 'EXPUNGE while a command by sequence number was answered')
      assert.ok(n >= 1 && n <= this.uids.length, `EXPUNGE ${n} of ${this.uids.length}`)
      this.uids.splice(n - 1, 1)
    } else if (word === 'EXISTS') {
      assert.ok(n >= this.uids.length, `EXISTS ${n} after ${this.uids.length}`)
      while (this.uids.length < n) this.uids.push(0)
    } else if (word === 'FETCH') {
      const uid = Number(/UID ([0-9]+)/.exec(rest)?.[1])
      assert.ok(n >= 1 && n <= this.uids.length, `FETCH ${n} of ${this.uids.length}`)
      assert.ok(this.uids[n - 1] === 0 || this.uids[n - 1] === uid, `${n} was ${this.uids[n - 1]}, now ${uid}`)
      this.uids[n - 1] = uid
      const flags = /FLAGS \(([^)]*)\)/.exec(rest)?.[1]
      if (flags !== undefined) this.flags.set(uid, flags.replace(' \\Recent', '').replace('\\Recent', ''))
    }
  }
}

for (const apart of [false, true])
  test(`sequence numbers hold ${apart ? 'in two processes that do not hear each other' : 'in one process'}`, { timeout: 120_000 }, async (t) => {
    t.diagnostic(`SEED=${SEED}`)
    const random = seeded(SEED)
    const user = apart ? 'bob' : 'ann'
    await house.append(
      user,
      'INBOX',
      Array.from({ length: 30 }, () => ({ text: 'ab' })),
    )
    const servers = [await house.serve(), await house.serve({ apart })]
    const clients: Client[] = []
    for (let i = 0; i < SESSIONS; i++) {
      const wire = await WireClient.connect(servers[i % 2]!.port)
      await wire.line()
      const client = new Client(wire)
      await client.command(`LOGIN ${user}@example.test "${PASSWORD}"`)
      await client.command('SELECT INBOX')
      clients.push(client)
    }

    const acts: ((c: Client, msn: number) => Promise<string>)[] = [
      (c) => c.command('NOOP'),
      async (c) => {
        for (let i = random(4); i > 0; i--) await c.command(`APPEND INBOX {2+}\r\nab`)
        return await c.command(`APPEND INBOX {2+}\r\nab`)
      },
      (c) => c.command(`APPEND INBOX {2+}\r\nab`),
      (c) => c.command(`APPEND INBOX (\\Deleted) {2+}\r\nab`),
      (c) => c.command('EXPUNGE'),
      (c) => c.command('FETCH 1:* (UID FLAGS)'),
      (c, msn) => c.command(`FETCH ${msn || 1} (UID)`),
      (c, msn) => c.command(`STORE ${msn || 1} +FLAGS (\\Deleted)`),
      (c, msn) => c.command(`STORE ${msn || 1} -FLAGS (\\Deleted k${random(5)})`),
      (c, msn) => c.command(`STORE 1:${msn || 1} +FLAGS.SILENT (\\Flagged k${random(5)})`),
      (c) => c.command(`UID STORE 1:* FLAGS (\\Seen)`),
      (c) => c.command(`UID EXPUNGE 1:${random(300) + 1}`),
      (c, msn) => c.command(`COPY ${msn || 1} INBOX`),
      (c, msn) => c.command(`UID MOVE ${c.uids[msn - 1] || 1} INBOX`),
      (c, msn) => c.command(`MOVE ${msn || 1} INBOX`),
      (c) => c.command('CHECK'),
    ]
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(
        clients.map(async (client) => {
          await client.done()
          if (random(4) === 0) return await client.idle()
          for (let i = random(3); i >= 0; i--) {
            const msn = client.pick(random)
            const answer = await acts[random(acts.length)]!(client, msn)
            assert.match(answer, client.uids.length === 0 || msn === 0 ? /^(OK|BAD) / : /^OK /)
          }
        }),
      )
    }

    // In the end all see the same.
    for (const client of clients) {
      await client.done()
      await client.command('NOOP')
      client.flags.clear()
      await client.command('FETCH 1:* (UID FLAGS)')
    }
    for (const { uids, flags } of clients.slice(1)) {
      assert.deepEqual(uids, clients[0]!.uids)
      assert.deepEqual(flags, clients[0]!.flags)
    }
    t.diagnostic(`${clients[0]!.uids.length} messages left`)
  })
