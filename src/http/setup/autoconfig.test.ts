import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL_PORTS, reachOf } from '../../../test/support/reach.ts'
import { autoconfig } from './autoconfig.ts'

const servers = (xml: string | undefined): string[] =>
  [
    ...(xml ?? '').matchAll(/<(?:incoming|outgoing)Server type="(\w+)">\s*<hostname>(.*?)<\/hostname>\s*<port>(\d+)<\/port>\s*<socketType>(\w+)</g),
  ].map(([, type, host, port, socket]) => `${type} ${host} ${port} ${socket}`)

test('IMAP before POP3, TLS from the first octet before STARTTLS', () => {
  assert.deepEqual(servers(autoconfig(reachOf(), 'example.org')), [
    'imap mail.example.org 993 SSL',
    'pop3 mail.example.org 995 SSL',
    'pop3 mail.example.org 110 STARTTLS',
    'smtp mail.example.org 465 SSL',
    'smtp mail.example.org 587 STARTTLS',
  ])
})

test('only what is open, on the port it is open on', () => {
  assert.deepEqual(servers(autoconfig(reachOf({ imaps: 2993, submission: 2587 }), 'example.org')), [
    'imap mail.example.org 2993 SSL',
    'smtp mail.example.org 2587 STARTTLS',
  ])
  assert.equal(autoconfig(reachOf({ mx: 25, submission: 587, https: 443 }), 'example.org'), undefined)
})

test('whose configuration it is', () => {
  const domain = (asked: string, address?: string) => /<domain>(.*?)</.exec(autoconfig(reachOf(), asked, address) ?? '')?.[1]
  assert.equal(domain('example.org'), 'example.org')
  assert.equal(domain('EXAMPLE.ORG'), 'example.org')
  assert.equal(domain('Bücher.example'), 'xn--bcher-kva.example')
  assert.equal(domain('example.net'), undefined)
  assert.equal(domain(''), undefined)
  // Whoever looks by MX records asks the host's domain about an address of another.
  assert.equal(domain('example.org', 'ann@xn--bcher-kva.example'), 'xn--bcher-kva.example')
  assert.equal(domain('example.net', 'ann@example.org'), 'example.org')
  assert.equal(domain('example.org', 'ann@example.net'), undefined)
  for (const none of ['', '%EMAILADDRESS%', 'ann', '@', `${'x'.repeat(9_999)}@example.org`]) assert.equal(domain('example.org', none), 'example.org')
})

test('an answer does not depend on who asks, and names no other domain', () => {
  const xml = autoconfig(reachOf(), 'example.org')
  assert.equal(autoconfig(reachOf(), 'example.org', 'ann@example.org'), xml)
  assert.equal(autoconfig(reachOf(), 'example.org', 'nobody@example.org'), xml)
  assert.doesNotMatch(xml!, /bcher/)
})

test('POP3 leaves on the server what the program leaves there, for no number of days', () => {
  const xml = autoconfig(reachOf(), 'example.org')!
  assert.equal(xml.match(/<pop3>\s*<leaveMessagesOnServer>true<\/leaveMessagesOnServer>\s*<\/pop3>/g)?.length, 2)
  assert.doesNotMatch(xml, /days/i)
})

test('names keep to their lengths', () => {
  const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.example`
  const xml = autoconfig(reachOf(ALL_PORTS, [long]), long)!
  assert.equal([.../<displayName>(.*?)</.exec(xml)![1]!].length, 60)
  assert.equal([.../<displayShortName>(.*?)</.exec(xml)![1]!].length, 20)
  assert.match(autoconfig(reachOf(), 'xn--bcher-kva.example')!, /<displayName>bücher\.example</)
})
