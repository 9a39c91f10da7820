/** Copies of sent mail: the server's and the programs' are one message, whoever comes first; and what is held goes back with its copy. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { AccountAccess, MailboxAccess } from '../../src/store/access.ts'
import { Refusal } from '../../src/store/errors.ts'
import { flagNames } from '../../src/store/flags.ts'
import type { Appended, SentWay } from '../../src/store/mailstore.ts'
import { openStore } from '../../src/store/pg/index.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { NOTIFY } from '../../src/store/queue.ts'
import { eachUid } from '../../src/store/uidset.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, accounts, queue, anna, ben, db, drivers } = opened
const other = await openStore({ connect: db.connect, drivers, log: silentLog() })
const pool = new Pool({ connect: db.connect, max: 2, log: silentLog() })
after(async () => {
  await pool.close()
  await other.close()
  await opened.close()
})

const ACCOUNTS = { domains: ['example.test'], public: [] }
const account = (name: string, sentCopy: boolean, quota?: number) => ({
  ...{ address: `${name}@example.test`, aliases: [], passwordHash: '$argon2id$none', quota },
  ...(sentCopy && { submission: { sentCopy } }),
})
before(() => accounts.reconcile({ ...ACCOUNTS, accounts: [account('anna', true), account('ben', true, 2_000_000), account('carl', false)] }))

let counter = 0
const run = (text: string): Promise<number> => pool.rows({ name: `t_sent_${counter++}`, text }, [])
async function count(text: string): Promise<number> {
  let found = Number.NaN
  await pool.rows({ name: `t_sent_${counter++}`, text: `select count(*)::int8 from ${text}` }, [], (row) => {
    found = row.long()
  })
  return found
}

async function bucket(content: bigint): Promise<number> {
  let found = 0
  await pool.rows(
    { name: `t_sent_${counter++}`, text: `select min(bucket)::int4 from queue where content_id = ${content} having count(*) > 0` },
    [],
    (row) => {
      found = row.int()
    },
  )
  return found
}

const text = (id: string, { subject = 'hi', body = 'text', more = '', date = new Date() } = {}): Buffer =>
  Buffer.from(`${more}Message-ID: <${id}@x>\r\nFrom: anna@example.test\r\nDate: ${date.toUTCString()}\r\nSubject: ${subject}\r\n\r\n${body}\r\n`)
const newId = (): string => `id${counter++}`

async function emptied(a: AccountAccess = anna, name = 'Sent'): Promise<MailboxAccess> {
  const m = await store.open(a, name, true)
  await store.expunge(m, { deletedOnly: false })
  return m
}

async function file(
  a: AccountAccess,
  octets: Buffer,
  { attempt = newId(), on = store, held = undefined as { until: number; ways: SentWay[] } | undefined } = {},
) {
  return on.fileSent(a, { content: await stage(on, a, octets), internalDate: Date.now(), ...(held && { held }) }, attempt)
}

async function append(m: MailboxAccess, octets: Buffer, flags: string[] = ['\\Seen'], on = store): Promise<Appended> {
  return on.append(m, [{ content: await stage(on, m.by, octets), flags, internalDate: 1 }])
}

/** `uid:flags` of each, as a process sees it that knows nothing; the mailbox's counters and the quota say the same. */
async function state(m: MailboxAccess): Promise<string[]> {
  const fresh = await openStore({ connect: db.connect, drivers, log: silentLog() })
  try {
    await using selected = await fresh.store.select(m, unwatched)
    const { segments, keywords } = selected.index
    const rows = segments.flatMap((s) => Array.from({ length: s.count }, (_, row) => ({ s, row })))
    const { unseen, bytes, exists } = await fresh.store.status(m)
    const size = rows.reduce((sum, { s, row }) => sum + s.sizes[row]!, 0)
    assert.deepEqual([exists, unseen, bytes], [rows.length, rows.filter(({ s, row }) => !(s.lo[row]! & 8)).length, size], 'counters')
    return rows.map(({ s, row }) => [s.uids[row], ...flagNames({ lo: s.lo[row]!, hi: s.hi[row]! }, keywords)].join(' '))
  } finally {
    await fresh.close()
  }
}
const only = ({ uids }: Appended): number => {
  assert.equal([...eachUid(uids)].length, 1)
  return uids[0]!
}

test('the server first: programs are given its message, and add their flags', async () => {
  const m = await emptied()
  const id = newId()
  await file(anna, text(id, { more: 'Bcc: x@y\r\n' }))
  const { uidnext, modseq } = await store.status(m)
  const first = await append(m, text(id), [])
  assert.deepEqual([only(first), first.modseq], [uidnext - 1, modseq])
  const second = await append(m, text(id, { more: 'X-Mailer: y\r\n' }), ['\\Flagged', '$MDNSent'], other.store)
  assert.equal(only(second), uidnext - 1)
  assert.ok(second.modseq > modseq)
  assert.deepEqual(await state(m), [`${uidnext - 1} \\Flagged \\Seen $MDNSent`])
  assert.equal((await store.status(m)).uidnext, uidnext)
})

test('a program first: the server files nothing more, and marks it as read', async () => {
  const m = await emptied()
  const id = newId()
  const uid = only(await append(m, text(id), ['\\Answered']))
  await file(anna, text(id))
  assert.equal(only(await append(m, text(id))), uid)
  assert.deepEqual(await state(m), [`${uid} \\Answered \\Seen`])
})

test('what is another message stays one', async () => {
  const m = await emptied()
  const id = newId()
  await file(anna, text(id))
  for (const octets of [text(id, { body: 'other' }), text(id, { subject: 'other' }), text(newId()), Buffer.from('Subject: no id\r\n\r\ntext\r\n')])
    await append(m, octets)
  assert.equal((await state(m)).length, 5)
  const archive = await emptied(anna, 'Archive')
  await append(archive, text(id))
  assert.equal((await state(archive)).length, 1, 'another mailbox')
})

test('what the server never accepted is appended as often as it is said', async () => {
  const m = await emptied()
  const id = newId()
  for (let n = 0; n < 3; n++) await append(m, text(id))
  assert.equal((await state(m)).length, 3)
  await file(anna, text(id))
  assert.equal((await state(m)).length, 3)
})

test('who did not ask for copies has none merged, and none noted', async () => {
  const carl = accounts.grant((await accounts.login('carl@example.test'))!)
  const before = await count('sent_copy')
  const m = await store.open(carl, 'Sent', true)
  for (let n = 0; n < 2; n++) await append(m, text('carl'))
  assert.deepEqual([(await state(m)).length, await count('sent_copy')], [2, before])
})

test('a copy that is gone is not merged with, one that is a day old neither; old mail is not noted at all', async () => {
  const m = await emptied()
  const id = newId()
  await file(anna, text(id))
  await store.expunge(m, { deletedOnly: false })
  const uid = only(await append(m, text(id)))
  assert.equal(only(await append(m, text(id))), uid, 'the one that came for it is')
  await run(`update sent_copy set filed_at = now() - interval '25 hours'`)
  assert.notEqual(only(await append(m, text(id))), uid)
  await run(`update sent_copy set filed_at = now() - interval '25 hours'`)
  const { exists } = await store.status(m)
  await file(anna, text(id))
  assert.equal((await store.status(m)).exists, exists + 1, 'sent again on another day')
  await run(`update sent_copy set filed_at = now() - interval '25 hours'`)
  const third = only(await append(m, text(id)))
  await file(anna, text(id))
  assert.deepEqual([only(await append(m, text(id))), (await store.status(m)).exists], [third, exists + 2], 'and by a program that is faster')
  const before = await count('sent_copy')
  await append(m, text(newId(), { date: new Date(Date.now() - 3 * 86_400_000) }))
  assert.equal(await count('sent_copy'), before)
})

test('several messages in one command, in their order', async () => {
  const m = await emptied()
  const [a, b, c] = [newId(), newId(), newId()]
  await file(anna, text(a))
  await file(anna, text(b))
  const { uidnext } = await store.status(m)
  const messages = []
  for (const id of [c, b, a, newId(), a]) messages.push({ content: await stage(store, anna, text(id)), flags: ['\\Flagged'], internalDate: 1 })
  const { uids } = await store.append(m, messages)
  assert.deepEqual([...eachUid(uids)], [uidnext, uidnext - 1, uidnext - 2, uidnext + 1, uidnext - 2])
  assert.equal((await state(m)).length, 4)
})

test('REPLACE merges too, but not with what it replaces', async () => {
  const m = await emptied()
  const drafts = await emptied(anna, 'Drafts')
  const id = newId()
  await file(anna, text(id))
  const [filed] = await state(m)
  const uid = Number(filed!.split(' ')[0])
  const draft = only(await append(drafts, text(id), ['\\Draft']))
  const message = async () => ({ content: await stage(store, anna, text(id)), flags: ['\\Seen'], internalDate: 1 })
  assert.equal(only(await store.replace(drafts, draft as never, m, await message())), uid)
  assert.deepEqual([await state(drafts), await state(m)], [[], [filed]])
  const again = only(await store.replace(m, uid as never, m, await message()))
  assert.notEqual(again, uid)
  assert.deepEqual(await state(m), [`${again} \\Seen`])
})

test('a retry files nothing, also when its copy is gone; once it was heard, it is another message', async () => {
  const m = await emptied()
  const [id, attempt] = [newId(), newId()]
  const octets = Buffer.concat([text(id), Buffer.from('0123456789abcde\r\n'.repeat(50_000))])
  const first = await file(anna, octets, { attempt })
  await store.expunge(m, { deletedOnly: false })
  const again = await file(anna, octets, { attempt, on: other.store })
  assert.deepEqual([first.again, again.again, await state(m)], [false, true, []])
  again.confirm()
  assert.equal((await file(anna, octets, { attempt, on: other.store })).again, false)
  assert.equal((await state(m)).length, 1)
  await append(m, octets)
  assert.equal((await state(m)).length, 1, 'one of many pieces is the same too')
})

test('without a mailbox for sent mail one is made', async () => {
  await store.rename(anna, 'Sent', 'Old')
  const old = await store.open(anna, 'Old', true)
  await file(anna, text(newId()))
  const named = async () => (await store.mailboxes(anna)).find(({ specialUse }) => specialUse === '\\Sent')?.name
  assert.equal(await named(), 'Old', 'the special use went with the name')
  await store.expunge(old, { deletedOnly: false })
  await store.remove(anna, 'Old')
  const made = await Promise.all(Array.from({ length: 5 }, async () => file(anna, text(newId()))))
  assert.equal(made.length, 5)
  assert.deepEqual([await named(), (await store.subscriptions(anna)).includes('Sent')], ['Sent', true])
  assert.equal((await state(await store.open(anna, 'Sent', true))).length, 5)
})

test('an account without room is told before anything is sent; a merge needs none', async () => {
  const m = await emptied(ben)
  const id = newId()
  const body = 'x'.repeat(1_100_000)
  await store.prepareSent(ben, 1_100_000)
  await file(ben, text(id, { body }))
  await assert.rejects(store.prepareSent(ben, 1_100_000), (err: Refusal) => err instanceof Refusal && err.reason === 'over-quota')
  const uid = Number((await state(m))[0]!.split(' ')[0])
  assert.equal(only(await append(m, text(id, { body }))), uid)
  await assert.rejects(append(m, text(newId(), { body })), (err: Refusal) => err instanceof Refusal && err.reason === 'over-quota')
})

test('twenty programs and the server at once, by two processes: one message, and every answer names it', async () => {
  for (let round = 0; round < 5; round++) {
    const m = await emptied()
    const [id, attempt] = [newId(), newId()]
    // A program that was first is one more message at most: nobody knew of a submission then.
    await append(m, text(id))
    const filing = [0, 1, 2].map((n) => file(anna, text(id), { attempt, on: n % 2 ? other.store : store }))
    await Promise.all(filing)
    const uid = Number((await state(m))[0]!.split(' ')[0])
    const done = await Promise.all([
      ...Array.from({ length: 20 }, (_, n) => append(m, text(id), n % 3 ? ['\\Seen'] : ['\\Flagged', 'one'], n % 2 ? other.store : store).then(only)),
      file(anna, text(id), { attempt: newId() }).then(() => uid),
    ])
    assert.deepEqual(new Set(done), new Set([uid]))
    assert.deepEqual(await state(m), [`${uid} \\Flagged \\Seen one`])
  }
})

test('appends that race with the filing: what comes after the first is that one or a copy that was acknowledged', async () => {
  for (let round = 0; round < 5; round++) {
    const m = await emptied()
    const id = newId()
    const appends = Array.from({ length: 20 }, (_, n) => append(m, text(id), [], n % 2 ? other.store : store).then(only))
    const uids = await Promise.all([...appends, file(anna, text(id)).then(() => undefined)])
    const acknowledged = [...new Set(uids.filter((uid) => uid !== undefined))].sort((a, b) => a - b)
    assert.deepEqual(
      (await state(m)).map((line) => Number(line.split(' ')[0])),
      acknowledged,
      'nothing that nobody was told of',
    )
    assert.equal(
      await count(`sent_copy where filed_at is not null and account_id = ${anna.account} and mailbox_id = ${m.mailbox} and uid = ${acknowledged[0]}`),
      1,
    )
  }
})

/** A message in the queue until `ms` from now, with its copy. */
async function sendHeld(ms: number, { recipients = ['a@one.test', 'b@two.test'], id = newId() } = {}) {
  const until = Date.now() + ms
  const content = await stage(store, anna, text(id))
  const mail = {
    ...{ reversePath: 'anna@example.test', prefix: Buffer.alloc(0), skip: 0, eightBit: false, utf8: false, requireTls: false, counts: true },
    ...{ notBefore: until, expires: until + 86_400_000 },
    recipients: recipients.map((address) => ({ address, domain: address.split('@')[1]!, notify: NOTIFY.failure })),
  }
  const queued = await queue.enqueue(anna, content, mail, id)
  await file(anna, text(id), {
    attempt: id,
    held: { until, ways: [{ account: anna.account, content: queued.content, recipients: recipients.length }] },
  })
  const m = await store.open(anna, 'Sent', true)
  const { uidnext } = await store.status(m)
  return { m, uid: uidnext - 1, content: queued.content, waiting: () => count(`queue where content_id = ${queued.content}`) }
}

test('taken back: moved to Drafts or Trash, or expunged', async () => {
  await emptied()
  for (const [how, left] of [
    ['Drafts', 0],
    ['Trash', 0],
    ['Archive', 2],
    ['expunge', 0],
    ['copy', 2],
  ] as const) {
    const { m, uid, content, waiting } = await sendHeld(60_000)
    if (how === 'expunge') {
      await store.flags(m, [uid, uid], { mode: 'add', names: ['\\Deleted'] })
      await store.expunge(m, { deletedOnly: true })
    } else if (how === 'copy') await store.copy(m, [uid, uid], await store.open(anna, 'Trash', true))
    else await store.move(m, [uid, uid], await store.open(anna, how, true))
    assert.deepEqual([how, await waiting(), await count(`outbound where content_id = ${content}`)], [how, left, left ? 1 : 0])
  }
})

test('only its owner takes it back', async () => {
  const { m, uid, waiting } = await sendHeld(60_000)
  await store.changeAcl(m, 'ben@example.test', { mode: 'replace', rights: 'lrte' })
  const shared = await store.open(ben, 'Shared/anna@example.test/Sent', true)
  await store.expunge(shared, { uids: [uid, uid], deletedOnly: false })
  assert.equal(await waiting(), 2)
  await store.changeAcl(m, 'ben@example.test')
})

test('what is not held any more is only moved', async () => {
  const held = await sendHeld(60_000)
  await run(`update queue set run_at = now() where content_id = ${held.content} and domain = 'one.test'`)
  await store.move(held.m, [held.uid, held.uid], await store.open(anna, 'Trash', true))
  assert.equal(await held.waiting(), 2, 'let go for one of its recipients')
  const over = await sendHeld(0)
  await store.expunge(over.m, { uids: [over.uid, over.uid], deletedOnly: false })
  assert.equal(await over.waiting(), 2)
  await run('delete from queue')
  await run('delete from outbound')
})

test('with others that stay, and by an index that is behind', async () => {
  const m = await emptied()
  const [one, two] = [await sendHeld(60_000), await sendHeld(60_000)]
  await Promise.all([
    store.expunge(m, { uids: [one.uid, one.uid], deletedOnly: false }),
    other.store.flags(m, [two.uid, two.uid], { mode: 'add', names: ['\\Flagged'] }),
    append(m, text(newId())),
  ])
  assert.deepEqual([await one.waiting(), await two.waiting()], [0, 2])
  await run('delete from queue')
  await run('delete from outbound')
})

test('a claim and a taking back at the same moment: one of them', async () => {
  const trash = await store.open(anna, 'Trash', true)
  let taken = 0
  /** Milliseconds until it is due, and until its sender is sorry. */
  const rounds = [
    ...Array.from({ length: 24 }, (_, n) => [20, 12 + (n % 12)] as const),
    ...Array.from({ length: 3 }, () => [1_500, 0] as const),
    ...Array.from({ length: 3 }, () => [0, 150] as const),
  ]
  for (const [round, [due, sorry]] of rounds.entries()) {
    const { m, uid, content, waiting } = await sendHeld(60_000, { recipients: ['a@race.test', 'b@race.test'] })
    await run(`update queue set run_at = clock_timestamp() + interval '${due} ms' where content_id = ${content}`)
    const claiming = (async () => {
      while ((await waiting()) > 0) {
        const claim = await queue.claim({ bucket: await bucket(content), domain: 'race.test', account: anna.account }, 'w')
        if (claim) return { claim, mayGo: await queue.noteDot(claim, claim.recipients, 'w') }
      }
      return undefined
    })()
    await new Promise((done) => setTimeout(done, sorry))
    await (round % 2 ? store.move(m, [uid, uid], trash) : store.expunge(m, { uids: [uid, uid], deletedOnly: false }))
    const claimed = await claiming
    const left = await waiting()
    assert.ok(claimed ? left === 2 && claimed.mayGo : left === 0, `${round}: ${left} left, ${claimed ? 'claimed' : 'not claimed'}`)
    // One recipient may have been looked at by who was too late: he is claimed a moment after the other.
    if (claimed) assert.ok(claimed.claim.recipients.length > 0)
    else taken++
    await run('delete from queue')
    await run('delete from outbound')
  }
  assert.ok(taken > 0 && taken < rounds.length, `${taken} of ${rounds.length} taken back`)
})
