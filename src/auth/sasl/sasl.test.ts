import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SASL_MECHANISMS, saslMechanism } from './index.ts'
import { MAX_RESPONSE, type SaslStep } from './mechanism.ts'

const b64 = (text: string): string => Buffer.from(text).toString('base64')
const failed = (reason: string) => ({ kind: 'failed', reason })
const credentials = (user: string, password: string) => ({ kind: 'credentials', user, password })

/** The last step after these lines; undefined stands for an AUTH command without an initial response. */
function run(name: string, initial: string | undefined, ...lines: string[]): SaslStep {
  const begun = saslMechanism(name)?.begin(initial)
  assert.ok(begun)
  let step = begun.step
  for (const line of lines) {
    assert.equal(step.kind, 'challenge')
    step = begun.exchange.next(line)
  }
  return step
}

test('names are found in any case, others are not', () => {
  assert.deepEqual(
    SASL_MECHANISMS.map((m) => m.name),
    ['PLAIN', 'LOGIN'],
  )
  assert.equal(saslMechanism('plain')?.name, 'PLAIN')
  assert.equal(saslMechanism('__proto__'), undefined)
})

test('the challenges', () => {
  assert.deepEqual(run('PLAIN', undefined), { kind: 'challenge', line: '' })
  assert.deepEqual(run('LOGIN', undefined), { kind: 'challenge', line: 'VXNlcm5hbWU6' })
  assert.deepEqual(run('LOGIN', '='), { kind: 'challenge', line: 'VXNlcm5hbWU6' })
  assert.deepEqual(run('LOGIN', b64('me')), { kind: 'challenge', line: 'UGFzc3dvcmQ6' })
})

for (const [name, response, expected] of [
  ['as in RFC 4616', b64('\0tim\0tanstaaftanstaaf'), credentials('tim', 'tanstaaftanstaaf')],
  ['with itself as authzid', b64('me@x\0me@x\0pw'), credentials('me@x', 'pw')],
  ['beyond ASCII', b64('\0bärbel\0pässwörd'), credentials('bärbel', 'pässwörd')],
  ['a byte order mark is a character of the password', b64('\0me\0\ufeffpw'), credentials('me', '\ufeffpw')],
  ['as somebody else', b64('victim\0me\0pw'), failed('authorization')],
  ['cancelled', '*', failed('cancelled')],
  ['nothing', '', failed('malformed')],
  ['no NUL', b64('me'), failed('malformed')],
  ['one NUL', b64('me\0pw'), failed('malformed')],
  ['three NULs', b64('\0me\0pw\0'), failed('malformed')],
  ['no user', b64('\0\0pw'), failed('malformed')],
  ['no password', b64('\0me\0'), failed('malformed')],
  ['not UTF-8', Buffer.from('\0me\0p\xe4ss', 'latin1').toString('base64'), failed('malformed')],
  ['without padding', b64('\0me\0pwd').replaceAll('=', ''), failed('malformed')],
  ['with spaces', `${b64('\0me\0pwd')} `, failed('malformed')],
  ['in base64url', Buffer.from('\0me\0\u07ff\u07ff\u07ff').toString('base64url'), failed('malformed')],
  ['bits left over', 'AG1lAHB3ZAB=', failed('malformed')],
  ['not base64', '!!!!', failed('malformed')],
  ['too long', b64(`\0me\0${'x'.repeat(MAX_RESPONSE)}`), failed('malformed')],
] as const) {
  test(`PLAIN ${name}`, () => {
    assert.deepEqual(run('PLAIN', undefined, response), expected)
    if (response !== '') assert.deepEqual(run('PLAIN', response), expected)
  })
}

test('PLAIN with an empty initial response', () => assert.deepEqual(run('PLAIN', '='), failed('malformed')))

for (const [name, initial, lines, expected] of [
  ['asked twice', undefined, [b64('me'), b64('pw')], credentials('me', 'pw')],
  ['user in the command', b64('me'), [b64('pw')], credentials('me', 'pw')],
  ['cancelled at once', undefined, ['*'], failed('cancelled')],
  ['cancelled later', undefined, [b64('me'), '*'], failed('cancelled')],
  ['no user', undefined, [''], failed('malformed')],
  ['no password', undefined, [b64('me'), ''], failed('malformed')],
  ['not base64', undefined, [b64('me'), 'pw'], failed('malformed')],
  ['too long', undefined, ['A'.repeat(MAX_RESPONSE + 4)], failed('malformed')],
] as const) {
  test(`LOGIN ${name}`, () => assert.deepEqual(run('LOGIN', initial, ...lines), expected))
}

test('two exchanges do not meet', () => {
  const [first, second] = [saslMechanism('LOGIN')?.begin(undefined), saslMechanism('LOGIN')?.begin(undefined)]
  first?.exchange.next(b64('one'))
  second?.exchange.next(b64('two'))
  assert.deepEqual(first?.exchange.next(b64('pw')), credentials('one', 'pw'))
})
