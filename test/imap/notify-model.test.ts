/**
 * A session that asked by NOTIFY for everything, and believes what it is told and what it does itself, knows in the end what there is: names, subscriptions, counters,
 * and which annotations changed; whatever others do meanwhile, however fast. RFC 5465.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parents } from '../../src/imap/mailbox-names.ts'
import { type ImapHouse, type ImapServer, imapHouse } from '../support/imap.ts'
import type { Response, Value } from '../support/imap-response.ts'
import { seeded } from '../support/random.ts'
import { StrictSession } from '../support/strict-session.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const ROUNDS = Number(process.env['ROUNDS'] ?? 6)
const ACTS = 10
/** Longer than a session waits between two looks. */
const QUIET_MS = 250
const EVENTS = 'MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange'
const ITEMS = ['MESSAGES', 'UIDNEXT', 'UNSEEN'] as const

let house: ImapHouse
let server: ImapServer
before(async () => {
  house = await imapHouse(['ann', 'ben'])
  server = await house.serve()
})
after(() => house.close())

const below = (name: string, root: string): boolean => name === root || name.startsWith(`${root}/`)

/** What a client knows of an account by what it was told. */
class Picture {
  names = new Set<string>()
  subscribed = new Set<string>()
  counters = new Map<string, string>()
  /** Entries that were told to have changed, of whatever mailbox. */
  readonly entries = new Set<string>()

  take(response: Response, session: StrictSession): void {
    const [kind, ...rest] = response.values
    if (kind === 'LIST') this.#list(rest, session)
    else if (kind === 'STATUS') this.counters.set(session.named(rest[0]), countersOf(rest[1]))
    else if (kind === 'METADATA') for (const entry of rest.slice(1)) this.entries.add(String(entry))
  }

  #list([flags, , called, extended]: readonly Value[], session: StrictSession): void {
    const name = session.named(called)
    const words = flags as readonly Value[]
    const old = extended === undefined ? undefined : session.named((pairs(extended).get('OLDNAME') as readonly Value[])[0])
    if (old !== undefined) this.rename(old, name)
    if (words.includes('\\NonExistent')) this.remove(name)
    else this.names.add(name)
    this.subscribed[words.includes('\\Subscribed') ? 'add' : 'delete'](name)
  }

  rename(from: string, to: string): void {
    const moved = (name: string): string => (below(name, from) ? to + name.slice(from.length) : name)
    // What had such a name went.
    const staying = [...this.counters].filter(([name]) => !below(name, to) || below(name, from))
    this.names = new Set([...this.names].map(moved))
    this.counters = new Map(staying.map(([name, counters]) => [moved(name), counters]))
  }

  remove(name: string): void {
    this.names.delete(name)
    this.counters.delete(name)
  }
}

function pairs(value: Value | undefined): Map<string, Value> {
  const all = value as readonly Value[]
  return new Map(Array.from({ length: all.length / 2 }, (_, i) => [String(all[2 * i]), all[2 * i + 1]!]))
}

const countersOf = (value: Value | undefined): string => {
  const found = pairs(value)
  return ITEMS.map((item) => `${item} ${found.get(item)}`).join(' ')
}

async function untilQuiet(watcher: StrictSession, hear: (responses: readonly Response[]) => void): Promise<void> {
  for (let isQuiet = false; !isQuiet; ) {
    await sleep(QUIET_MS)
    const late = await watcher.ask('NOOP')
    isQuiet = late.length === 0
    hear(late)
  }
}

test(`what NOTIFY tells is all that there is to know, seed ${SEED}`, async () => {
  const random = seeded(SEED)
  const [watcher, other] = [await StrictSession.login(server.port), await StrictSession.login(server.port)]
  const picture = new Picture()
  const hear = (responses: readonly Response[]): void => {
    for (const response of responses) picture.take(response, watcher)
  }
  const own = async (command: string): Promise<void> => hear(await watcher.ask(command))
  const all = async (): Promise<Picture> => {
    const found = new Picture()
    for (const response of await other.ask(`LIST "" * RETURN (SUBSCRIBED STATUS (${ITEMS.join(' ')}))`)) found.take(response, other)
    return found
  }
  Object.assign(picture, { names: (await all()).names, subscribed: (await all()).subscribed })
  await own(`NOTIFY SET STATUS (personal (${EVENTS}))`)

  // The truth as far as it is needed to act.
  let names = [...picture.names]
  const made = (name: string): string[] => [...new Set([...names, ...parents(name), name])]
  const fresh = (): string => Array.from({ length: 1 + random(3) }, () => 'abcd'[random(4)]).join('/')
  const some = (): string => names[random(names.length)]!
  const wanted = new Map<string, string>()
  let steps = 0

  const ACTIONS: readonly ((by: 'own' | 'other') => Promise<unknown>)[] = [
    async (by) => {
      const name = fresh()
      if (names.includes(name)) return
      await said(by, `CREATE ${name}`)
      if (by === 'own') for (const one of [...parents(name), name]) picture.names.add(one)
      names = made(name)
    },
    async (by) => {
      const [from, to] = [some(), fresh()]
      if (from === 'INBOX' || names.includes(to) || below(to, from)) return
      await said(by, `RENAME ${from} ${to}`)
      if (by === 'own') {
        picture.rename(from, to)
        for (const one of [...parents(to), to]) picture.names.add(one)
      }
      names = made(to).filter((name) => name !== to)
      names = names.map((name) => (below(name, from) ? to + name.slice(from.length) : name))
      for (const [entry, name] of wanted) if (below(name, from)) wanted.set(entry, to + name.slice(from.length))
    },
    async (by) => {
      const name = some()
      if (name === 'INBOX' || names.some((one) => one !== name && below(one, name))) return
      await said(by, `DELETE ${name}`)
      if (by === 'own') picture.remove(name)
      names = names.filter((one) => one !== name)
      for (const [entry, of] of wanted) if (of === name) wanted.delete(entry)
    },
    async (by) => {
      const [name, word] = [some(), random(2) ? 'SUBSCRIBE' : 'UNSUBSCRIBE']
      await said(by, `${word} ${name}`)
      if (by === 'own') picture.subscribed[word === 'SUBSCRIBE' ? 'add' : 'delete'](name)
    },
    async (by) => {
      const [name, entry] = [some(), `/${random(2) ? 'shared' : 'private'}/e${steps}`]
      await said(by, `SETMETADATA ${name} (${entry} "x")`)
      if (by === 'other') wanted.set(entry, name)
    },
    (by) => said(by, `APPEND ${some()} {1+}\r\nx`),
    async () => {
      const name = some()
      await other.ask(`SELECT ${name}`)
      const flag = random(2) ? '\\Seen' : '\\Deleted'
      await other.ask(`UID STORE 1:* +FLAGS.SILENT (${flag})`)
      await other.ask(random(2) ? 'CLOSE' : 'UNSELECT')
    },
  ]
  const said = (by: 'own' | 'other', command: string): Promise<unknown> => (by === 'own' ? own(command) : other.ask(command))

  for (let round = 0; round < ROUNDS; round++) {
    for (let act = 0; act < ACTS; act++) {
      steps++
      await ACTIONS[random(ACTIONS.length)]!(random(4) === 0 ? 'own' : 'other')
      if (random(6) === 0) await sleep(random(150))
      if (random(6) === 0) await own('NOOP')
    }
    await untilQuiet(watcher, hear)
    const truth = await all()
    assert.deepEqual([...picture.names].sort(), [...truth.names].sort(), `names, round ${round}`)
    assert.deepEqual(
      [...picture.subscribed].filter((name) => truth.names.has(name)).sort(),
      [...truth.subscribed].sort(),
      `subscriptions, round ${round}`,
    )
    assert.deepEqual(Object.fromEntries([...picture.counters].sort()), Object.fromEntries([...truth.counters].sort()), `counters, round ${round}`)
    assert.deepEqual(
      [...wanted.keys()].filter((entry) => !picture.entries.has(entry)),
      [],
      `entries, round ${round}`,
    )
  }
  watcher.destroy()
  other.destroy()
})

test(`so it is of mailboxes that somebody shares, and takes back: of what may be seen all, of the rest nothing, seed ${SEED}`, async () => {
  const random = seeded(SEED)
  const owner = await StrictSession.login(server.port)
  const watcher = await StrictSession.login(server.port, { user: 'ben@example.test' })
  const looker = await StrictSession.login(server.port, { user: 'ben@example.test' })
  const picture = new Picture()
  const hear = (responses: readonly Response[]): void => {
    for (const response of responses) picture.take(response, watcher)
  }
  const all = async (): Promise<Picture> => {
    const found = new Picture()
    for (const response of await looker.ask(`LIST "" Shared/* RETURN (STATUS (${ITEMS.join(' ')}))`)) found.take(response, looker)
    return found
  }
  await owner.ask('CREATE shared')
  let names = ['shared']
  const rights = new Map<string, string>()
  const wanted = new Map<string, string>()
  hear(await watcher.ask(`NOTIFY SET STATUS (subtree Shared (${EVENTS}))`))
  const fresh = (): string => `shared/${Array.from({ length: 1 + random(2) }, () => 'abcd'[random(4)]).join('/')}`
  const some = (): string => names[random(names.length)]!
  const mayRead = (name: string): boolean => rights.get(name)?.includes('lr') === true
  let steps = 0
  const ACTIONS: readonly (() => Promise<unknown>)[] = [
    async () => {
      const name = fresh()
      if (names.includes(name)) return
      await owner.ask(`CREATE ${name}`)
      // What is made has the rights of the mailbox above.
      for (const one of [...parents(name), name]) if (!names.includes(one)) rights.set(one, rights.get(one.slice(0, one.lastIndexOf('/'))) ?? '')
      names = [...new Set([...names, ...parents(name), name])]
    },
    async () => {
      const [from, to] = [some(), fresh()]
      if (from === 'shared' || below(to, from) || parents(to).some((name) => !names.includes(name)) || names.includes(to)) return
      await owner.ask(`RENAME ${from} ${to}`)
      const moved = (name: string): string => (below(name, from) ? to + name.slice(from.length) : name)
      const before = new Map(rights)
      names = names.map(moved)
      rights.clear()
      for (const [name, given] of before) rights.set(moved(name), given)
      for (const [entry, name] of wanted) wanted.set(entry, moved(name))
    },
    async () => {
      const name = some()
      if (name === 'shared' || names.some((one) => one !== name && below(one, name))) return
      await owner.ask(`DELETE ${name}`)
      names = names.filter((one) => one !== name)
      rights.delete(name)
      for (const [entry, of] of wanted) if (of === name) wanted.delete(entry)
    },
    async () => {
      const [name, given] = [some(), ['lr', 'l', 'lrswi', 'lr', ''][random(5)]!]
      await owner.ask(given === '' ? `DELETEACL ${name} ben@example.test` : `SETACL ${name} ben@example.test ${given}`)
      rights.set(name, given)
      if (!mayRead(name)) for (const [entry, of] of wanted) if (of === name) wanted.delete(entry)
    },
    async () => {
      const [name, entry] = [some(), `/${random(2) ? 'shared' : 'private'}/s${steps}`]
      await owner.ask(`SETMETADATA ${name} (${entry} "x")`)
      if (entry.startsWith('/shared') && mayRead(name)) wanted.set(entry, name)
    },
    () => owner.ask(`APPEND ${some()} {1+}\r\nx`),
  ]
  for (let round = 0; round < ROUNDS; round++) {
    for (let act = 0; act < ACTS; act++) {
      steps++
      await ACTIONS[random(ACTIONS.length)]!()
      if (random(6) === 0) await sleep(random(150))
    }
    await untilQuiet(watcher, hear)
    const truth = await all()
    assert.deepEqual([...picture.names].sort(), [...truth.names].sort(), `names, round ${round}`)
    const known = [...picture.counters].filter(([name]) => truth.counters.has(name))
    assert.deepEqual(Object.fromEntries(known.sort()), Object.fromEntries([...truth.counters].sort()), `counters, round ${round}`)
    assert.deepEqual(
      [...wanted.keys()].filter((entry) => !picture.entries.has(entry)),
      [],
      `entries, round ${round}`,
    )
    assert.deepEqual(
      [...picture.entries].filter((entry) => entry.startsWith('/private')),
      [],
    )
  }
  for (const session of [owner, watcher, looker]) session.destroy()
})
