/** Thunderbird, with two profiles: one leaves mail on the server until its user deletes it, one deletes what it has; each with one account for every policy of the server. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { AFTER_DOWNLOAD, type AfterDownload } from '../../../src/store/pop3-policy.ts'
import { hardMails } from '../../support/corpus.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { digests, unixLines } from './programs.ts'
import { type Kept, makeSite, type Site } from './site.ts'
import { type Box, DELETES, LEAVES, mbox, noThunderbird, Thunderbird } from './thunderbird.ts'

const PROFILES = { leaves: LEAVES, deletes: DELETES } as const
type Profile = keyof typeof PROFILES
/** Without the one of 25 MB. */
const MAILS = hardMails(40).slice(1)
const LATER = hardMails(41).at(-1)!
const SUBJECT = 'dots'

const dir = tempFolder('thunderbird')
let site: Site
const userOf = (profile: Profile, policy: AfterDownload): string => `${policy}-${profile}`
before(async () => {
  const users = (['leaves', 'deletes'] as const).flatMap((profile) =>
    AFTER_DOWNLOAD.map((policy) => [userOf(profile, policy), { pop3: { after_download: policy } }]),
  )
  site = await makeSite(Object.fromEntries(users))
})
after(async () => {
  await site?.[Symbol.asyncDispose]()
  removeFolder(dir)
})

const sources = (shown: readonly Kept[]): Buffer[] => shown.map(({ source }) => source)
const subject = ({ source }: Kept): string | undefined => /^Subject: (.*)\r$/m.exec(source.toString('latin1'))?.[1]

for (const profile of ['leaves', 'deletes'] as const)
  describe(`a profile that ${profile} mail`, { skip: noThunderbird() }, () => {
    const boxes = (): Box[] =>
      AFTER_DOWNLOAD.map((policy) => ({ name: policy, account: site.account(userOf(profile, policy)), settings: PROFILES[profile] }))
    /** What came to each, in the order in which it came. */
    const came = new Map<AfterDownload, Buffer[]>()

    test('has every message as it came', async () => {
      await site.deliver(
        AFTER_DOWNLOAD.map((policy) => userOf(profile, policy)),
        MAILS.map(({ bytes }) => bytes),
      )
      for (const policy of AFTER_DOWNLOAD) came.set(policy, sources(await site.shown(userOf(profile, policy))))
      await using thunderbird = await Thunderbird.start(join(dir, profile), boxes())
      for (const policy of AFTER_DOWNLOAD) {
        const got = await thunderbird.getMail(policy)
        assert.deepEqual([got.ok, got.asked], [true, []], policy)
        assert.deepEqual(digests(mbox(got.file)), digests(came.get(policy)!.map(unixLines)), policy)
        assert.ok(thunderbird.dialogue(policy).includes('C: QUIT'))
      }
      await thunderbird.quit()
    })

    test('started again, fetches only what is new; and deletes on the server what its user deleted', async () => {
      await using thunderbird = await Thunderbird.start(join(dir, profile), boxes())
      for (const policy of AFTER_DOWNLOAD) {
        const user = userOf(profile, policy)
        const has = async (expected: readonly Buffer[], when: string): Promise<string[]> => {
          const got = await thunderbird.getMail(policy)
          assert.deepEqual([got.ok, got.asked], [true, []], `${policy} ${when}`)
          assert.deepEqual(digests(mbox(got.file)), digests(expected.map(unixLines)), `${policy} ${when}`)
          return thunderbird.dialogue(policy).filter((line) => /^C: (RETR|TOP|DELE)/.test(line))
        }
        const all = came.get(policy)!
        assert.deepEqual(await has(all, 'again'), [])
        await site.deliver([user], [LATER.bytes])
        const later = sources(await site.shown(user)).find((source) => source.subarray(-LATER.bytes.length).equals(LATER.bytes))
        all.push(later ?? assert.fail(policy))
        const said = await has(all, 'when one more has come')
        assert.equal(said.filter((line) => line.startsWith('C: RETR')).length, 1)
        assert.equal(said.length, profile === 'leaves' ? 1 : 2)
        if (profile === 'leaves') {
          await thunderbird.deleteMessage(policy, SUBJECT)
          const deleted = (await thunderbird.getMail(policy)).ok && thunderbird.dialogue(policy).filter((line) => line.startsWith('C: DELE'))
          assert.deepEqual(deleted, policy === 'client' || policy === 'keep' ? ['C: DELE 3'] : [])
        }
        await serverHas(policy, all)
      }
      await thunderbird.quit()
    })

    /** What is left, by IMAP. */
    async function serverHas(policy: AfterDownload, all: readonly Buffer[]): Promise<void> {
      const user = userOf(profile, policy)
      const [inbox, trash, archive] = await Promise.all(['INBOX', 'Trash', 'Archive'].map((mailbox) => site.shown(user, mailbox)))
      assert.deepEqual(digests(sources(trash!)), policy === 'trash' ? digests(all) : [], policy)
      assert.deepEqual(digests(sources(archive!)), policy === 'archive' ? digests(all) : [], policy)
      if (policy === 'keep') {
        assert.deepEqual(digests(sources(inbox!)), digests(all))
        for (const kept of inbox!)
          assert.deepEqual(kept.flags, profile === 'deletes' || subject(kept) === SUBJECT ? ['$POP3Deleted'] : [], subject(kept))
      } else if (policy === 'client' && profile === 'leaves') {
        assert.equal(inbox!.length, all.length - 1)
        assert.ok(inbox!.every((kept) => subject(kept) !== SUBJECT && kept.flags.length === 0))
      } else assert.deepEqual(sources(inbox!), [], policy)
    }
  })
