/** Folder, max_listed and seen_on_retr, as programs see them: of an app password for those that log in as one user, of the mailbox for Thunderbird. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { hardMails } from '../../support/corpus.ts'
import { missing } from '../../support/programs.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { digests, PROGRAMS, unixLines } from './programs.ts'
import { type Kept, makeSite, type Policy, type Site } from './site.ts'
import { type Box, DELETES, LEAVES, mbox, noThunderbird, Thunderbird } from './thunderbird.ts'

const SETTINGS = {
  reports: { folder: 'Reports/Daily' },
  newest: { max_listed: 3 },
  seen: { seen_on_retr: true },
} as const satisfies Readonly<Record<string, Policy>>
type Setting = keyof typeof SETTINGS
const ALL = ['reports', 'newest', 'seen'] as const
const MAILS = hardMails(8)
  .slice(2)
  .map(({ bytes }) => bytes)
const REPORTS = hardMails(42)
  .slice(-2)
  .map(({ bytes }) => bytes)

const dir = tempFolder('pop3-settings')
let site: Site
/** Policy `delete`, and a Thunderbird that fetches headers only. */
const HEADERS = 'headers'
const thunderbirdUser = (setting: Setting): string => `thunderbird-${setting}`
before(async () => {
  const users = [
    ...PROGRAMS.map(({ name }) => [name, { apps: SETTINGS }] as const),
    ...ALL.map((setting) => [thunderbirdUser(setting), { pop3: SETTINGS[setting] }] as const),
    [HEADERS, { pop3: { after_download: 'delete' } }] as const,
  ]
  site = await makeSite(Object.fromEntries(users))
  const names = users.map(([name]) => name)
  await site.deliver(names, MAILS)
  for (const name of names) {
    await site.imap(name, (imap) => imap.mailboxCreate('Reports/Daily'))
    await site.append(name, REPORTS, 'Reports/Daily')
  }
})
after(async () => {
  await site?.[Symbol.asyncDispose]()
  removeFolder(dir)
})

const sources = (shown: readonly Kept[]): Buffer[] => shown.map(({ source }) => source)
const flags = (shown: readonly Kept[]): string[] => shown.map((kept) => kept.flags.join(' '))

for (const program of PROGRAMS)
  describe(program.name, { skip: missing(...program.needs) }, () => {
    const user = program.name
    /** What it has after one more run. */
    async function fetched(setting: Setting, leave: boolean): Promise<string[]> {
      const home = join(dir, `${user}-${setting}`)
      mkdirSync(home, { recursive: true })
      const ran = await program.fetch(home, site.account(user, setting), { leave })
      assert.ok(program.goodCodes.includes(ran.code!), ran.out + ran.err)
      return digests(program.mail(home))
    }

    test('folder: what is in that mailbox and nothing else', async () => {
      assert.deepEqual(await fetched('reports', true), digests(await program.stored(REPORTS)))
    })

    test('seen_on_retr: what it fetched is read', async () => {
      const before = await site.shown(user)
      assert.deepEqual(flags(before), Array(6).fill(''))
      assert.deepEqual(await fetched('seen', true), digests(await program.stored(sources(before))))
      assert.deepEqual(flags(await site.shown(user)), Array(6).fill('\\Seen'))
      assert.deepEqual(flags(await site.shown(user, 'Reports/Daily')), ['', ''])
    })

    test('max_listed: the newest, and when those are deleted the ones before', async () => {
      const there = sources(await site.shown(user))
      assert.deepEqual(await fetched('newest', false), digests(await program.stored(there.slice(3))))
      assert.deepEqual(digests(sources(await site.shown(user))), digests(there.slice(0, 3)))
      assert.deepEqual(await fetched('newest', false), digests(await program.stored(there)))
      assert.deepEqual(digests(sources(await site.shown(user))), [])
      assert.deepEqual(digests(sources(await site.shown(user, 'Reports/Daily'))), digests(REPORTS))
    })
  })

test('thunderbird: folder, seen_on_retr, max_listed', { skip: noThunderbird() }, async () => {
  const box = (setting: Setting, settings: Box['settings']): Box => ({ name: setting, account: site.account(thunderbirdUser(setting)), settings })
  await using thunderbird = await Thunderbird.start(dir, [box('reports', LEAVES), box('newest', DELETES), box('seen', LEAVES)])
  const fetched = async (setting: Setting): Promise<string[]> => {
    const { ok, asked, file } = await thunderbird.getMail(setting)
    assert.deepEqual([ok, asked], [true, []], setting)
    return digests(mbox(file))
  }
  const stored = (messages: readonly Buffer[]): string[] => digests(messages.map(unixLines))
  assert.deepEqual(await fetched('reports'), stored(REPORTS))

  const seen = await site.shown(thunderbirdUser('seen'))
  assert.deepEqual(await fetched('seen'), stored(sources(seen)))
  assert.deepEqual(flags(await site.shown(thunderbirdUser('seen'))), Array(6).fill('\\Seen'))

  const there = sources(await site.shown(thunderbirdUser('newest')))
  assert.deepEqual(await fetched('newest'), stored(there.slice(3)))
  assert.deepEqual(await fetched('newest'), stored(there))
  assert.equal((await site.shown(thunderbirdUser('newest'))).length, 0)
  await thunderbird.quit()
})

test('thunderbird, headers only: a look at a message is no download, so `delete` leaves it', { skip: noThunderbird() }, async () => {
  const settings = { ...LEAVES, headers_only: true }
  await using thunderbird = await Thunderbird.start(join(dir, HEADERS), [{ name: HEADERS, account: site.account(HEADERS), settings }])
  for (const asked of [MAILS.map((_, i) => `C: TOP ${i + 1} 0`), []]) {
    const { ok, file } = await thunderbird.getMail(HEADERS)
    assert.ok(ok)
    assert.deepEqual(
      thunderbird.dialogue(HEADERS).filter((line) => /^C: (TOP|RETR|DELE)/.test(line)),
      asked,
    )
    assert.equal(mbox(file).length, MAILS.length)
    assert.equal((await site.shown(HEADERS)).length, MAILS.length)
  }
  await thunderbird.quit()
})
