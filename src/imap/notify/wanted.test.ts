import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MailboxInfo } from '../../store/mailstore.ts'
import { ALL_RIGHTS } from '../../store/rights.ts'
import type { AccountId, MailboxId } from '../../store/types.ts'
import type { Names } from '../listing.ts'
import { parentsOf } from '../mailbox-names.ts'
import { type NameChange, nameChanges } from './changes.ts'
import type { Event, EventGroup } from './groups.ts'
import { Wanted } from './wanted.ts'

const group = (filter: EventGroup['filter'], names: readonly string[], ...events: readonly Event[]): EventGroup => ({
  filter,
  names,
  events: new Set(events),
  items: [],
  unknown: false,
})
const of = (id: number, name: string, rights?: MailboxInfo['rights']): MailboxInfo => ({
  account: 1 as AccountId,
  id: id as MailboxId,
  name,
  ...(rights !== undefined && { rights }),
})
function names(all: readonly MailboxInfo[], subscribed: readonly string[] = []): Names {
  return {
    mailboxes: new Map(all.map((one) => [one.name, one])),
    subscribed: new Set(subscribed),
    withChildren: parentsOf(all.map(({ name }) => name)),
  }
}

test('RFC 5465 §6: what several groups ask of a mailbox adds up', () => {
  const wanted = new Wanted([group('MAILBOXES', ['INBOX'], 'MessageNew', 'MessageExpunge'), group('PERSONAL', [], 'SubscriptionChange')])
  const none = names([])
  assert.equal(wanted.has('MessageNew', 'INBOX', none), true)
  assert.equal(wanted.has('SubscriptionChange', 'INBOX', none), true)
  assert.equal(wanted.has('MessageNew', 'Other', none), false)
  assert.equal(wanted.has('FlagChange', 'INBOX', none), false)
})

test('filters, and NONE for what stands behind it', () => {
  const known = names([], ['sub', 'Shared/ann@example.test/x'])
  for (const [asked, name, is] of [
    [[group('PERSONAL', [], 'MailboxName')], 'a', true],
    [[group('PERSONAL', [], 'MailboxName')], 'Shared/ann@example.test/x', false],
    [[group('PERSONAL', [], 'MailboxName')], 'Shared/ann@example.test', false],
    [[group('PERSONAL', [], 'MailboxName')], 'Sharedness', true],
    [[group('SUBSCRIBED', [], 'MailboxName')], 'Shared/ann@example.test/x', true],
    [[group('SUBSCRIBED', [], 'MailboxName')], 'a', false],
    [[group('INBOXES', [], 'MailboxName')], 'INBOX', true],
    [[group('INBOXES', [], 'MailboxName')], 'INBOX/a', false],
    [[group('SUBTREE', ['a/b'], 'MailboxName')], 'a/b', true],
    [[group('SUBTREE', ['a/b'], 'MailboxName')], 'a/b/c/d', true],
    [[group('SUBTREE', ['a/b'], 'MailboxName')], 'a/bc', false],
    [[group('SUBTREE', ['a/b'], 'MailboxName')], 'a', false],
    [[group('MAILBOXES', ['a*', 'a%'], 'MailboxName')], 'ab', false],
    [[group('MAILBOXES', ['a*', 'a%'], 'MailboxName')], 'a*', true],
    [[group('SELECTED', [], 'MessageNew')], 'a', false],
    [[group('MAILBOXES', ['a']), group('PERSONAL', [], 'MailboxName')], 'a', false],
    [[group('MAILBOXES', ['a']), group('PERSONAL', [], 'MailboxName')], 'b', true],
    [[group('PERSONAL', [], 'MailboxName'), group('MAILBOXES', ['a'])], 'a', true],
  ] as const)
    assert.equal(new Wanted(asked).has('MailboxName', name, known), is, `${JSON.stringify(asked)} ${name}`)
  assert.equal(new Wanted([group('INBOXES', [], 'ServerMetadataChange')]).server, true)
  assert.equal(new Wanted([group('INBOXES', [], 'MailboxMetadataChange')]).server, false)
})

test('what became of mailboxes', () => {
  const said = (changes: readonly NameChange[]): string[] =>
    changes.map((change) => {
      const about = change.kind === 'renamed' ? ` from ${change.was}${change.along === undefined ? '' : ` along with ${change.along}`}` : ''
      return `${change.kind} ${change.kind === 'gone' ? change.name : change.of.name}${about}`
    })
  const before = names([of(1, 'INBOX'), of(2, 'a'), of(3, 'a/b'), of(4, 'a/b/c'), of(5, 'z'), of(6, 'theirs', ALL_RIGHTS), of(7, 'old')])
  assert.deepEqual(said(nameChanges(before, before)), [])
  const after = names([
    of(1, 'INBOX'),
    of(2, 'x'),
    of(3, 'x/b'),
    of(4, 'y'),
    of(6, 'theirs', 'l' as MailboxInfo['rights']),
    of(8, 'z'),
    of(9, 'old/new'),
  ])
  assert.deepEqual(said(nameChanges(before, after)), [
    'renamed x from a',
    'renamed x/b from a/b along with x',
    'renamed y from a/b/c',
    'access theirs',
    'created z',
    'created old/new',
    'gone old',
  ])
  // Another mailbox took the name at once: the name is told of, and is not gone.
  assert.deepEqual(said(nameChanges(names([of(1, 'a')]), names([of(2, 'a')]))), ['created a'])
  assert.deepEqual(said(nameChanges(names([of(1, 'a'), of(2, 'b')]), names([of(1, 'b'), of(2, 'a')]))), ['renamed b from a', 'renamed a from b'])
})
