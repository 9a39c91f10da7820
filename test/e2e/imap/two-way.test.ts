/** Programs that keep a Maildir and a mailbox the same: 2,000 messages, changed on both sides, twice; then nothing is different, and nothing more is done. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { missing, succeed } from '../../support/programs.ts'
import { Maildir } from './maildir.ts'
import { DOMAIN, FarSide, makeSite, PASSWORD, type Site } from './site.ts'

const MESSAGES = 2_000
const WITHIN = 180_000
const tokens = (from: number, n: number, prefix = 'm'): string[] => Array.from({ length: n }, (_, i) => `${prefix}${from + i}`)

let site: Site
const dir = mkdtempSync(join(tmpdir(), 'postern-two-way-'))
before(async () => {
  site = await makeSite(['mbsync', 'offline'])
})
after(async () => {
  await site?.[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

interface Program {
  readonly user: string
  /** One run of it. */
  sync(): Promise<unknown>
  /** Where it keeps a mailbox. */
  folder(mailbox: string): string
}

async function bothWays({ user, sync, folder }: Program): Promise<void> {
  using far = await FarSide.open(site, user)
  await far.append('INBOX', tokens(0, MESSAGES / 2))
  await far.append('INBOX', tokens(MESSAGES / 2, MESSAGES / 2), '\\Seen')
  await far.ok('CREATE Projekte')
  await far.append('Projekte', tokens(0, 20, 'p'))
  await sync()
  const near = new Maildir(folder('INBOX'))
  const same = async (): Promise<void> => {
    for (const mailbox of ['INBOX', 'Projekte', 'Archive']) {
      const [here, there] = [new Maildir(folder(mailbox)).contents(), await far.contents(mailbox)]
      assert.deepEqual([...here].sort(), [...there].sort(), mailbox)
    }
  }
  await same()
  assert.equal(near.contents().size, MESSAGES)

  for (const round of [0, 1]) {
    const at = round * 500
    // At the server: flags, a keyword too, what goes, what comes, what moves to another mailbox.
    await far.ok('SELECT INBOX')
    await far.ok(`UID STORE ${await far.uids(tokens(at, 40))} +FLAGS.SILENT (\\Flagged \\Answered work${round})`)
    await far.ok(`UID STORE ${await far.uids(tokens(at + 1_000, 40))} -FLAGS.SILENT (\\Seen)`)
    await far.ok(`UID STORE ${await far.uids(tokens(at + 60, 30))} +FLAGS.SILENT (\\Deleted)`)
    await far.ok('EXPUNGE')
    await far.ok(`UID MOVE ${await far.uids(tokens(at + 100, 25))} Archive`)
    await far.append('INBOX', tokens(at, 50, 'far'))
    await far.ok('UNSELECT')
    // Near: the same, to others.
    near.mark(tokens(at + 200, 40), 'FS')
    near.mark(tokens(at + 1_200, 40), '')
    near.remove(tokens(at + 300, 30))
    near.add(tokens(at, 30, 'near'))
    await sync()
    await sync()
    await same()
    assert.equal(near.contents().size, MESSAGES + (round + 1) * (50 + 30 - 30 - 25 - 30))
  }

  const status = async (): Promise<string[]> => await far.ok('STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)')
  const before = await status()
  await sync()
  assert.deepEqual(await status(), before, 'a run with nothing to do did something')
  await same()
}

test('mbsync', { skip: missing('mbsync'), timeout: 4 * WITHIN }, async () => {
  const box = join(dir, 'mbsync')
  const config = join(dir, 'mbsyncrc')
  mkdirSync(box)
  const lines = [
    ...[
      'IMAPAccount postern',
      'Host localhost',
      `Port ${site.port}`,
      `User mbsync@${DOMAIN}`,
      `Pass ${PASSWORD}`,
      'SSLType IMAPS',
      `CertificateFile ${site.ca}`,
      '',
    ],
    ...['IMAPStore far', 'Account postern', '', 'MaildirStore near', `Path ${box}/`, `Inbox ${box}/INBOX`, 'SubFolders Verbatim', ''],
    ...['Channel mail', 'Far :far:', 'Near :near:', 'Patterns INBOX Projekte Archive', 'Create Both', 'Expunge Both', 'SyncState *', ''],
  ]
  writeFileSync(config, lines.join('\n'), { mode: 0o600 })
  await bothWays({
    user: 'mbsync',
    sync: () => succeed('mbsync', ['-c', config, 'mail'], { within: WITHIN }),
    folder: (mailbox) => join(box, mailbox),
  })
})

test('offlineimap', { skip: missing('offlineimap'), timeout: 4 * WITHIN }, async () => {
  const box = join(dir, 'offline')
  const config = join(dir, 'offlineimaprc')
  mkdirSync(box)
  const lines = [
    ...['[general]', `metadata = ${dir}/offline-state`, 'accounts = postern', 'ui = quiet', ''],
    ...['[Account postern]', 'localrepository = near', 'remoterepository = far', ''],
    ...['[Repository near]', 'type = Maildir', `localfolders = ${box}`, ''],
    ...['[Repository far]', 'type = IMAP', 'remotehost = localhost', `remoteport = ${site.port}`, `remoteuser = offline@${DOMAIN}`],
    ...[`remotepass = ${PASSWORD}`, 'ssl = yes', `sslcacertfile = ${site.ca}`, 'maxconnections = 2'],
    ...["folderfilter = lambda name: name in ('INBOX', 'Projekte', 'Archive')", ''],
  ]
  writeFileSync(config, lines.join('\n'), { mode: 0o600 })
  await bothWays({
    user: 'offline',
    sync: () => succeed('offlineimap', ['-c', config, '-o'], { within: WITHIN, env: { ...process.env, HOME: dir } }),
    folder: (mailbox) => join(box, mailbox),
  })
})
