/** Mailboxes of others on the wire: public ones, and what a process that hears of nothing says when a right was taken by another. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ImapHouse, imapHouse, PASSWORD, type ServeOptions } from '../support/imap.ts'
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

async function login(user: string, options: ServeOptions = {}): Promise<WireClient> {
  const client = await WireClient.connect((await house.serve(options)).port)
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
