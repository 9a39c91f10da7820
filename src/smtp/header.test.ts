import assert from 'node:assert/strict'
import test from 'node:test'
import { blockEnd, checkHeader, checkSyntax, HeaderGate, sendersOf } from './header.ts'
import { Reply } from './reply.ts'

const LIMITS = { headerLines: 10, headerField: 100, hops: 3 }

for (const [message, end] of [
  ['a: b\r\n\r\nbody\r\n\r\n', 8],
  ['\r\nbody', 2],
  ['\r\n', 2],
  ['a: b\r\n\r\n', 8],
  ['a: b\r\r\n\r\nbody', 9],
  ['\n\r\nbody', undefined],
  ['a: b\r\nno end', undefined],
  ['', undefined],
] as const) {
  test(`the header of ${JSON.stringify(message)}, cut everywhere`, () => {
    const whole = Buffer.from(message)
    for (let i = 0; i <= whole.length; i++) {
      const gate = new HeaderGate(1_000)
      const first = gate.push(Buffer.from(whole.subarray(0, i)))
      assert.equal(first, end !== undefined && i >= end, `cut at ${i}`)
      if (!first) assert.equal(gate.push(Buffer.from(whole.subarray(i))), end !== undefined, `cut at ${i}`)
      const start = gate.take()
      assert.ok(whole.subarray(0, start.length).equals(start))
      if (first || end !== undefined) assert.equal(blockEnd(start), end)
    }
    assert.equal(blockEnd(whole), end ?? whole.length)
  })
}

test('a header that does not end', () => {
  const gate = new HeaderGate(100)
  gate.push(Buffer.alloc(100, 'a'))
  assert.throws(() => gate.push(Buffer.from('a')), { responseCode: 552 })
  assert.ok(new HeaderGate(4).push(Buffer.from(`\r\n${'x'.repeat(50)}`)))
})

test('what a header has', () => {
  const facts = (block: string) => checkHeader(Buffer.from(block), LIMITS)
  assert.deepEqual(facts('Date: x\r\nMESSAGE-ID : <y>\r\n\r\n'), { hasDate: true, hasMessageId: true, tlsOptional: false })
  assert.deepEqual(facts('X-Date: x\r\n\r\n'), { hasDate: false, hasMessageId: false, tlsOptional: false })
  for (const no of ['TLS-Required: No\r\n', 'tls-required:no\r\n', 'TLS-Required:\r\n NO \r\n']) assert.ok(facts(`${no}\r\n`).tlsOptional, no)
  for (const other of [
    'TLS-Required: Yes\r\n',
    'TLS-Required:\r\n',
    'TLS-Required: No\r\nTLS-Required: No\r\n',
    'X-TLS-Required: No\r\n',
    'TLS-Required: No, no\r\n',
  ])
    assert.ok(!facts(`${other}\r\n`).tlsOptional, other)
  assert.throws(() => facts('received: x\r\n'.repeat(4)), { responseCode: 554 })
  assert.throws(() => facts('a: b\r\n'.repeat(11)), { responseCode: 552 })
  assert.throws(() => facts(`a: ${'b'.repeat(60)}\r\n ${'c'.repeat(60)}\r\n`), { responseCode: 552 })
})

test('syntax of what is submitted', () => {
  for (const block of ['a: b\r\n\r\n', 'a: b\r\n c\r\n\td\r\n\r\n', 'a : b\r\n', 'a:\r\n', '\r\n', '']) checkSyntax(Buffer.from(block))
  for (const block of [' a: b\r\n', 'a\r\n', ': b\r\n', 'a b: c\r\n', 'a: b\0\r\n', 'a: b\r\nc\r\n', '\xe4: b\r\n']) {
    assert.throws(() => checkSyntax(Buffer.from(block, 'latin1')), Reply, JSON.stringify(block))
  }
})

test('senders', () => {
  for (const [block, senders] of [
    ['From: Ann <Ann@Example.ORG>\r\n\r\n', ['ann@example.org']],
    ['From: a@b.example,\r\n c@d.example\r\n', ['a@b.example', 'c@d.example']],
    ['From: "a, b" <c@d.example>\r\n', ['c@d.example']],
    ['From: Jürgen <jürgen@bücher.example>\r\n', ['jürgen@xn--bcher-kva.example']],
    ['From: a@b.example (c@d.example)\r\n', ['a@b.example']],
    // Whoever signs it signs for its author.
    ['Sender: c@d.example\r\nFrom: a@b.example\r\n', ['a@b.example', 'c@d.example']],
    ['From: a@b.example, A@B.example\r\nSender: c@d.example\r\n', ['a@b.example', 'c@d.example']],
  ] as const) {
    assert.deepEqual([...sendersOf(Buffer.from(block))], senders)
  }
  for (const block of [
    '',
    'From:\r\n',
    'From: a\r\n',
    'From: g:;\r\n',
    'From: g: a@b.example;\r\n',
    'From: a@b.example\r\nfrom: a@b.example\r\n',
    'From: "a@b.example\r\n',
    'From: a@\r\n',
  ]) {
    assert.throws(() => sendersOf(Buffer.from(block)), { responseCode: 550 }, JSON.stringify(block))
  }
})

test('more senders than anybody has', () => {
  const many = (n: number) => Buffer.from(`From: ${Array.from({ length: n }, (_, i) => `a${i}@b.example`).join(', ')}\r\n`)
  assert.equal(sendersOf(many(20)).size, 20)
  assert.throws(() => sendersOf(many(21)), { responseCode: 550 })
  assert.throws(() => sendersOf(many(3_000)), { responseCode: 550 })
  const repeated = Buffer.from(`From: ${'a@b.example, '.repeat(2_000)}victim@b.example\r\n`)
  assert.throws(() => sendersOf(repeated), { responseCode: 550 })
})
