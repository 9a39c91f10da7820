import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Names } from '../listing.ts'
import type { Event, EventGroup } from './groups.ts'
import { Wanted } from './wanted.ts'

const group = (filter: EventGroup['filter'], names: readonly string[], ...events: readonly Event[]): EventGroup => ({
  filter,
  names,
  events: new Set(events),
  items: [],
  unknown: false,
})
const names = (subscribed: readonly string[]): Names => ({ mailboxes: new Map(), subscribed: new Set(subscribed), withChildren: new Set() })

test('RFC 5465 §6: what several groups ask of a mailbox adds up', () => {
  const wanted = new Wanted([group('MAILBOXES', ['INBOX'], 'MessageNew', 'MessageExpunge'), group('PERSONAL', [], 'SubscriptionChange')])
  const none = names([])
  assert.equal(wanted.has('MessageNew', 'INBOX', none), true)
  assert.equal(wanted.has('SubscriptionChange', 'INBOX', none), true)
  assert.equal(wanted.has('MessageNew', 'Other', none), false)
  assert.equal(wanted.has('FlagChange', 'INBOX', none), false)
})

test('filters, and NONE for what stands behind it', () => {
  const known = names(['sub', 'Shared/ann@example.test/x'])
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
