/** Hostile messages, taken by every program in one run: each octet as it lies on the server, but for what the program is known to change. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type CorpusMessage, pythonMails } from '../../support/corpus.ts'
import { missing } from '../../support/programs.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { digests, PROGRAMS, unixLines } from './programs.ts'
import { makeSite, type Site } from './site.ts'
import { DELETES, mbox, noThunderbird, Thunderbird } from './thunderbird.ts'

/** What no mail server would bring, but APPEND. */
export const ODD = [
  'Subject: a NUL\r\n\r\na\0b\r\n',
  'Subject: bare line feeds\n\nline\n.\n..x\nend\n',
  'Subject: no end\r\n\r\nno end',
  'Subject: Latin-1\r\n\r\nGr\xfc\xdfe \x80\xff\r\n',
  `Subject: a line of 2,046\r\n\r\n${'z'.repeat(2046)}\r\n`,
  'Subject: carriage returns\r\n\r\na\rb\r\r\nc\r\n',
  'Subject: From\r\n\r\nFrom me\r\n>From you\r\n>>From her\r\n',
  'Subject: header only, without its end',
  'Subject: control\r\n\r\n\x1a\x04\x08\r\n',
  'Subject: dot and no end\r\n\r\n.',
].map((text) => Buffer.from(text, 'latin1'))
const USERS = [...PROGRAMS.map(({ name }) => name), 'thunderbird']

/** Declares the tests, with the mails of Python's own suite and what only APPEND brings beside those. */
export function everyProgramTakes(hard: readonly CorpusMessage[]): void {
  const mails = [...hard, ...pythonMails()]
  const dir = tempFolder('pop3-corpus')
  let site: Site
  before(async () => {
    site = await makeSite(Object.fromEntries(USERS.map((user) => [user, {}])))
    await site.deliver(
      USERS,
      mails.map(({ bytes }) => bytes),
    )
    await Promise.all(USERS.map((user) => site.append(user, ODD)))
  })
  after(async () => {
    await site?.[Symbol.asyncDispose]()
    removeFolder(dir)
  })

  describe(`${mails.length + ODD.length} messages`, () => {
    for (const program of PROGRAMS)
      test(program.name, { skip: missing(...program.needs) }, async () => {
        const user = program.name
        const there = (await site.shown(user)).map(({ source }) => source)
        assert.equal(there.length, mails.length + ODD.length)
        const ran = await program.fetch(join(dir, user), site.account(user), { leave: false })
        assert.ok(program.goodCodes.includes(ran.code!), ran.out + ran.err)
        assert.deepEqual(digests(program.mail(join(dir, user))), digests(await program.stored(there)))
        const left = (await site.shown(user)).map(({ source }) => source)
        assert.equal(left.length, program.name === 'fetchmail' ? 2 : 0)
        assert.deepEqual(await program.stored(left), [])
      })

    test('Thunderbird', { skip: noThunderbird() }, async () => {
      const there = (await site.shown('thunderbird')).map(({ source }) => source)
      await using thunderbird = await Thunderbird.start(join(dir, 'thunderbird'), [
        { name: 'all', account: site.account('thunderbird'), settings: DELETES },
      ])
      const { ok, asked, file } = await thunderbird.getMail('all')
      assert.deepEqual([ok, asked], [true, []])
      assert.deepEqual(digests(mbox(file)), digests(there.map(unixLines)))
      assert.deepEqual(await site.shown('thunderbird'), [])
      await thunderbird.quit()
    })
  })
}
