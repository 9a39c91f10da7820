import assert from 'node:assert/strict'
import test from 'node:test'
import { replyFor } from './relay.ts'
import { Reply } from './reply.ts'

for (const [failure, line] of [
  [{ responseCode: 550, response: '550 5.1.1 no such user', command: 'RCPT TO', recipient: 'a@b' }, '550 5.1.1 The relay says (a@b): no such user'],
  [{ responseCode: 550, response: '550-5.7.1 first\n550 5.7.1 second', command: 'DATA' }, '550 5.7.1 The relay says: first second'],
  [{ responseCode: 451, response: '451 greylisted', command: 'MAIL FROM' }, '451 4.0.0 The relay says: greylisted'],
  [{ responseCode: 450, response: '450 5.1.1 contradicts itself', command: 'MAIL FROM' }, '450 4.0.0 The relay says: contradicts itself'],
  [{ responseCode: 421, response: '421 4.3.2 bye', command: 'MAIL FROM' }, '451 4.3.2 The relay says: bye'],
  [{ responseCode: 554, response: '554 5.7.1 go away', command: 'CONN' }, '451 4.0.0 The relay says: go away'],
  [{ responseCode: 550, response: '550 a\u0000b\u001b[2Jc', command: 'DATA' }, '550 5.0.0 The relay says: a b [2Jc'],
  [{ responseCode: 550, response: '550', command: 'DATA' }, '550 5.0.0 The relay says: '],
  [
    { code: 'EAUTH', responseCode: 535, response: '535 5.7.8 secret words' },
    '451 4.3.5 The relay does not accept this server, its administrator has to look at it',
  ],
  [{ code: 'ETLS' }, '451 4.7.5 No secure connection to the relay'],
  [{ code: 'ESOCKET', originalCode: 'CERT_HAS_EXPIRED' }, '451 4.7.5 No secure connection to the relay'],
  [{ code: 'ESOCKET', originalCode: 'ECONNREFUSED' }, '451 4.4.1 The relay cannot be reached now, try again later'],
  [{ code: 'EMESSAGE' }, '552 5.3.4 The message is bigger than the relay takes'],
  [{ responseCode: 250, response: '250 what' }, '451 4.4.1 The relay cannot be reached now, try again later'],
] as const) {
  test(`${JSON.stringify(failure)}`, () => assert.equal(replyFor(Object.assign(new Error('x'), failure)).line, line))
}

test('a reply of ours stays', () => {
  const reply = new Reply(552, '5.3.4', 'x')
  assert.equal(replyFor(reply), reply)
})

test('a long answer is cut', () => {
  assert.ok(replyFor(Object.assign(new Error('x'), { responseCode: 550, response: `550 ${'w'.repeat(10_000)}` })).line.length < 500)
})
