import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reachOf } from '../../../test/support/reach.ts'
import { autodiscover, autodiscoverJson } from './autodiscover.ts'
import { MAX_REQUEST, readAutodiscover } from './autodiscover-request.ts'

const AT = new Date('2026-11-30T12:34:56.789Z')
const OUTLOOK = 'http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a'
const MOBILE = 'http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006'
const asks = (address: string, schema = OUTLOOK): string =>
  `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>${address}</EMailAddress><AcceptableResponseSchema>${schema}</AcceptableResponseSchema></Request></Autodiscover>`
const answer = (body: string): string => autodiscover(reachOf(), body, AT)
const code = (body: string): string | undefined => /<ErrorCode>(\d+)</.exec(answer(body))?.[1]

test('a request is read, whatever its namespaces', () => {
  const asked = { address: 'ann@example.org', schema: OUTLOOK }
  assert.deepEqual(readAutodiscover(asks('ann@example.org')), asked)
  assert.deepEqual(readAutodiscover(`\ufeff${asks(' ann@example.org\r\n')}`), asked)
  const other = `<a:Autodiscover xmlns:a='x'><!-- -->\n<a:Request><a:AcceptableResponseSchema>${OUTLOOK}</a:AcceptableResponseSchema><a:EMailAddress><![CDATA[ann]]>&#64;example.org</a:EMailAddress></a:Request></a:Autodiscover>`
  assert.deepEqual(readAutodiscover(other), asked)
  assert.deepEqual(readAutodiscover('<Autodiscover><Request/></Autodiscover>'), { address: '', schema: '' })
  assert.equal(readAutodiscover(asks('a&amp;b@example.org'))?.address, 'a&b@example.org')
  // The first counts.
  assert.equal(readAutodiscover(asks('ann@example.org</EMailAddress><EMailAddress>bob@example.org'))?.address, 'ann@example.org')
})

test('what is no request is none', () => {
  const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>${asks('&b;@example.org')}`
  const outside = `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>${asks('&a;')}`
  const wrong = [
    ...[
      '',
      ' ',
      'x',
      '<',
      '<a>',
      '<a></b>',
      '{}',
      '<Autodiscover/>',
      '<Request><EMailAddress>a@example.org</EMailAddress></Request>',
      '\0',
      '<!DOCTYPE a><a/>',
    ],
    ...[
      bomb,
      outside,
      asks('&a;'),
      asks('&nbsp;'),
      asks('<'),
      asks('a@example.org').slice(0, -3),
      `${asks('a@example.org')}<x/>`,
      `${asks('a@example.org')}x`,
    ],
    `<?xml version="1.0"?><!DOCTYPE Autodiscover SYSTEM "http://example.net/x.dtd">${asks('ann@example.org')}`,
    `<Autodiscover>${'<x>'.repeat(20)}${'</x>'.repeat(20)}<Request/></Autodiscover>`,
    `<Autodiscover>${'<x>'.repeat(5_000)}`,
    asks('a'.repeat(MAX_REQUEST)),
    '&'.repeat(10_000),
    `<a ${'b="c" '.repeat(2_000)}`,
  ]
  for (const text of wrong) assert.equal(readAutodiscover(text), undefined, text.slice(0, 80))
  assert.equal(code('<'), '600')
})

test('a request cut anywhere, or with any one character changed, throws nothing', () => {
  const text = asks('ann@example.org')
  for (let at = 0; at < text.length; at++) {
    assert.equal(readAutodiscover(text.slice(0, at)), undefined)
    for (const character of ['<', '&', '\0', '"', ']]>', '\ud800']) readAutodiscover(text.slice(0, at) + character + text.slice(at + 1))
  }
})

test('the servers, in one block each, with a user name that is the address', () => {
  const xml = answer(asks('Ann@Example.ORG'))
  const blocks = [...xml.matchAll(/<Protocol>(.*?)<\/Protocol>/gs)].map(([, block]) =>
    Object.fromEntries([...block!.matchAll(/<(\w+)>(.*?)</g)].map(([, name, value]) => [name, value])),
  )
  const all = {
    Server: 'mail.example.org',
    LoginName: 'ann@example.org',
    DomainRequired: 'off',
    SPA: 'off',
    SSL: 'on',
    Encryption: 'SSL',
    AuthRequired: 'on',
  }
  assert.deepEqual(blocks, [
    { Type: 'IMAP', Port: '993', ...all },
    { Type: 'POP3', Port: '995', ...all },
    { Type: 'SMTP', Port: '465', ...all, UsePOPAuth: 'on', SMTPLast: 'off' },
  ])
  assert.match(xml, /<AccountType>email<\/AccountType>\s*<Action>settings<\/Action>/)
})

test('STARTTLS where there is nothing else', () => {
  const xml = autodiscover(reachOf({ imaps: 993, submission: 587 }), asks('ann@example.org'), AT)
  assert.match(xml, /<Type>SMTP<\/Type>\s*<Server>mail\.example\.org<\/Server>\s*<Port>587<.*<SSL>on<.*<Encryption>TLS</s)
  assert.doesNotMatch(xml, /POP3/)
})

test('errors, in the schema of errors', () => {
  assert.equal(code(asks('ann')), '600')
  assert.equal(code(asks('')), '500')
  assert.equal(code(asks('ann@example.net')), '500')
  assert.equal(code(asks('ann@example.org', MOBILE)), '601')
  assert.equal(code(asks('ann@example.org', '')), undefined)
  const xml = answer(asks('ann@example.net'))
  assert.match(
    xml,
    /<Response>\s*<Error Time="12:34:56\.7890000" Id="\d+">\s*<ErrorCode>500<\/ErrorCode>\s*<Message>[^<]+<\/Message>\s*<DebugData \/>\s*<\/Error>/,
  )
  assert.doesNotMatch(xml, /example/)
})

test('JSON leads to the XML, and is nothing else', () => {
  const json = (email: string | null, protocol: string | null) => {
    const { status, body } = autodiscoverJson(reachOf(), { email, protocol })
    return [status, JSON.parse(body) as Record<string, string>] as const
  }
  const there = [200, { Protocol: 'AutodiscoverV1', Url: 'https://mail.example.org/autodiscover/autodiscover.xml' }]
  for (const protocol of ['AutodiscoverV1', 'Autodiscoverv1', 'autodiscoverv1'])
    for (const email of ['ann@example.org', 'nobody@example.org', '', null]) assert.deepEqual(json(email, protocol), there)
  for (const protocol of ['ActiveSync', 'EWS', 'Rest', 'Substrate', '"}', '__proto__']) {
    const [status, body] = json('ann@example.org', protocol)
    assert.deepEqual([status, body['ErrorCode'], Object.keys(body)], [400, 'InvalidProtocol', ['ErrorCode', 'ErrorMessage']], protocol)
  }
  assert.deepEqual([json('ann@example.org', '')[1]['ErrorCode'], json('ann@example.org', null)[0]], ['MandatoryParameterMissing', 400])
  for (const email of ['ann@example.net', 'ann', '<x>']) assert.equal(json(email, 'AutodiscoverV1')[0], 404)
  assert.match(autodiscoverJson(reachOf({ https: 2443 }), { email: null, protocol: 'AutodiscoverV1' }).body, /https:\/\/mail\.example\.org:2443\//)
})
