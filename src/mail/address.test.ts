import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonical, canonicalDomain, domainOf, formatAddrSpec, parseAddrSpec, withoutTag } from './address.ts'

const canonicals: [string, string | undefined][] = [
  ['ann@example.org', 'ann@example.org'],
  ['Ann@EXAMPLE.org', 'ann@example.org'],
  ['ann+tag@example.org', 'ann+tag@example.org'],
  ['ann@Bücher.Example', 'ann@xn--bcher-kva.example'],
  ['ann@xn--BCHER-kva.example', 'ann@xn--bcher-kva.example'],
  ['Jürgen@example.org', 'jürgen@example.org'],
  ['Ju\u0308rgen@example.org', 'jürgen@example.org'],
  ['用户@例子.公司', '用户@xn--fsqu00a.xn--55qx5d'],
  ['İ@example.org', 'i̇@example.org'],
  ['"ann"@example.org', 'ann@example.org'],
  ['"a\\nn"@example.org', 'ann@example.org'],
  ['"ann smith"@example.org', '"ann smith"@example.org'],
  ['"a@evil x"@good.example', '"a@evil x"@good.example'],
  ['"a\\"b\\\\c"@example.org', '"a\\"b\\\\c"@example.org'],
  ['a..b@example.org', '"a..b"@example.org'],
  ['.a@example.org', '".a"@example.org'],
  ["!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"],
  ['ann@[127.0.0.1]', 'ann@[127.0.0.1]'],
  ['ann@[IPv6:2001:DB8::1]', 'ann@[ipv6:2001:db8::1]'],
  ['postmaster@localhost', 'postmaster@localhost'],
  ['__proto__@example.org', '__proto__@example.org'],
  ['', undefined],
  ['ann', undefined],
  ['@example.org', undefined],
  ['ann@', undefined],
  ['""@example.org', undefined],
  ['a@b@example.org', undefined],
  ['ann smith@example.org', undefined],
  ['<ann@example.org>', undefined],
  ['ann@example.org ', undefined],
  ['ann@example.org>', undefined],
  ['ann,bob@example.org', undefined],
  ['"ann"x@example.org', undefined],
  ['"ann@example.org', undefined],
  ['"ann\\"@example.org', undefined],
  ['an\u0000n@example.org', undefined],
  ['"an\r\nn"@example.org', undefined],
  ['"an\tn"@example.org', undefined],
  ['ann\u0085@example.org', undefined],
  ['ann\u200b@example.org', undefined],
  ['ann\u00a0@example.org', undefined],
  ['ann\u202e@example.org', undefined],
  ['ann\ud800@example.org', undefined],
  ['ann@exam ple.org', undefined],
  ['ann@example..org', undefined],
  ['ann@example.org.', undefined],
  ['ann@-example.org', undefined],
  ['ann@127.0.0.1', undefined],
  ['ann@0x7f.1', undefined],
  ['ann@é.org/x', undefined],
  ['ann@é%2eorg', undefined],
  ['ann@é.org#', undefined],
  ['ann@é\n.org', undefined],
  ['ann@é\u200b.org', undefined],
  ['ann@[127.0.0.1', undefined],
  ['ann@[a]b', undefined],
  [`${'a'.repeat(129)}@example.org`, undefined],
  [`ann@${'a'.repeat(64)}.org`, undefined],
  [`ann@${'a.'.repeat(130)}org`, undefined],
  [`ann@${'é'.repeat(100_000)}`, undefined],
]
for (const [address, expected] of canonicals) {
  test(`canonical ${JSON.stringify(address).slice(0, 50)}`, () => {
    assert.equal(canonical(address), expected)
    if (expected !== undefined) assert.equal(canonical(expected), expected)
  })
}

test('what is canonical parses into what it was made of', () => {
  for (const local of ['a', 'a b', 'a"b', 'a\\', '@', 'a@b', '+', '.', 'ü', '>', '<a>', ',', '(a)']) {
    const address = formatAddrSpec({ local, domain: 'example.org' })
    assert.deepEqual(parseAddrSpec(address), { local, domain: 'example.org' })
    assert.equal(canonical(address), address)
    assert.equal(domainOf(address), 'example.org')
  }
})

test('tags', () => {
  for (const [address, plain] of [
    ['ann+tag@example.org', 'ann@example.org'],
    ['ann+a+b@example.org', 'ann@example.org'],
    ['+tag@example.org', '+tag@example.org'],
    ['ann@example.org', 'ann@example.org'],
    ['"ann smith+tag"@example.org', '"ann smith"@example.org'],
    ['"ann+x y"@example.org', 'ann@example.org'],
    ['ann@exam+ple', 'ann@exam+ple'],
    ['', ''],
  ] as const)
    assert.equal(withoutTag(address), plain)
})

test('domains', () => {
  for (const [address, domain] of [
    ['a@b.c', 'b.c'],
    ['"x@y"@b.c', 'b.c'],
    ['a', ''],
    ['a@', ''],
  ] as const)
    assert.equal(domainOf(address), domain)
  for (const [name, domain] of [
    ['MÜNCHEN.de', 'xn--mnchen-3ya.de'],
    ['_dmarc.example', '_dmarc.example'],
    ['', undefined],
    ['a b', undefined],
    ['faß.de', 'xn--fa-hia.de'],
  ] as const)
    assert.equal(canonicalDomain(name), domain)
})
