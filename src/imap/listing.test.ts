import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MailboxInfo } from '../store/mailstore.ts'
import type { AccountId, MailboxId, SpecialUse } from '../store/types.ts'
import { type Names, select } from './listing.ts'
import { matcher, parentsOf } from './mailbox-names.ts'
import type { ListSelection } from './tables.ts'

function tree(mailboxes: readonly (string | readonly [string, SpecialUse])[], subscribed: readonly string[] = []): Names {
  const infos = mailboxes.map((one, i): [string, MailboxInfo] => {
    const [name, specialUse] = typeof one === 'string' ? [one] : one
    return [name, { account: 1 as AccountId, id: (i + 1) as MailboxId, name, specialUse }]
  })
  const all = new Map(infos)
  return { mailboxes: all, subscribed: new Set(subscribed), withChildren: parentsOf(all.keys()) }
}

/** Names, with `?` where there is no mailbox and `+` where CHILDINFO is said. */
async function listed(names: Names, selection: ListSelection, ...patterns: string[]): Promise<string[]> {
  const matchers = patterns.map(matcher)
  const found = await select(names, selection, (name) => matchers.some((matches) => matches(name)))
  return found.map(({ name, mailbox, childInfo }) => `${name}${mailbox ? '' : '?'}${childInfo ? '+' : ''}`)
}

describe('which names a LIST says', () => {
  const fruit = tree(
    ['INBOX', 'Fruit', 'Fruit/Apple', ['Trash', '\\Trash'], 'Far/off/away', ['Far/off/sent', '\\Sent']],
    ['INBOX', 'Fruit/Apple', 'Gone/for/good'],
  )
  const cases: [ListSelection, string[], string[]][] = [
    [{}, ['%'], ['INBOX', 'Far?', 'Fruit', 'Trash']],
    [{}, ['Far*'], ['Far?', 'Far/off?', 'Far/off/away', 'Far/off/sent']],
    [{}, ['Far/off'], ['Far/off?']],
    [{ subscribed: true }, ['*'], ['INBOX', 'Fruit/Apple', 'Gone/for/good?']],
    [{ subscribed: true }, ['%'], ['INBOX']],
    [{ subscribed: true, recursive: true }, ['%'], ['INBOX', 'Fruit+', 'Gone?+']],
    [{ subscribed: true, recursive: true }, ['*'], ['INBOX', 'Fruit/Apple', 'Gone/for/good?']],
    [{ subscribed: true, recursive: true }, ['Gone', 'Gone/%'], ['Gone?+', 'Gone/for?+']],
    [{ subscribed: true, recursive: true }, ['%/%'], ['Fruit/Apple', 'Gone/for?+']],
    [{ specialUse: true }, ['*'], ['Far/off/sent', 'Trash']],
    [{ specialUse: true, recursive: true }, ['%'], ['Far?+', 'Trash']],
    [{ specialUse: true, subscribed: true }, ['*'], []],
    [{ specialUse: true, subscribed: true, recursive: true }, ['*'], []],
    [{}, ['x'], []],
    [{}, [], []],
  ]
  for (const [selection, patterns, expected] of cases)
    test(`${JSON.stringify(selection)} ${patterns.join(' ')}`, async () => assert.deepEqual(await listed(fruit, selection, ...patterns), expected))
})

test('RECURSIVEMATCH: whoever draws the tree of what is said misses no branch with something selected', async () => {
  // A small generator of its own: the same trees each time.
  let seed = 7
  const chance = (n: number): number => (seed = (seed * 48_271) % 0x7fffffff) % n
  const level = (): string => 'abc'[chance(3)]!
  const name = (): string => Array.from({ length: 1 + chance(4) }, level).join('/')
  for (let round = 0; round < 300; round++) {
    const subscribed = Array.from({ length: chance(6) }, name)
    const names = tree([...new Set(Array.from({ length: chance(8) }, name))], subscribed)
    const pattern = ['%', '*', 'a%', '*b', '%/%', 'a/*', '%/b'][chance(7)]!
    const matches = matcher(pattern)
    const found = await select(names, { subscribed: true, recursive: true }, matches)
    for (const one of found) {
      const below = subscribed.filter((other) => other.startsWith(`${one.name}/`))
      assert.ok(matches(one.name))
      assert.equal(one.childInfo, below.length > 0)
      assert.ok(subscribed.includes(one.name) || below.some((other) => !matches(other)), `${one.name} is said for nothing`)
    }
    const said = new Set(found.map((one) => one.name))
    for (const other of subscribed) {
      if (matches(other)) assert.ok(said.has(other))
      else for (const parent of parentsOf([other])) if (matches(parent)) assert.ok(said.has(parent), `${parent} is missing for ${other}`)
    }
  }
})
