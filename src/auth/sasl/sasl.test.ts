/** PLAIN and LOGIN, and what every mechanism has in common. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoginAttempt } from '../login.ts'
import { SASL_MECHANISMS, saslMechanism } from './index.ts'
import { authenticate, MAX_RESPONSE, type SaslPeer, type SaslResult } from './mechanism.ts'

const b64 = (text: string): string => Buffer.from(text).toString('base64')
const failed = (reason: string) => ({ kind: 'failed', reason })
/** What the authenticator was asked. */
const credentials = (user: string, password: string) => ({ asked: { user, password, service: 'imaps', remote: '192.0.2.1', signal: undefined } })

interface Ran {
  /** In base64, as they went out. */
  readonly challenges: readonly string[]
  readonly result: SaslResult | { readonly asked: LoginAttempt }
}

/** The exchange with these lines; undefined stands for an AUTH command without an initial response. */
async function exchange(name: string, initial: string | undefined, ...lines: string[]): Promise<Ran> {
  const challenges: string[] = []
  let asked: LoginAttempt | undefined
  const peer: SaslPeer = {
    authenticator: {
      login: async (attempt) => {
        asked = attempt
        return { kind: 'invalid' }
      },
      scram: async () => ({ kind: 'unavailable' }),
      close: () => undefined,
    },
    service: 'imaps',
    remote: '192.0.2.1',
    signal: undefined,
    bindings: undefined,
    offers: () => true,
    ask: async (challenge) => {
      challenges.push(challenge)
      return lines.shift() ?? assert.fail('it asks for more')
    },
  }
  const mechanism = saslMechanism(name) ?? assert.fail(name)
  const result = await authenticate(mechanism, initial, peer)
  assert.deepEqual(lines, [], 'all that the client says is asked for')
  return { challenges, result: asked ? { asked } : result }
}
const run = async (name: string, initial: string | undefined, ...lines: string[]) => (await exchange(name, initial, ...lines)).result

test('names are found in any case, others are not', () => {
  assert.deepEqual(
    SASL_MECHANISMS.map((m) => m.name),
    ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'OAUTHBEARER', 'XOAUTH2', 'PLAIN', 'LOGIN'],
  )
  assert.equal(saslMechanism('plain')?.name, 'PLAIN')
  assert.equal(saslMechanism('__proto__'), undefined)
})

test('the challenges', async () => {
  assert.deepEqual((await exchange('PLAIN', undefined, '*')).challenges, [''])
  for (const initial of [undefined, '='])
    assert.deepEqual((await exchange('LOGIN', initial, b64('me'), '*')).challenges, ['VXNlcm5hbWU6', 'UGFzc3dvcmQ6'])
  assert.deepEqual((await exchange('LOGIN', b64('me'), '*')).challenges, ['UGFzc3dvcmQ6'])
})

for (const [name, response, expected] of [
  ['as in RFC 4616', b64('\0tim\0tanstaaftanstaaf'), credentials('tim', 'tanstaaftanstaaf')],
  ['with itself as authzid', b64('me@X\0me@x\0pw'), credentials('me@x', 'pw')],
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
  test(`PLAIN ${name}`, async () => {
    assert.deepEqual(await run('PLAIN', undefined, response), expected)
    if (response !== '') assert.deepEqual(await run('PLAIN', response), expected)
  })
}

test('PLAIN with an empty initial response', async () => assert.deepEqual(await run('PLAIN', '='), failed('malformed')))

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
  test(`LOGIN ${name}`, async () => assert.deepEqual(await run('LOGIN', initial, ...lines), expected))
}
