import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MailboxInfo } from '../../store/mailstore.ts'
import { ALL_RIGHTS } from '../../store/rights.ts'
import type { AccountId, MailboxId } from '../../store/types.ts'
import type { Names } from '../listing.ts'
import { byName, parentsOf } from '../mailbox-names.ts'
import { type NameChange, nameChanges } from './changes.ts'

const of = (id: number, name: string, rights?: MailboxInfo['rights']): MailboxInfo => ({
  account: 1 as AccountId,
  id: id as MailboxId,
  name,
  ...(rights !== undefined && { rights }),
})
const names = (all: readonly MailboxInfo[]): Names => ({
  mailboxes: new Map(all.map((one) => [one.name, one])),
  subscribed: new Set(),
  withChildren: parentsOf(all.map(({ name }) => name)),
})
const said = (changes: readonly NameChange[]): string[] =>
  changes.map((change) => {
    const about = change.kind === 'renamed' ? ` from ${change.was}${change.along === undefined ? '' : ` along with ${change.along}`}` : ''
    return `${change.kind} ${change.kind === 'gone' ? change.name : change.of.name}${about}`
  })

test('what became of mailboxes', () => {
  const before = names([of(1, 'INBOX'), of(2, 'a'), of(3, 'a/b'), of(4, 'a/b/c'), of(5, 'z'), of(6, 'theirs', ALL_RIGHTS), of(7, 'old')])
  assert.deepEqual(said(nameChanges(before, before)), [])
  const after = names([of(1, 'INBOX'), of(2, 'x'), of(3, 'x/b'), of(4, 'y'), of(6, 'theirs', 'l'), of(8, 'z'), of(9, 'old/new')])
  assert.deepEqual(said(nameChanges(before, after)), [
    'gone old',
    'renamed y from a/b/c',
    'renamed x from a',
    'renamed x/b from a/b along with x',
    'created z',
    'created old/new',
    'access theirs',
  ])
})

test('names that change hands', () => {
  // Another mailbox took the name at once: the name is told of, and is not gone.
  assert.deepEqual(said(nameChanges(names([of(1, 'a')]), names([of(2, 'a')]))), ['created a'])
  // One after the other, and all round.
  assert.deepEqual(said(nameChanges(names([of(1, 'a'), of(2, 'b')]), names([of(1, 'b'), of(2, 'c')]))), ['renamed c from b', 'renamed b from a'])
  assert.deepEqual(said(nameChanges(names([of(1, 'a'), of(2, 'b')]), names([of(1, 'b'), of(2, 'a')]))), ['created b', 'created a'])
  // The child takes the name of the mailbox above, which moves away.
  assert.deepEqual(said(nameChanges(names([of(1, 'a'), of(2, 'a/b')]), names([of(1, 'x'), of(2, 'a')]))), ['gone a/b', 'created x', 'created a'])
})

test('a client that takes them one by one has what there is', () => {
  let seed = 11
  const random = (n: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * n)
  }
  const name = (): string => Array.from({ length: 1 + random(3) }, () => 'abc'[random(3)]).join('/')
  let ids = 0
  let cycles = 0
  let mailboxes = new Map<string, number>()
  for (let round = 0; round < 3000; round++) {
    const before = new Map(mailboxes)
    for (let ops = 1 + random(4); ops > 0; ops--) mailboxes = act(mailboxes)
    const infos = (all: ReadonlyMap<string, number>) => names([...all].sort(([a], [b]) => byName(a, b)).map(([called, id]) => of(id, called)))
    const changes = nameChanges(infos(before), infos(mailboxes))
    if (changes.some(({ kind }) => kind === 'created') && before.size === mailboxes.size) cycles++
    assert.deepEqual(
      [...take(new Set(before.keys()), changes)].sort(),
      [...mailboxes.keys()].sort(),
      JSON.stringify([[...before], [...mailboxes], said(changes)]),
    )
  }
  assert.ok(cycles > 0)

  function act(all: Map<string, number>): Map<string, number> {
    const there = [...all.keys()]
    const one = there[random(there.length)]
    const kind = random(3)
    if (kind === 0 || one === undefined) {
      const made = name()
      for (const each of [...parentsOf([made]), made]) if (!all.has(each)) all.set(each, ++ids)
      return all
    }
    if (kind === 1) {
      if (!there.some((other) => other.startsWith(`${one}/`))) all.delete(one)
      return all
    }
    const to = name()
    if (all.has(to) || to.startsWith(`${one}/`)) return all
    for (const each of parentsOf([to])) if (!all.has(each)) all.set(each, ++ids)
    return new Map([...all].map(([called, id]) => [called === one || called.startsWith(`${one}/`) ? to + called.slice(one.length) : called, id]))
  }

  /** As RFC 5465 §5.4 has it: who gets another name takes along what is below. */
  function take(known: Set<string>, changes: readonly NameChange[]): Set<string> {
    for (const change of changes) {
      if (change.kind === 'gone') known.delete(change.name)
      else if (change.kind === 'renamed') {
        if (change.along !== undefined) continue
        const { was } = change
        known = new Set(
          [...known].map((called) => (called === was || called.startsWith(`${was}/`) ? change.of.name + called.slice(was.length) : called)),
        )
        known.add(change.of.name)
      } else known.add(change.of.name)
    }
    return known
  }
})
