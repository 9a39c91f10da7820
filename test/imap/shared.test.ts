/** Mailboxes of others on the wire: public ones, and what a process that hears of nothing says when a right was taken by another. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD, type ServeOptions } from '../support/imap.ts'
import { rowsRead } from '../support/rows-read.ts'
import { WireClient } from '../support/wire-client.ts'

let house: ImapHouse
before(async () => {
  house = await imapHouse(['ann', 'bob'], {
    shared: [
      { name: 'News', rights: { anyone: 'lrs', 'ann@example.test': 'lrswikxtea' } },
      { name: 'Staff/Rota', rights: { 'ann@example.test': 'lr' } },
    ],
  })
})
after(() => house.close())

/** One process of each kind. */
const servers = new Map<string, Promise<ImapServer>>()
async function login(user: string, options: ServeOptions = {}): Promise<WireClient> {
  const kind = JSON.stringify(options)
  if (!servers.has(kind)) servers.set(kind, house.serve(options))
  const client = await WireClient.connect((await servers.get(kind)!).port)
  await client.line()
  assert.match((await client.command('in', `LOGIN ${user}@example.test "${PASSWORD}"`)).at(-1) ?? '', /^in OK/)
  return client
}

test('public mailboxes: found, read and written by those who may', async () => {
  const [ann, bob] = [await login('ann'), await login('bob')]
  assert.equal((await ann.command('a', 'NAMESPACE'))[0], '* NAMESPACE (("" "/")) (("Shared/" "/")) (("Public/" "/"))')
  assert.deepEqual(await bob.command('b', 'LIST "" Public/*'), ['* LIST (\\HasNoChildren) "/" "Public/News"', 'b OK LIST completed'])
  assert.deepEqual((await ann.command('a', 'LIST "" Public/%')).slice(0, -1), [
    '* LIST (\\HasNoChildren) "/" "Public/News"',
    '* LIST (\\Noselect \\HasChildren) "/" "Public/Staff"',
  ])
  assert.match((await ann.command('a', 'APPEND Public/News {4+}\r\nnews')).at(-1)!, /^a OK \[APPENDUID/)
  assert.deepEqual(await bob.command('b', 'MYRIGHTS Public/News'), ['* MYRIGHTS "Public/News" lrs', 'b OK MYRIGHTS completed'])
  assert.match((await bob.command('b', 'SELECT Public/News')).join('\n'), /PERMANENTFLAGS \(\\Seen\)\][\s\S]*b OK \[READ-WRITE\]/)
  assert.match((await bob.command('b', 'FETCH 1 BODY[]')).join('\n'), /news[\s\S]*\\Seen/)
  assert.match((await bob.command('b', 'SELECT Public/Staff/Rota')).at(-1)!, /^b NO \[NONEXISTENT\]/)
  // Who administers it may give rights to anyone, and there is no owner among its entries.
  assert.match((await ann.command('a', 'LISTRIGHTS Public/News anyone'))[0]!, /"anyone" "" l r s w i p k x t e c d a$/)
  assert.equal((await ann.command('a', 'SETACL Public/News anyone +w')).at(-1), 'a OK SETACL completed')
  assert.equal((await ann.command('a', 'GETACL Public/News'))[0], '* ACL "Public/News" "ann@example.test" lrswikxtecda "anyone" lrsw')
  ann.destroy()
  bob.destroy()
})

test('a process that hears of nothing gives no octet after the right was taken by another', async () => {
  await house.append('ann', 'INBOX', [{ text: 'Subject: secret\r\n\r\nfor ann' }])
  const ann = await login('ann')
  assert.equal((await ann.command('a', 'SETACL INBOX bob@example.test lrste')).at(-1), 'a OK SETACL completed')
  const bob = await login('bob', { apart: true })
  assert.match((await bob.command('b', 'SELECT Shared/ann@example.test/INBOX')).at(-1)!, /^b OK/)
  assert.match((await bob.command('b', 'FETCH 1 BODY.PEEK[]')).join(), /for ann/)
  assert.equal((await ann.command('a', 'SETACL INBOX bob@example.test l')).at(-1), 'a OK SETACL completed')
  const said: string[] = []
  bob.send('b FETCH 1 (BODY.PEEK[] ENVELOPE)\r\n')
  for (let line = await bob.line(); line !== undefined; line = await bob.line()) said.push(line)
  assert.doesNotMatch(said.join('\n'), /ann|secret/i)
  assert.match(said.join('\n'), /NO \[NOPERM\][\s\S]*BYE/)
  for (const command of ['SELECT', 'STATUS', 'EXAMINE']) {
    const again = await login('bob', { apart: true })
    const rest = command === 'STATUS' ? ' (MESSAGES)' : ''
    assert.match((await again.command('b', `${command} Shared/ann@example.test/INBOX${rest}`)).at(-1)!, /^b NO \[NOPERM\]/)
    again.destroy()
  }
  ann.destroy()
  bob.destroy()
})

/** Bob's session in a process that does not hear of lists, with Ann's mailbox selected. */
async function reader(): Promise<WireClient> {
  const bob = await login('bob', { losesLists: true })
  assert.match((await bob.command('s', 'SELECT Shared/ann@example.test/Secrets')).at(-1)!, /^s OK/)
  return bob
}
async function rest(client: WireClient): Promise<string> {
  const said: string[] = []
  for (let line = await client.line(); line !== undefined; line = await client.line()) said.push(line)
  return said.join('\n')
}

test('what is in memory of a mailbox is told nobody either, from the command on that begins after the right was taken', async () => {
  const ann = await login('ann')
  await ann.command('a', 'CREATE Secrets')
  await house.append('ann', 'Secrets', [{ text: 'Subject: 1\r\n\r\n', flags: ['$private'] }, { text: 'Subject: 2\r\n\r\n' }])
  await ann.command('a', 'SELECT Secrets')
  for (const command of [
    'FETCH 1:* FLAGS',
    'UID FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE MODSEQ)',
    'SEARCH ALL',
    'UID SEARCH RETURN (ALL COUNT) KEYWORD $private',
    'SORT (ARRIVAL) US-ASCII ALL',
    'THREAD REFERENCES US-ASCII ALL',
    'ESEARCH IN (selected) RETURN (ALL) ALL',
    'CHECK',
  ]) {
    await ann.command('a', 'SETACL Secrets bob@example.test lrs')
    const bob = await reader()
    assert.match((await bob.command('b', command)).at(-1)!, /^b OK/)
    await ann.command('a', 'SETACL Secrets bob@example.test l')
    bob.send(`b ${command}\r\n`)
    const said = await rest(bob)
    assert.doesNotMatch(said, /FETCH|SEARCH|SORT|THREAD|private/i, command)
    assert.match(said, /^b NO \[NOPERM\][^\n]*\n\* BYE/, command)
  }
  // News of any kind: NOOP asks the log, and hears that there is some.
  for (const [command, news] of [
    ['NOOP', 'STORE 1 FLAGS ($news)'],
    ['STATUS Secrets (MESSAGES)', 'STORE 1 FLAGS ($later)'],
  ] as const) {
    await ann.command('a', 'SETACL Secrets bob@example.test lrs')
    const bob = await reader()
    await ann.command('a', 'SETACL Secrets bob@example.test l')
    assert.match((await ann.command('a', news)).at(-1)!, /^a OK/)
    bob.send(`b ${command}\r\n`)
    assert.doesNotMatch(await rest(bob), /FETCH|news|later|MESSAGES/, command)
  }
  ann.destroy()
})

test('news that come by themselves are told those who may read them at that moment', async () => {
  const ann = await login('ann')
  await ann.command('a', 'SELECT Secrets')
  for (const begin of ['IDLE', 'NOTIFY SET (selected (MessageNew (FLAGS) MessageExpunge FlagChange))']) {
    await ann.command('a', 'SETACL Secrets bob@example.test lrs')
    const bob = await reader()
    bob.send(`b ${begin}\r\n`)
    await bob.line()
    await ann.command('a', 'STORE 1 FLAGS ($one)')
    await ann.command('a', 'SETACL Secrets bob@example.test l')
    await ann.command('a', 'STORE 1 FLAGS ($two)')
    await house.append('ann', 'Secrets', [{ text: 'Subject: 3\r\n\r\n', flags: ['$three'] }])
    if (begin !== 'IDLE') bob.send('c NOOP\r\n')
    assert.doesNotMatch(await rest(bob), /two|three|EXISTS/, begin)
  }
  ann.destroy()
})

test("a command on somebody else's mailbox asks for its list, and reads no more for that", async () => {
  const ann = await login('ann')
  await ann.command('a', 'SETACL Secrets bob@example.test lrs')
  const bob = await reader()
  for (const [command, rows] of [
    ['FETCH 1:* FLAGS', 1],
    ['SEARCH ALL', 1],
    ['UNSELECT', 0],
  ] as const) {
    const read = await rowsRead(() => bob.command('b', command))
    assert.equal(read.by.get('shared_rights')?.rows ?? 0, rows, `${command}: ${[...read.by.keys()]}`)
  }
  ann.destroy()
  bob.destroy()
})
