/** LIST of many mailboxes: what it asks the store, and in which order it answers. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { MailStore } from '../../src/store/mailstore.ts'
import { type ImapHouse, imapHouse, PASSWORD } from '../support/imap.ts'
import { WireClient } from '../support/wire-client.ts'

const MAILBOXES = 200
let house: ImapHouse
before(async () => {
  house = await imapHouse(['anna', 'ben'])
})
after(() => house.close())

/** A session whose questions to the store are counted; `also` is called before each. */
async function session(
  user: string,
  also: (verb: string) => Promise<void> = async () => undefined,
): Promise<{ client: WireClient; asked: string[] }> {
  const asked: string[] = []
  const counted = (store: MailStore): MailStore =>
    new Proxy(store, {
      get:
        (target, verb: keyof MailStore & string) =>
        async (...args: unknown[]) => {
          asked.push(verb)
          await also(verb)
          return await (target[verb] as (...args: unknown[]) => unknown)(...args)
        },
    })
  const server = await house.serve({ faulty: counted })
  const client = await WireClient.connect(server.port)
  await client.line()
  await client.command('in', `LOGIN ${user}@example.test "${PASSWORD}"`)
  asked.length = 0
  return { client, asked }
}

test('all that a LIST returns is asked once for all mailboxes, and said mailbox by mailbox', async () => {
  const a = await house.access('anna')
  for (let i = 0; i < MAILBOXES; i++) await house.store.create(a, `Many/${String(i).padStart(4, '0')}`)
  const { client, asked } = await session('anna')
  const lines = await client.command('l', 'LIST "" Many/% RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN SIZE) METADATA (/shared/comment) MYRIGHTS)')
  const names = lines.slice(0, -1).map((line) => /^\* (LIST|STATUS|METADATA|MYRIGHTS) .*?"(Many\/[0-9]+)"/.exec(line)?.slice(1).join(' '))
  const expected = Array.from({ length: MAILBOXES }, (_, i) =>
    ['LIST', 'STATUS', 'METADATA', 'MYRIGHTS'].map((word) => `${word} Many/${String(i).padStart(4, '0')}`),
  )
  assert.deepEqual(names, expected.flat())
  assert.match(lines.at(-1)!, /^l OK/)
  assert.deepEqual([...asked].sort(), ['mailboxes', 'metadata', 'statuses', 'subscriptions'])
  client.destroy()
})

test('a mailbox that is deleted while a LIST runs has no STATUS', async () => {
  const b = await house.access('ben')
  await house.store.create(b, 'Going')
  const { client } = await session('ben', async (verb) => {
    if (verb === 'statuses') await house.store.remove(b, 'Going')
  })
  assert.deepEqual(await client.command('l', 'LIST "" (Going Sent) RETURN (STATUS (MESSAGES DELETED))'), [
    '* LIST (\\HasNoChildren) "/" "Going"',
    '* LIST (\\HasNoChildren \\Sent) "/" "Sent"',
    '* STATUS "Sent" (MESSAGES 0 DELETED 0)',
    'l OK LIST completed',
  ])
  client.destroy()
})
