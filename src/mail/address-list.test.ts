import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countAddresses, type Group, MAX_ADDRESSES, type Mailbox, mailboxesOf, parseAddressList } from './address-list.ts'

/** `name|route|local|domain`, a group as `name{member;member}`. */
const show = (list: readonly (Mailbox | Group)[]): string[] =>
  list.map((x) => (x.kind === 'group' ? `${x.name}{${show(x.members).join(';')}}` : [x.name ?? '', x.route ?? '', x.local, x.domain].join('|')))

const cases: [string, string[]][] = [
  ['', []],
  [' ,, ,', []],
  ['ann@example.org', ['||ann|example.org']],
  ['<ann@example.org>', ['||ann|example.org']],
  ['Ann Smith <ann@example.org>', ['Ann Smith||ann|example.org']],
  ['"Smith, Ann" <ann@example.org>, bob@example.org', ['Smith, Ann||ann|example.org', '||bob|example.org']],
  ['"Ann \\"A\\" Smith" <ann@example.org>', ['Ann "A" Smith||ann|example.org']],
  ['Ann Q. Smith <ann@example.org>', ['Ann Q. Smith||ann|example.org']],
  ['ann@example.org (Ann Smith)', ['Ann Smith||ann|example.org']],
  ['ann@example.org (Ann (the boss) Smith)', ['Ann (the boss) Smith||ann|example.org']],
  ['(x) Ann (y) <ann@(z)example.org(w)> (v)', ['Ann||ann|example.org']],
  ['=?utf-8?q?J=C3=BCrgen?= <j@example.org>', ['=?utf-8?q?J=C3=BCrgen?=||j|example.org']],
  ['J\xc3\xa0 <j@example.org>', ['J\xc3\xa0||j|example.org']],
  ['j@example.org (J\xc3\xa0)', ['J\xc3\xa0||j|example.org']],
  ['用户 <用户@例子.公司>', ['用户||用户|例子.公司']],
  ['"a@evil x"@good.example', ['||a@evil x|good.example']],
  ['"a@evil.example,"@good.example', ['||a@evil.example,|good.example']],
  ['"john..doe"@example.org', ['||john..doe|example.org']],
  ['john . doe @ example . org', ['||john.doe|example.org']],
  ['"john" . doe@example.org', ['||john.doe|example.org']],
  ['boss ann@example.org', ['||boss ann|example.org']],
  ['<boss ann@example.org>', ['||boss ann|example.org']],
  ['a@b@c', ['||a|b@c']],
  ['<a@b@c>', ['||a|b@c']],
  ['ann@example.org <bob@example.org>', ['ann@example.org||bob|example.org']],
  ['<ann@a> <bob@b>', ['||ann|a', '||bob|b']],
  ['<<ann@example.org>>', ['||ann|example.org']],
  ['<@a,@b:ann@example.org>', ['|@a,@b|ann|example.org']],
  ['Ann <@a.example : ann@example.org>', ['Ann|@a.example|ann|example.org']],
  ['<@example.org>', []],
  ['Ann <>', ['Ann|||']],
  ['<>', []],
  ['root', ['||root|']],
  ['Ann Smith', ['||Ann Smith|']],
  ['Smith, Ann <ann@example.org>', ['||Smith|', 'Ann||ann|example.org']],
  ['a@b; c@d', ['||a|b', '||c|d']],
  ['a@[127.0.0.1], b@[IPv6:::1]', ['||a|[127.0.0.1]', '||b|[IPv6:::1]']],
  ['Ann [work] <a@b>', ['Ann [work]||a|b']],
  ['undisclosed-recipients:;', ['undisclosed-recipients{}']],
  ['undisclosed recipients : ;, a@b', ['undisclosed recipients{}', '||a|b']],
  [
    'A Group:Ed Jones <joe@where.test>,joe@where.test,John <jdoe@one.test>;',
    ['A Group{Ed Jones||joe|where.test;||joe|where.test;John||jdoe|one.test}'],
  ],
  ['g1: a@b, g2: c@d; , e@f', ['g1{||a|b;||c|d}', '||e|f']],
  ['g: a@b', ['g{||a|b}']],
  [':;', ['{}']],
  ['"unterminated', ['||unterminated|']],
  ['(unterminated', []],
  ['a@b (unterminated', ['unterminated||a|b']],
  ['<unterminated@b', ['||unterminated|b']],
  ['<a@b, c@d', ['||a|b', '||c|d']],
  ['a@[unterminated', ['||a|[unterminated']],
  ['"a\\', ['||a\\|']],
  ['> a@b', ['||> a|b']],
  ['@', []],
  ['Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>', ['Pete||pete|silly.test']],
  ['__proto__ <constructor@toString>', ['__proto__||constructor|toString']],
]
for (const [text, expected] of cases)
  test(`addresses ${JSON.stringify(text).slice(0, 60)}`, () => assert.deepEqual(show(parseAddressList(text)), expected))

test('every text cut anywhere parses', () => {
  for (const [text] of cases) for (let i = 0; i <= text.length; i++) parseAddressList(text.slice(0, i))
})

test('the number of addresses is bounded', () => {
  assert.equal(parseAddressList('a@b,'.repeat(5000)).length, MAX_ADDRESSES)
  assert.equal(parseAddressList('a@b,'.repeat(50), 7).length, 7)
  const groups = parseAddressList('g:a@b,c@d;,'.repeat(5000))
  assert.equal(countAddresses(groups), MAX_ADDRESSES)
  assert.equal(mailboxesOf(groups).length, 666)
})

/** Time must grow as the text does; the floor keeps the noise of a busy machine out. */
function linear(name: string, make: (n: number) => string): void {
  test(`linear: ${name}`, () => {
    const time = (n: number) => {
      const text = make(n)
      const from = performance.now()
      assert.ok(countAddresses(parseAddressList(text)) <= MAX_ADDRESSES + 1)
      return performance.now() - from
    }
    time(1000)
    const small = time(25_000)
    assert.ok(time(100_000) < Math.max(12 * small, 200), name)
  })
}
linear('nested groups', (n) => 'g:'.repeat(n))
linear('comments', (n) => '('.repeat(n))
linear('comments one by one', (n) => '()'.repeat(n))
linear('quotes', (n) => '"'.repeat(n))
linear('words', (n) => 'a '.repeat(n))
linear('dots', (n) => '. '.repeat(n))
linear('angles', (n) => '<'.repeat(n))
linear('angles closed', (n) => '<>'.repeat(n))
linear('routes', (n) => '<@'.repeat(n))
linear('ats', (n) => '@'.repeat(n))
linear('ats in an angle', (n) => `<${'@a'.repeat(n)}`)
linear('brackets', (n) => 'a@['.repeat(n))
linear('backslashes', (n) => `"${'\\'.repeat(n)}`)
linear('domain in pieces', (n) => `a@${'a . '.repeat(n)}`)
