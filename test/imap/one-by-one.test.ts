/** A mailbox that is fetched message by message is read ahead, and says the same as one that is fetched at once, whatever happens to it meanwhile. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { MailStore } from '../../src/store/mailstore.ts'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD } from '../support/imap.ts'
import { seeded } from '../support/random.ts'
import { WireClient } from '../support/wire-client.ts'

const MESSAGES = 400
const ITEMS = ['UID BODY.PEEK[]', 'UID BODYSTRUCTURE', 'UID BODY.PEEK[HEADER.FIELDS (SUBJECT)]', 'UID BODY.PEEK[TEXT]<10.50>']

let house: ImapHouse
let server: ImapServer
/** How often contents were asked for. */
let readings = 0
before(async () => {
  house = await imapHouse(['ann', 'ben'])
  const random = seeded(5)
  for (const user of ['ann', 'ben'])
    await house.append(
      user,
      'INBOX',
      // Now and then one that is read piece by piece.
      Array.from({ length: MESSAGES }, (_, n) => ({
        text: `Subject: message ${n + 1} of ${user}\r\n\r\n${`line of ${n + 1}\r\n`.repeat(1 + random(n % 50 === 7 ? 30_000 : 200))}`,
      })),
    )
  const counted = (store: MailStore): MailStore => ({
    ...store,
    contents(...asked) {
      readings++
      return store.contents(...asked)
    },
  })
  server = await house.serve({ faulty: counted })
})
after(() => house.close())

async function login(user: string, mailbox = 'INBOX'): Promise<WireClient> {
  const client = await WireClient.connect(server.port)
  await client.line()
  await ok(client, `LOGIN ${user}@example.test "${PASSWORD}"`)
  await ok(client, `SELECT ${mailbox}`)
  return client
}

async function ok(client: WireClient, command: string): Promise<string> {
  const lines = await client.command('t', command)
  assert.match(lines.at(-1)!, /^t OK /, command)
  return lines.slice(0, -1).join('\r\n')
}

/** The response to the message with this UID, without its sequence number. */
const fetched = async (client: WireClient, uid: number, items: string): Promise<string> =>
  (await ok(client, `UID FETCH ${uid} (${items})`)).replace(/^\* \d+ /, '')

/** All of them, fetched at once. */
async function wanted(client: WireClient, items: string): Promise<Map<number, string>> {
  const all = await ok(client, `UID FETCH 1:* (${items})`)
  return new Map(
    all
      .split(/\r\n(?=\* \d+ FETCH )/)
      .map((response) => response.replace(/^\* \d+ /, ''))
      .map((response) => [Number(/UID (\d+)/.exec(response)![1]), response]),
  )
}

const inOrder = Array.from({ length: MESSAGES }, (_, n) => n + 1)
const WAYS: [name: string, uids: readonly number[], few: boolean][] = [
  ['the oldest first', inOrder, true],
  ['the newest first', inOrder.toReversed(), true],
  ['in any order', inOrder.map((_, n) => 1 + ((n * 173) % MESSAGES)), false],
]
for (const [name, uids, few] of WAYS)
  test(`one by one, ${name}`, async () => {
    const client = await login('ann')
    for (const items of ITEMS) {
      const all = await wanted(client, items)
      assert.equal(all.size, MESSAGES)
      const before = readings
      for (const uid of uids) assert.equal(await fetched(client, uid, items), all.get(uid), `${items} of ${uid}`)
      if (few) assert.equal(readings - before, 2, `${items}: once for the first, once for all others`)
      else assert.equal(readings - before, MESSAGES)
    }
    client.destroy()
  })

test('several FETCHes for each message in turn, each kind read ahead by itself', async () => {
  const client = await login('ann')
  const kinds = ITEMS.slice(0, 3)
  const all = await Promise.all(kinds.map(async (items) => wanted(await login('ann'), items)))
  const before = readings
  for (const uid of inOrder) for (const [k, items] of kinds.entries()) assert.equal(await fetched(client, uid, items), all[k]!.get(uid))
  assert.equal(readings - before, 2 * kinds.length)
  client.destroy()
})

test('while others expunge, and with what this session expunges itself', async () => {
  const client = await login('ben')
  const other = await login('ben')
  const all = await wanted(client, ITEMS[0]!)
  const random = seeded(11)
  const gone = new Set<number>()
  const before = readings
  let fetches = 0
  for (const uid of inOrder) {
    if (gone.has(uid)) continue
    assert.equal(await fetched(client, uid, ITEMS[0]!), all.get(uid), `${uid}`)
    fetches++
    // This one, or one that is being read ahead.
    if (uid % 4 === 0) {
      const victim = random(2) === 0 ? uid : Math.min(MESSAGES, uid + 1 + random(40))
      const by = random(2) === 0 ? client : other
      await ok(by, `UID STORE ${victim} +FLAGS.SILENT (\\Deleted)`)
      await ok(by, `UID EXPUNGE ${victim}`)
      await ok(client, 'NOOP')
      gone.add(victim)
    }
  }
  assert.ok(gone.size > 50 && fetches > 250)
  assert.ok(readings - before < fetches / 2, `${readings - before} readings of ${fetches} messages`)
  client.destroy()
  other.destroy()
})

test("others' mailboxes are not read ahead: rights that were taken away count at once", async () => {
  const owner = await login('ann')
  await ok(owner, 'SETACL INBOX ben@example.test lr')
  const guest = await login('ben', 'Shared/ann@example.test/INBOX')
  const all = await wanted(owner, ITEMS[0]!)
  const before = readings
  for (const uid of [1, 2, 3, 4]) assert.equal(await fetched(guest, uid, ITEMS[0]!), all.get(uid))
  assert.equal(readings - before, 4)
  await ok(owner, 'SETACL INBOX ben@example.test l')
  // A NO, or the session has ended already.
  guest.send(`t UID FETCH 5 (${ITEMS[0]})\r\n`)
  const said: string[] = []
  for (let line = await guest.line(); line !== undefined && !line.startsWith('t '); line = await guest.line()) said.push(line)
  assert.doesNotMatch(said.join(), /BODY/)
})
