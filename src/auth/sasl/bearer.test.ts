import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoginResult } from '../attempt.ts'
import type { TokenAttempt } from '../token-login.ts'
import { saslMechanism } from './index.ts'
import { authenticate, type SaslPeer, type SaslResult } from './mechanism.ts'

interface Ran {
  readonly result: SaslResult
  readonly asked: Pick<TokenAttempt, 'user' | 'token'> | undefined
  readonly challenges: string[]
}

async function run(name: string, message: string, answer: LoginResult = { kind: 'ok' } as LoginResult, ...lines: string[]): Promise<Ran> {
  const challenges: string[] = []
  let asked: Ran['asked']
  const peer: SaslPeer = {
    authenticator: {
      login: () => assert.fail(),
      scram: () => assert.fail(),
      close: () => undefined,
      tokens: {
        configuration: 'https://id.test/.well-known/openid-configuration',
        scope: 'mail',
        login: async ({ user, token }) => {
          asked = { user, token }
          return answer
        },
      },
    },
    service: 'imaps',
    remote: '192.0.2.1',
    bindings: undefined,
    offers: () => true,
    ask: async (challenge) => {
      challenges.push(Buffer.from(challenge, 'base64').toString())
      return lines.shift() ?? assert.fail('it asks for more')
    },
  }
  const result = await authenticate(saslMechanism(name) ?? assert.fail(), Buffer.from(message).toString('base64'), peer)
  assert.deepEqual(lines, [])
  return { result, asked, challenges }
}

const A = '\x01'
for (const [name, message, asked] of [
  // RFC 7628 §4.1.
  [
    'OAUTHBEARER',
    `n,a=user@example.com,${A}host=server.example.com${A}port=143${A}auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==${A}${A}`,
    { user: 'user@example.com', token: 'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==' },
  ],
  ['OAUTHBEARER', `n,,${A}auth=bearer a.b-c_d${A}${A}`, { user: '', token: 'a.b-c_d' }],
  ['OAUTHBEARER', `y,a=a=2Cb=3Dc,${A}auth=Bearer x${A}${A}`, { user: 'a,b=c', token: 'x' }],
  ['XOAUTH2', `user=ann@x.test${A}auth=Bearer x.y.z${A}${A}`, { user: 'ann@x.test', token: 'x.y.z' }],
] as const)
  test(`${name} ${JSON.stringify(message)}`, async () => {
    assert.deepEqual(await run(name, message), { result: { kind: 'ok' }, asked, challenges: [] })
  })

for (const [name, messages] of [
  [
    'OAUTHBEARER',
    [
      '',
      A,
      'n,,',
      `n,,${A}`,
      `n,,${A}${A}`,
      `n,,${A}auth=Bearer x${A}`,
      `n,,auth=Bearer x${A}${A}`,
      `${A}auth=Bearer x${A}${A}`,
      `p=tls-exporter,,${A}auth=Bearer x${A}${A}`,
      `n,ann,${A}auth=Bearer x${A}${A}`,
      `n,a=,${A}auth=Bearer x${A}${A}`,
      `n,a=a=b,${A}auth=Bearer x${A}${A}`,
      `n,,${A}auth=Bearer ${A}${A}`,
      `n,,${A}auth=Basic x${A}${A}`,
      `n,,${A}auth=Bearer x y${A}${A}`,
      `n,,${A}auth=Bearer x=y${A}${A}`,
      `n,,${A}auth=Bearer x${A}auth=Bearer y${A}${A}`,
      `n,,${A}host=x${A}${A}`,
      `n,,${A}1=x${A}auth=Bearer x${A}${A}`,
      `n,,${A}x${A}auth=Bearer x${A}${A}`,
      `n,,${A}auth=Bearer x${A}${A}${A}`,
      `n,,${A}auth=Bearer x${A}${A}more`,
      `n,,${A}host=\0${A}auth=Bearer x${A}${A}`,
    ],
  ],
  [
    'XOAUTH2',
    [
      '',
      'user=ann',
      `user=${A}auth=Bearer x${A}${A}`,
      `auth=Bearer x${A}user=ann${A}${A}`,
      `user=ann${A}auth=Bearer x${A}`,
      `user=ann${A}auth=Bearer${A}${A}`,
      `User=ann${A}auth=Bearer x${A}${A}`,
      `user=a\0nn${A}auth=Bearer x${A}${A}`,
      `user=ann${A}${A}auth=Bearer x${A}${A}`,
    ],
  ],
] as const)
  for (const message of messages)
    test(`${name}, malformed: ${JSON.stringify(message)}`, async () => {
      assert.deepEqual(await run(name, message), { result: { kind: 'failed', reason: 'malformed' }, asked: undefined, challenges: [] })
    })

test('a refusal is told in JSON, and is one whatever the client says to that', async () => {
  for (const line of ['AQ==', '', '*', 'nonsense']) {
    const bearer = await run('OAUTHBEARER', `n,,${A}auth=Bearer x${A}${A}`, { kind: 'invalid' }, line)
    assert.deepEqual(bearer.result, { kind: 'invalid' })
    assert.deepEqual(
      bearer.challenges.map((text) => JSON.parse(text)),
      [{ status: 'invalid_token', scope: 'mail', 'openid-configuration': 'https://id.test/.well-known/openid-configuration' }],
    )
    const old = await run('XOAUTH2', `user=a${A}auth=Bearer x${A}${A}`, { kind: 'invalid' }, line)
    assert.deepEqual(old.result, { kind: 'invalid' })
    assert.deepEqual(
      old.challenges.map((text) => JSON.parse(text)),
      [{ status: '401', schemes: 'bearer', scope: 'mail' }],
    )
  }
  assert.deepEqual((await run('OAUTHBEARER', `n,,${A}auth=Bearer x${A}${A}`, { kind: 'throttled', retryAfter: 3 })).result, {
    kind: 'throttled',
    retryAfter: 3,
  })
})
