import assert from 'node:assert/strict'
import test from 'node:test'
import { needsUtf8, type PathRules, parsePathCommand, type Verb } from './path.ts'
import { Reply } from './reply.ts'

const strict: PathRules = { spaceBeforePath: false, parameters: new Set(['SIZE', 'BODY', 'SMTPUTF8']) }
const lenient: PathRules = { ...strict, spaceBeforePath: true }

function read(line: string, verb: Verb, rules: PathRules): string {
  try {
    const { address, parameters } = parsePathCommand(Buffer.from(line), verb, rules)
    return [`<${address}>`, ...Array.from(parameters, ([name, value]) => (value === true ? name : `${name}=${value}`))].join(' ')
  } catch (err) {
    assert.ok(err instanceof Reply, String(err))
    return err.line.slice(0, 9)
  }
}

for (const [line, result] of [
  ['MAIL FROM:<a@b.example>', '<a@b.example>'],
  ['mail from:<a@b.example>', '<a@b.example>'],
  ['MAIL FROM:<>', '<>'],
  ['MAIL FROM:<A@B.Example>', '<A@b.example>'],
  ['MAIL FROM:<a@b.example> ', '<a@b.example>'],
  ['MAIL FROM:<a@b.example> SIZE=10 body=8bitmime  SMTPUTF8', '<a@b.example> SIZE=10 BODY=8bitmime SMTPUTF8'],
  ['MAIL FROM:<"a b"@c.example>', '<"a b"@c.example>'],
  ['MAIL FROM:<"a>b"@c.example>', '<"a>b"@c.example>'],
  ['MAIL FROM:<"a\\"b"@c.example>', '<"a\\"b"@c.example>'],
  ['MAIL FROM:<"a"@c.example>', '<a@c.example>'],
  ['MAIL FROM:<@x,@y:a@b.example>', '<a@b.example>'],
  ['MAIL FROM:<a@[192.0.2.1]>', '<a@[192.0.2.1]>'],
  ['MAIL FROM:<a@bücher.example>', '<a@xn--bcher-kva.example>'],
  ['MAIL FROM:<ä@b.example>', '<ä@b.example>'],
  ['MAIL FROM:<user.@b.example>', '<"user."@b.example>'],
  ['MAIL FROM:<@x:>', '553 5.1.7'],
  ['MAIL FROM: <a@b.example>', '501 5.5.4'],
  ['MAIL FROM:a@b.example', '501 5.5.4'],
  ['MAIL FROM:', '501 5.5.4'],
  ['MAIL FROM:<a@b.example', '501 5.5.4'],
  ['MAIL FROM:<<a@b.example>>', '501 5.5.4'],
  ['MAIL FROM:<a @b.example>', '501 5.5.4'],
  ['MAIL FROM:<"a@b.example>', '501 5.5.4'],
  ['MAIL FROM:<a@b.example>SIZE=1', '501 5.5.4'],
  ['MAIL FROM:<a@b.example> SIZE=', '501 5.5.4'],
  ['MAIL FROM:<a@b.example> SIZE=1 size=2', '501 5.5.4'],
  ['MAIL FROM:<a@b.example> ENVID=1', '555 5.5.4'],
  ['MAIL FROM:<a@b.example> __proto__', '555 5.5.4'],
  ['MAIL FROM:<a@b.example> =', '555 5.5.4'],
  ['MAIL FROM:<a@b@c.example>', '553 5.1.7'],
  ['MAIL FROM:<a>', '553 5.1.7'],
  ['MAIL FROM:<@>', '553 5.1.7'],
  ['MAIL FROM:<a@b_.>', '553 5.1.7'],
  ['MAIL FROM:<a\u202e@b.example>', '553 5.1.7'],
  ['MAIL FROM:<a\tb@c.example>', '501 5.5.2'],
  ['MAIL FROM:<a\u0085b@c.example>', '501 5.5.2'],
  ['RCPT TO:<a@b.example>', '501 5.5.4'],
] as const) {
  test(`${line}: ${result}`, () => assert.equal(read(line, 'MAIL FROM', strict), result))
}

test('RCPT TO', () => {
  for (const [line, result] of [
    ['RCPT TO:<a@b.example>', '<a@b.example>'],
    ['RCPT TO:<Postmaster>', '<postmaster>'],
    ['RCPT TO:<>', '553 5.1.3'],
    ['RCPT TO:<abuse>', '553 5.1.3'],
    ['RCPT TO:<a@b.example> NOTIFY=NEVER', '555 5.5.4'],
  ] as const) {
    assert.equal(read(line, 'RCPT TO', { ...strict, parameters: new Set() }), result)
  }
})

test('the space of Outlook', () => {
  assert.equal(read('MAIL FROM: <a@b.example>', 'MAIL FROM', lenient), '<a@b.example>')
  assert.equal(read('MAIL FROM:   <a@b.example> SIZE=1', 'MAIL FROM', lenient), '<a@b.example> SIZE=1')
})

test('what is not UTF-8', () => {
  assert.throws(() => parsePathCommand(Buffer.from('MAIL FROM:<\xe4@b.example>', 'latin1'), 'MAIL FROM', strict), /UTF-8/)
})

test('addresses that need SMTPUTF8', () => {
  assert.ok(needsUtf8('ä@b.example'))
  assert.ok(!needsUtf8('a@xn--bcher-kva.example'))
})
