/** What programs do, and tell their users, where something is not as it should be; and how each of them logs in. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hardMails } from '../../support/corpus.ts'
import { type FakeIssuer, fakeIssuer } from '../../support/issuer.ts'
import { missing, type Ran } from '../../support/programs.ts'
import { Session } from '../../support/session.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { digests, type Order, PROGRAMS, type Program, programNamed, unixLines } from './programs.ts'
import { type Account, makeSite, type Site } from './site.ts'
import { DELETES, mbox, noThunderbird, Thunderbird } from './thunderbird.ts'

const MAILS = hardMails(41)
  .slice(1)
  .map(({ bytes }) => bytes)
/** Octets of TLS after which the connection is cut: within the messages. */
const CUT = 40_000
const dir = tempFolder('pop3-troubles')
let site: Site
let issuer: FakeIssuer
const names = [...PROGRAMS.map(({ name }) => name), 'thunderbird']
before(async () => {
  issuer = await fakeIssuer()
  const users = ['empty', 'wrong', 'busy', ...names.map((name) => `cut-${name}`)]
  const oidc = { issuer: issuer.issuer, audience: 'postern', scopes: ['mail'] }
  site = await makeSite(Object.fromEntries(users.map((user) => [user, {}])), { scram: true, more: { oidc } })
  await site.deliver(users.slice(2), MAILS)
})
after(async () => {
  await site?.[Symbol.asyncDispose]()
  await issuer?.close()
  removeFolder(dir)
})

let homes = 0
function home(): string {
  const folder = join(dir, `${++homes}`)
  mkdirSync(folder)
  return folder
}

interface Said {
  readonly code: number
  readonly text: RegExp
}
/** How each ends, and what its user reads. */
const WRONG_PASSWORD: Readonly<Record<string, Said>> = {
  fetchmail: { code: 3, text: /Authorization failure on/ },
  mpop: { code: 77, text: /authentication failed/ },
  getmail: { code: 127, text: /-ERR \[AUTH\] The user name or the password is wrong/ },
  curl: { code: 67, text: /Login denied/ },
  poplib: { code: 1, text: /error_proto: b'-ERR \[AUTH\] The user name or the password is wrong'/ },
}
const IN_USE: Readonly<Record<string, Said>> = {
  fetchmail: { code: 9, text: /lock busy! {2}Is another session active\?/ },
  // These take it for a wrong password.
  mpop: { code: 77, text: /authentication failed/ },
  curl: { code: 67, text: /Login denied/ },
  getmail: { code: 127, text: /-ERR \[IN-USE\] / },
  poplib: { code: 1, text: /error_proto: b'-ERR \[IN-USE\] / },
}

function ended(ran: Ran, { code, text }: Said): void {
  assert.equal(ran.code, code, ran.out + ran.err)
  assert.match(ran.out + ran.err, text)
}

/** Somebody else has the maildrop meanwhile. */
async function whileInUse({ user, password, port }: Account, what: () => Promise<void>): Promise<void> {
  const session = await Session.open(port, true)
  for (const command of [`USER ${user}`, `PASS ${password}`]) {
    await session.line()
    session.send(`${command}\r\n`)
  }
  assert.match(await session.line(), /^\+OK Maildrop has/)
  await what()
  session.send('QUIT\r\n')
  await session.until(/^\+OK Goodbye/)
}

/** Passes on what both sides say, and ends both when the server has said so much. */
async function cutting(port: number, octets: number): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    let left = octets
    client.on('data', (bytes) => upstream.write(bytes))
    upstream.on('data', (bytes: Buffer) => {
      left -= bytes.length
      if (left >= 0) client.write(bytes)
      else for (const socket of [client, upstream]) socket.resetAndDestroy()
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

for (const program of PROGRAMS)
  describe(program.name, { skip: missing(...program.needs) }, () => {
    const { name } = program

    test('an empty maildrop', async () => {
      const ran = await program.fetch(home(), site.account('empty'), { leave: false })
      assert.equal(ran.code, name === 'fetchmail' ? 1 : 0, ran.out + ran.err)
    })

    test('a wrong password', async () => {
      ended(await program.fetch(home(), { ...site.account('empty'), password: 'wrong' }, { leave: false }), WRONG_PASSWORD[name]!)
    })

    test('another session has the maildrop', async () => {
      const account = site.account('busy')
      await whileInUse(account, async () => ended(await program.fetch(home(), account, { leave: true }), IN_USE[name]!))
      const ran = await program.fetch(home(), account, { leave: true })
      assert.ok(program.goodCodes.includes(ran.code!), ran.out + ran.err)
    })

    test('the connection is cut in the middle: nothing is deleted, and the next run brings all', async () => {
      const user = `cut-${name}`
      const account = site.account(user)
      const there = (await site.shown(user)).map(({ source }) => source)
      const folder = home()
      {
        await using proxy = await cutting(account.port, CUT)
        const ran = await program.fetch(folder, { ...account, port: proxy.port }, { leave: false })
        assert.ok(!program.goodCodes.includes(ran.code!), ran.out + ran.err)
      }
      assert.equal((await site.shown(user)).length, there.length)
      const has = program.mail(folder).length
      await takenUp(program, folder, account)
      const all = digests(program.mail(folder))
      const wanted = digests(await program.stored(there))
      assert.ok(has > 0 && has < wanted.length, `${has}`)
      // Of what it had getmail knows nothing any more: it writes that down at the end of a run.
      assert.equal(all.length, name === 'getmail' ? wanted.length + has : wanted.length)
      assert.deepEqual([...new Set(all)], wanted)
      // What it has seen before fetchmail does not delete, unless it is told to flush.
      assert.equal((await site.shown(user)).length, name === 'fetchmail' ? has : 0)
    })
  })

test('all of them at once: one has the maildrop, the others are told, and in the end each has all', {
  skip: missing(...PROGRAMS.flatMap(({ needs }) => needs)),
}, async () => {
  const account = site.account('busy')
  const there = (await site.shown('busy')).map(({ source }) => source)
  const all = PROGRAMS.map(async (program) => {
    const folder = home()
    await takenUp(program, folder, account, { leave: true })
    assert.deepEqual(digests(program.mail(folder)), digests(await program.stored(there)), program.name)
  })
  await Promise.all(all)
  assert.equal((await site.shown('busy')).length, MAILS.length)
})

async function takenUp(program: Program, folder: string, account: Account, order: Order = { leave: false }): Promise<void> {
  for (;;) {
    const ran = await program.fetch(folder, account, order)
    if (program.goodCodes.includes(ran.code!)) return
    // The server may not have heard yet that the one before is gone.
    ended(ran, IN_USE[program.name]!)
    await sleep(50)
  }
}

describe('SASL mechanisms', () => {
  const CHOICES: readonly [name: string, mechanism: string | undefined, said: RegExp][] = [
    ['fetchmail', undefined, /^fetchmail: POP3> USER /m],
    ['mpop', undefined, /^--> AUTH PLAIN/m],
    ['mpop', 'scram-sha-256', /^--> AUTH SCRAM-SHA-256/m],
    ['mpop', 'plain', /^--> AUTH PLAIN/m],
    ['mpop', 'login', /^--> AUTH LOGIN/m],
    ['mpop', 'user', /^--> USER /m],
    ['mpop', 'oauthbearer', /^--> AUTH OAUTHBEARER/m],
    ['mpop', 'xoauth2', /^--> AUTH XOAUTH2/m],
    ['curl', undefined, /^> AUTH PLAIN/m],
    ['curl', 'LOGIN', /^> AUTH LOGIN/m],
    ['curl', 'OAUTHBEARER', /^> AUTH OAUTHBEARER/m],
    ['poplib', undefined, /Maildrop has 40 messages/],
    ['getmail', undefined, /40\/40/],
  ]
  for (const [name, mechanism, said] of CHOICES)
    test(`${name}, ${mechanism ?? 'as it chooses'}`, { skip: missing(...programNamed(name).needs) }, async () => {
      const account = site.account('busy')
      const password = /oauth/i.test(mechanism ?? '') ? await issuer.token(account.user) : account.password
      const ran = await programNamed(name).fetch(home(), { ...account, password }, { leave: true, ...(mechanism !== undefined && { mechanism }) })
      assert.equal(ran.code, 0, ran.out + ran.err)
      assert.match(ran.out + ran.err, said)
      assert.equal(programNamed(name).mail(join(dir, `${homes}`)).length, MAILS.length)
    })
})

describe('thunderbird', { skip: noThunderbird() }, () => {
  test('an empty maildrop, a wrong password, a maildrop in use, a connection that is cut', async () => {
    const user = 'cut-thunderbird'
    const there = (await site.shown(user)).map(({ source }) => source)
    await using proxy = await cutting(site.account(user).port, CUT)
    const wrong = { ...site.account('wrong'), password: 'wrong' }
    const boxes = [
      { name: 'empty', account: site.account('empty'), settings: DELETES },
      { name: 'wrong', account: wrong, settings: DELETES },
      { name: 'busy', account: site.account('busy'), settings: DELETES },
      { name: 'cut', account: { ...site.account(user), port: proxy.port }, settings: DELETES },
    ]
    const folder = home()
    let has = 0
    {
      await using thunderbird = await Thunderbird.start(folder, boxes)
      const empty = await thunderbird.getMail('empty')
      assert.deepEqual([empty.ok, empty.asked], [true, []])

      // Three mechanisms, and one question: it takes both for a wrong password.
      const failed = (who: string) => [`Login to server localhost with username ${who} failed.`]
      assert.deepEqual((await thunderbird.getMail('wrong')).asked, failed(wrong.user))
      assert.deepEqual(tries(thunderbird.dialogue('wrong')), ['AUTH PLAIN', 'AUTH LOGIN', 'USER'])
      const { account } = boxes[2]!
      await whileInUse(account, async () => {
        const busy = await thunderbird.getMail('busy')
        assert.deepEqual([busy.ok, busy.asked], [false, failed(account.user)])
        assert.deepEqual(tries(thunderbird.dialogue('busy')), ['AUTH PLAIN', 'AUTH LOGIN', 'USER'])
      })
      const free = await thunderbird.getMail('busy')
      assert.deepEqual([free.ok, free.asked, mbox(free.file).length], [true, [], MAILS.length])

      const cut = await thunderbird.getMail('cut')
      assert.deepEqual([cut.ok, cut.asked], [false, ['Connection to server localhost was reset.']])
      has = mbox(cut.file).length
      assert.ok(has > 0 && has < there.length, `${has}`)
      assert.equal((await site.shown(user)).length, there.length)
      await thunderbird.quit()
    }
    await using again = await Thunderbird.start(folder, [...boxes.slice(0, 3), { ...boxes[3]!, account: site.account(user) }])
    const all = await again.getMail('cut')
    assert.deepEqual([all.ok, all.asked], [true, []])
    // It notes what it has left on the server, and here that is nothing: so what it had comes again.
    const inbox = digests(mbox(all.file))
    assert.equal(inbox.length, there.length + has)
    assert.deepEqual([...new Set(inbox)], digests(there.map(unixLines)))
    assert.equal((await site.shown(user)).length, 0)
    await again.quit()
  })
})

/** How it tried to log in. */
const tries = (dialogue: readonly string[]): string[] => dialogue.flatMap((line) => /^C: (AUTH \S+|USER)/.exec(line)?.[1] ?? [])
