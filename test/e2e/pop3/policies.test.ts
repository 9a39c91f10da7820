/**
 * What the user ends up with, by what the server was told to do after a download and by what the user's program was told. The policy stands with the mailbox where mail is to stay,
 * and with the app password, over another of the mailbox, where it is to go.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { AFTER_DOWNLOAD, type AfterDownload } from '../../../src/store/pop3-policy.ts'
import { hardMails } from '../../support/corpus.ts'
import { missing } from '../../support/programs.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { digests, PROGRAMS, type Program } from './programs.ts'
import { makeSite, type Site, type Wanted } from './site.ts'

interface Case {
  readonly user: string
  readonly program: Program
  readonly policy: AfterDownload
  readonly leave: boolean
}
const CASES: readonly Case[] = PROGRAMS.flatMap((program) =>
  AFTER_DOWNLOAD.flatMap((policy) =>
    [true, false].map((leave) => ({ user: `${program.name}-${policy}-${leave ? 'leaves' : 'deletes'}`, program, policy, leave })),
  ),
)
const APP = 'laptop'
/** Of the mailbox, where the app password says another. */
const OTHER: Readonly<Record<AfterDownload, AfterDownload>> = { client: 'delete', delete: 'keep', keep: 'delete', trash: 'client', archive: 'keep' }
const wanted = ({ policy, leave }: Case): Wanted =>
  leave ? { pop3: { after_download: policy } } : { pop3: { after_download: OTHER[policy] }, apps: { [APP]: { after_download: policy } } }

const MAILS = hardMails(40).filter(({ name }) =>
  ['8-bit', 'dots', 'lines of 998 octets', 'empty body', 'blank lines at the end', 'plain 39'].includes(name),
)
const LATER = hardMails(41).at(-1)!
const dir = tempFolder('pop3-policies')
let site: Site

before(async () => {
  site = await makeSite(Object.fromEntries(CASES.map((one) => [one.user, wanted(one)])))
  const users = CASES.map(({ user }) => user)
  await site.deliver(
    users,
    MAILS.map(({ bytes }) => bytes),
  )
})
after(async () => {
  await site?.[Symbol.asyncDispose]()
  removeFolder(dir)
})

/** Where the mail is that was fetched, and with which flags. */
function place({ policy, leave }: Case): { mailbox: string; flags: string[] } | undefined {
  if (policy === 'trash') return { mailbox: 'Trash', flags: [] }
  if (policy === 'archive') return { mailbox: 'Archive', flags: [] }
  if (policy === 'delete' || (policy === 'client' && !leave)) return undefined
  return { mailbox: 'INBOX', flags: leave ? [] : ['$POP3Deleted'] }
}

async function play(one: Case): Promise<void> {
  const { user, program, leave } = one
  const home = join(dir, user)
  const account = site.account(user, leave ? undefined : APP)
  const delivered = (await site.shown(user)).map(({ source }) => source)
  assert.equal(delivered.length, MAILS.length)
  for (const [i, { bytes }] of MAILS.entries())
    assert.ok(delivered[i]!.subarray(-bytes.length).equals(bytes), `${user}: what was sent is the end of what is there`)

  const fetch = async (expected: readonly Buffer[], when: string): Promise<void> => {
    const { code, out, err } = await program.fetch(home, account, { leave })
    assert.ok(program.goodCodes.includes(code!), `${user} ${when}: ${code} ${out.slice(-2000)} ${err.slice(-2000)}`)
    assert.deepEqual(digests(program.mail(home)), digests(await program.stored(expected)), `${user} ${when}`)
  }
  const kept = async (expected: readonly Buffer[], when: string): Promise<void> => {
    const there = place(one)
    for (const mailbox of ['INBOX', 'Trash', 'Archive']) {
      const shown = await site.shown(user, mailbox)
      const here = there?.mailbox === mailbox ? expected : []
      assert.deepEqual(digests(shown.map(({ source }) => source)), digests(here), `${user} ${when}: ${mailbox}`)
      for (const { flags } of shown) assert.deepEqual(flags, there?.flags, `${user} ${when}: flags`)
    }
  }
  await fetch(delivered, 'the first time')
  await kept(delivered, 'after the first time')
  await fetch(delivered, 'the second time')
  await site.deliver([user], [LATER.bytes])
  const later = (await site.shown(user)).map(({ source }) => source).find((source) => source.subarray(-LATER.bytes.length).equals(LATER.bytes))
  const all = [...delivered, later ?? assert.fail('it did not come')]
  await fetch(all, 'when one more has come')
  await kept(all, 'at the end')
}

describe('what the user has and what the server keeps', { concurrency: true }, () => {
  for (const program of PROGRAMS)
    describe(program.name, { concurrency: 1 }, () => {
      for (const one of CASES.filter((c) => c.program === program))
        test(`${one.policy}, where the program ${one.leave ? 'leaves' : 'deletes'} mail`, { skip: missing(...program.needs) }, () => play(one))
    })
})
