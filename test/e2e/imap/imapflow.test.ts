/** imapflow, the IMAP client of many Node programs: what it does with what is announced, on one connection and on several. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ImapFlow, type ImapFlowOptions } from 'imapflow'
import { Session } from '../../support/session.ts'
import { DOMAIN, mail, makeSite, PASSWORD, type Site } from './site.ts'

const WITHIN = 10_000
let site: Site
before(async () => {
  site = await makeSite(['flow', 'sync'])
})
after(() => site?.[Symbol.asyncDispose]())

async function connected(user: string, more: Partial<ImapFlowOptions> = {}): Promise<ImapFlow> {
  const client = new ImapFlow({
    ...{ host: 'localhost', port: site.port, secure: true, logger: false },
    auth: { user: `${user}@${DOMAIN}`, pass: PASSWORD },
    tls: { ca: readFileSync(site.ca) },
    ...more,
  })
  await client.connect()
  return client
}

async function until(what: () => boolean): Promise<void> {
  for (const due = performance.now() + WITHIN; !what(); await sleep(20)) if (performance.now() > due) assert.fail(`${what}`)
}

test('mailboxes, messages, flags, searches, moves, quota', async () => {
  const client = await connected('flow')
  const created = await client.mailboxCreate(['Projekte', 'Größe & Maß'])
  assert.deepEqual([created.path, created.created], ['Projekte/Größe & Maß', true])
  assert.equal((await client.mailboxCreate('Projekte/Größe & Maß')).created, false)
  const listed = await client.list({ statusQuery: { messages: true, unseen: true } })
  assert.deepEqual(
    listed.filter(({ specialUse }) => specialUse).map(({ path, specialUse }) => [path, specialUse]),
    [
      ['INBOX', '\\Inbox'],
      ['Sent', '\\Sent'],
      ['Drafts', '\\Drafts'],
      ['Archive', '\\Archive'],
      ['Junk', '\\Junk'],
      ['Trash', '\\Trash'],
    ].filter(([path]) => listed.some((mailbox) => mailbox.path === path)),
  )
  assert.ok(listed.every(({ status }) => status?.messages === 0))

  for (let i = 0; i < 20; i++) {
    const appended = await client.append('INBOX', mail(`f${i}`), i % 2 ? ['\\Seen'] : [], new Date(Date.UTC(2026, 0, 1 + i)))
    assert.ok(appended && appended.uid === i + 1)
  }
  const lock = await client.getMailboxLock('INBOX')
  const found = await client.search({ seen: false, since: new Date(Date.UTC(2026, 0, 10)), subject: 'mail f1' }, { uid: true })
  assert.deepEqual(found, [11, 13, 15, 17, 19])
  assert.ok(await client.messageFlagsAdd('1:3', ['\\Flagged', '$Work'], { uid: true }))
  const one = await client.fetchOne(
    '2',
    { uid: true, flags: true, envelope: true, bodyStructure: true, source: true, threadId: true, headers: ['x-token'] },
    { uid: true },
  )
  assert.ok(one)
  assert.equal(one.envelope?.subject, 'mail f1')
  assert.equal(one.source?.toString(), mail('f1'))
  assert.deepEqual([...(one.flags ?? [])].filter((flag) => flag !== '\\Recent').sort(), ['$Work', '\\Flagged', '\\Seen'])
  const { content } = await client.download('2')
  const parts: Buffer[] = []
  for await (const part of content) parts.push(part as Buffer)
  assert.equal(Buffer.concat(parts).toString(), mail('f1'))
  const moved = await client.messageMove('1:5', 'Projekte/Größe & Maß', { uid: true })
  assert.ok(moved)
  assert.deepEqual([...(moved.uidMap?.keys() ?? [])], [1, 2, 3, 4, 5])
  const copied = await client.messageCopy('6', 'Archive', { uid: true })
  assert.ok(copied && copied.uidMap?.size === 1)
  assert.ok(await client.messageDelete('7:8', { uid: true }))
  lock.release()
  const status = await client.status('INBOX', { messages: true, uidNext: true, uidValidity: true, unseen: true })
  assert.ok(status)
  assert.deepEqual([status.messages, status.uidNext], [13, 21])
  assert.ok(await client.mailboxRename('Projekte/Größe & Maß', 'Fertig'))
  assert.ok(await client.mailboxDelete('Fertig'))
  await client.logout()
})

test('a client with a memory: what changed since, and nothing else', async (t) => {
  const first = await connected('sync', { qresync: true })
  const offers = (name: string): boolean => first.capabilities.has(name)
  for (let i = 0; i < 30; i++) await first.append('INBOX', mail(`s${i}`))
  const { uidValidity, highestModseq } = await first.mailboxOpen('INBOX')
  await first.logout()
  if (!offers('CONDSTORE')) return t.skip('CONDSTORE is not announced')
  assert.ok(highestModseq && highestModseq > 0n)

  const other = await connected('sync')
  await other.mailboxOpen('INBOX')
  await other.messageFlagsAdd('3,7', ['\\Flagged'], { uid: true })
  await other.messageDelete('10:12', { uid: true })
  await other.append('INBOX', mail('s30'))

  const again = await connected('sync', { qresync: offers('QRESYNC') })
  const opened = await again.mailboxOpen('INBOX')
  assert.equal(opened.uidValidity, uidValidity)
  assert.equal(opened.exists, 28)
  const changed: number[] = []
  for await (const message of again.fetch('1:*', { uid: true, flags: true }, { changedSince: highestModseq, uid: true })) changed.push(message.uid)
  assert.deepEqual(
    changed.sort((a, b) => a - b),
    [3, 7, 31],
  )

  // Both hear of each other while they wait.
  const heard: string[] = []
  again.on('exists', ({ count }) => heard.push(`exists ${count}`))
  again.on('expunge', ({ uid, seq, vanished }) => heard.push(`expunge ${vanished ? uid : `#${seq}`}`))
  again.on('flags', ({ uid, flags }) => heard.push(`flags ${uid} ${[...(flags ?? [])].join()}`))
  void again.idle()
  await sleep(200)
  await other.append('INBOX', mail('s31'))
  await until(() => heard.includes('exists 29'))
  await other.messageFlagsAdd('5', ['\\Seen'], { uid: true })
  await until(() => heard.includes('flags 5 \\Seen'))
  await other.messageDelete('1', { uid: true })
  await until(() => heard.some((line) => line.startsWith('expunge ')))
  assert.equal(heard.filter((line) => line.startsWith('expunge')).join(), offers('QRESYNC') ? 'expunge 1' : 'expunge #1')
  await again.logout()
  await other.logout()
})

test('SCRAM is offered where everybody can use it, and to nobody here, whose passwords are kept as hashes only', async () => {
  const session = await Session.open(site.port, true)
  const greeting = await session.line()
  session.destroy()
  assert.match(greeting, /AUTH=PLAIN/)
  assert.doesNotMatch(greeting, /SCRAM/)
})
