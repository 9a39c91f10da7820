import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isUrlText, MAX_URL, parseMessageUrl } from './url.ts'

const whole = { mailbox: undefined, uidvalidity: undefined, section: '', partial: undefined, authority: undefined }

describe('URLs of messages', () => {
  const CASES: readonly [string, object][] = [
    [';UID=20', { uid: 20 }],
    ['/;UID=20', { uid: 20 }],
    [';uid=20/;section=1.2', { uid: 20, section: '1.2' }],
    ['/INBOX/;UID=4294967295', { mailbox: 'INBOX', uid: 2 ** 32 - 1 }],
    ['/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER', { mailbox: 'Drafts', uidvalidity: 385759045, uid: 20, section: 'HEADER' }],
    ['/a/b%20c/%C3%BC/;UID=1', { mailbox: 'a/b c/ü', uid: 1 }],
    ['/x/;UID=1/;SECTION=HEADER.FIELDS%20(Subject%20To)', { mailbox: 'x', uid: 1, section: 'HEADER.FIELDS (Subject To)' }],
    ['/x/;UID=1/;PARTIAL=10', { mailbox: 'x', uid: 1, partial: { from: 10, count: Number.MAX_SAFE_INTEGER } }],
    ['/x/;UID=1/;SECTION=1/;PARTIAL=0.5', { mailbox: 'x', uid: 1, section: '1', partial: { from: 0, count: 5 } }],
    ['imap://Mail.Example.test/x/;UID=1', { mailbox: 'x', uid: 1, authority: { user: undefined, host: 'mail.example.test' } }],
    ['IMAP://ann@h:993/x/;UID=1', { mailbox: 'x', uid: 1, authority: { user: 'ann', host: 'h' } }],
    ['imap://ann%40example.test;AUTH=*@h/x/;UID=1', { mailbox: 'x', uid: 1, authority: { user: 'ann@example.test', host: 'h' } }],
    ['imap://ann@example.test@h/x/;UID=1', { mailbox: 'x', uid: 1, authority: { user: 'ann@example.test', host: 'h' } }],
  ]
  for (const [url, wanted] of CASES) test(url, () => assert.deepEqual(parseMessageUrl(url), { ...whole, ...wanted }))
})

describe('no URLs of messages', () => {
  const BAD = [
    '',
    '/',
    '/INBOX',
    '/INBOX;UID=1',
    'INBOX/UID=1',
    ';UID=0',
    ';UID=01',
    ';UID=4294967296',
    ';UID=-1',
    ';UID=',
    ';UID=1;URLAUTH=anonymous:internal:00',
    ';UID=1/;URLAUTH=x',
    ';UID=1/;UID=2',
    ';UID=1/;PARTIAL=1/;SECTION=1',
    ';UID=1/;SECTION=',
    ';UID=1/;SECTION=%',
    ';UID=1/;PARTIAL=a',
    ';UID=1/;PARTIAL=1.',
    ';UID=1/more',
    '/x;UIDVALIDITY=0/;UID=1',
    '/x;UIDVALIDITY=/;UID=1',
    '/x;FOO=1/;UID=1',
    '/x;UIDVALIDITY=1;UIDVALIDITY=1/;UID=1',
    '/%FF/;UID=1',
    'http://h/x/;UID=1',
    'imaps://h/x/;UID=1',
    '//h/x/;UID=1',
    'imap://h',
    'imap:///x/;UID=1',
    '/ü/;UID=1',
    '/a b/;UID=1',
    '/x]/;UID=1',
    '/x/;UID=1\r\n',
    `/${'x'.repeat(MAX_URL)}/;UID=1`,
  ]
  for (const url of BAD) test(JSON.stringify(url.slice(0, 60)), () => assert.equal(parseMessageUrl(url), undefined))

  test('what a response code repeats', () => {
    for (const text of ['', ']', 'a"b', 'a b', 'ü', '\r', 'x'.repeat(MAX_URL + 1)]) assert.equal(isUrlText(text), false, text.slice(0, 9))
    assert.ok(isUrlText("/a-z;UIDVALIDITY=1/;UID=1?#%41!$&'()*+,"))
  })

  test('hostile ones take no time', () => {
    const before = performance.now()
    for (const piece of ['/;', ';uid=', '%', '@', '/;uid=1', ';', '/'])
      for (const head of ['', 'imap://', '/x/;UID=1']) parseMessageUrl((head + piece.repeat(MAX_URL)).slice(0, MAX_URL))
    assert.ok(performance.now() - before < 1000)
  })
})
