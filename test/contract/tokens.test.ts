/** Access tokens against an issuer on loopback: what is taken, what is not, and what the issuer can do wrong. */
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createAuthenticator } from '../../src/auth/login.ts'
import type { IssuerOptions } from '../../src/auth/oidc/issuer.ts'
import { silentLog } from '../../src/log.ts'
import type { AccountAccess } from '../../src/store/access.ts'
import type { Login } from '../../src/store/accounts.ts'
import { createMemoryThrottle } from '../../src/store/memory/throttle.ts'
import { DEFAULT_POP3 } from '../../src/store/pop3-policy.ts'
import { DEFAULT_SUBMISSION } from '../../src/store/submission-policy.ts'
import type { AccountId } from '../../src/store/types.ts'
import { type FakeIssuer, fakeIssuer } from '../support/issuer.ts'

let id: FakeIssuer
before(async () => {
  id = await fakeIssuer()
})
after(() => id?.close())
beforeEach(() => {
  id.instead.clear()
  id.answers(200)
  id.seen.length = 0
})

const user = (address: string, account: number, enabled = true): Login => ({
  ...{
    account: account as AccountId,
    address,
    passwordHash: '',
    version: 1,
    enabled,
    pop3: DEFAULT_POP3,
    submission: DEFAULT_SUBMISSION,
    scram: '',
    appPasswords: [],
    disable: [],
  },
})

function setUp(more: Partial<IssuerOptions> = {}) {
  const users = new Map([user('ann@x.test', 1), user('bob@x.test', 2), user('off@x.test', 3, false)].map((u) => [u.address, u]))
  const clock = { ms: 1e6 }
  const auth = createAuthenticator({
    accounts: {
      login: async (address) => users.get(address),
      decoy: async (name) => createHash('sha256').update(name).digest(),
      grant: ({ account }) => ({ account }) as unknown as AccountAccess,
    },
    throttle: createMemoryThrottle(() => clock.ms),
    canonical: (a) => (a.includes('@') ? a.toLowerCase() : undefined),
    log: silentLog(),
    limits: { firstMs: 0 },
    issuer: { issuer: id.issuer, audience: 'postern', addressClaim: 'email', unverified: false, scopes: ['mail'], ...more },
    now: () => clock.ms,
  })
  const attempt = async (token: string, name = '', remote = '192.0.2.1') => await auth.tokens!.login({ user: name, token, service: 'imaps', remote })
  const kind = async (...of: Parameters<typeof attempt>) => (await attempt(...of)).kind
  return { auth, attempt, kind, clock }
}

test('a good token opens its user’s account, whether or not the user is named', async () => {
  const { attempt, kind } = setUp()
  const token = await id.token('Ann@X.test')
  for (const name of ['', 'ann@x.test', 'ANN@x.test']) {
    const result = await attempt(token, name)
    assert.equal(result.kind === 'ok' && result.login.account, 1)
  }
  assert.equal(await kind(token, 'bob@x.test'), 'invalid')
  assert.equal(await kind(token, 'no address'), 'invalid')
  assert.deepEqual(id.seen, ['/.well-known/openid-configuration', '/keys'], 'document and keys are kept')
})

describe('tokens that are refused', () => {
  const past = Math.floor(Date.now() / 1000) - 3600
  for (const [what, make] of [
    ['nobody', () => id.token('nobody@x.test')],
    ['disabled', () => id.token('off@x.test')],
    ['an address that is not verified', () => id.token('ann@x.test', { email_verified: false })],
    ['an address of which nothing is said', () => id.token('ann@x.test', { email_verified: undefined })],
    ['verified in a word', () => id.token('ann@x.test', { email_verified: 'true' })],
    ['no address', () => id.token('ann@x.test', { email: undefined })],
    ['another issuer', () => id.token('ann@x.test', { iss: 'https://id.example.org' })],
    ['another audience', () => id.token('ann@x.test', { aud: ['other'] })],
    ['no audience', () => id.token('ann@x.test', { aud: undefined as unknown as string })],
    ['without an end', () => id.token('ann@x.test', { exp: undefined as unknown as number })],
    ['not yet', () => id.token('ann@x.test', { nbf: Math.floor(Date.now() / 1000) + 3600 })],
    ['expired', () => id.token('ann@x.test', { exp: past })],
    ['without the scope', () => id.token('ann@x.test', { scope: 'openid mailx' })],
    ['no scope', () => id.token('ann@x.test', { scope: undefined })],
    ['no token', async () => 'abc'],
    ['alg none', async () => `${part({ alg: 'none' })}.${(await id.token('ann@x.test')).split('.')[1]}.`],
    [
      'the public key as a secret',
      async () => {
        const signed = `${part({ alg: 'HS256', kid: 'one' })}.${(await id.token('ann@x.test')).split('.')[1]}`
        return `${signed}.${createHmac('sha256', 'the public key').update(signed).digest('base64url')}`
      },
    ],
    [
      'other claims under a signature',
      async () => {
        const [header, , signature] = (await id.token('ann@x.test')).split('.')
        return `${header}.${(await id.token('bob@x.test')).split('.')[1]}.${signature}`
      },
    ],
  ] as const)
    test(what, async () => {
      assert.equal(await setUp().kind(await make()), 'invalid')
    })
})
const part = (of: object): string => Buffer.from(JSON.stringify(of)).toString('base64url')

test('as the configuration has it: another claim, unverified addresses, scopes in a list', async () => {
  assert.equal(await setUp({ unverified: true }).kind(await id.token('ann@x.test', { email_verified: false })), 'ok')
  assert.equal(await setUp({ addressClaim: 'upn' }).kind(await id.token('x', { upn: 'ann@x.test', email_verified: false })), 'ok')
  assert.equal(await setUp().kind(await id.token('ann@x.test', { scope: undefined, scp: ['mail'] })), 'ok')
  assert.equal(await setUp({ scopes: [] }).kind(await id.token('ann@x.test', { scope: undefined })), 'ok')
})

test('RS256 and EdDSA, and a key that came after the others were read', async () => {
  const { kind, clock } = setUp()
  assert.equal(await kind(await id.token('ann@x.test')), 'ok')
  for (const alg of ['RS256', 'EdDSA', 'PS256']) await id.addKey(alg, alg)
  const token = await id.token('ann@x.test', {}, { kid: 'RS256' })
  const asked = id.seen.length
  for (let i = 0; i < 5; i++) await kind(`${token.slice(0, -4)}${i}AAA`, '', `192.0.2.${i + 10}`)
  assert.ok(id.seen.length - asked <= 1, 'unknown keys are looked for once in a while')
  clock.ms += 61_000
  const fresh = setUp()
  assert.equal(await fresh.kind(token), 'ok')
  assert.equal(await fresh.kind(await id.token('ann@x.test', {}, { kid: 'EdDSA' })), 'ok')
  assert.equal(await fresh.kind(await id.token('ann@x.test', {}, { kid: 'PS256' })), 'invalid')
  for (const kid of ['RS256', 'EdDSA', 'PS256']) id.removeKey(kid)
})

test('the issuer is away, answers nonsense, too much, somebody else’s document, or sends us elsewhere: it cannot be told', async () => {
  const token = await id.token('ann@x.test')
  const document = '/.well-known/openid-configuration'
  for (const [path, body] of [
    [document, 'no JSON'],
    [document, '[]'],
    [document, { issuer: 'https://id.example.org', jwks_uri: `${id.issuer}/keys` }],
    [document, { issuer: id.issuer }],
    [document, { issuer: id.issuer, jwks_uri: 'http://127.0.0.1:1/keys' }],
    [document, { issuer: id.issuer, jwks_uri: 'file:///etc/passwd' }],
    [document, `{"x": "${'x'.repeat(300_000)}"}`],
    ['/keys', 'no JSON'],
    ['/keys', { keys: 'none' }],
  ] as const) {
    id.instead.clear()
    id.instead.set(path, body)
    assert.equal(await setUp().kind(token), 'unavailable', JSON.stringify(body).slice(0, 60))
  }
  id.instead.clear()
  for (const status of [302, 404, 500]) {
    id.answers(status)
    assert.equal(await setUp().kind(token), 'unavailable', String(status))
  }
  assert.ok(!id.seen.includes('/elsewhere'))
  id.answers(200)
  assert.equal(await setUp({ issuer: 'http://127.0.0.1:1' }).kind(token), 'unavailable')
})

test('an issuer that failed is asked again, not at once', async () => {
  const { kind, clock } = setUp()
  const token = await id.token('ann@x.test')
  id.answers(500)
  for (let i = 0; i < 3; i++) assert.equal(await kind(token), 'unavailable')
  assert.equal(id.seen.length, 1)
  id.answers(200)
  clock.ms += 10_001
  assert.equal(await kind(token), 'ok')
})

test('guesses are counted, the same one once, and one that has expired never', async () => {
  const { kind } = setUp()
  const good = await id.token('ann@x.test')
  const old = await id.token('ann@x.test', { exp: 1_000_000_000 })
  for (let i = 0; i < 30; i++) {
    assert.equal(await kind(old, 'ann@x.test'), 'invalid')
    assert.equal(await kind('one.bad.token', 'ann@x.test'), 'invalid')
  }
  assert.equal(await kind(good, 'ann@x.test'), 'ok')
  for (let i = 0; i < 9; i++) assert.equal(await kind(`bad.token.${i}`, 'bob@x.test'), 'invalid')
  assert.equal(await kind(await id.token('bob@x.test'), 'bob@x.test'), 'throttled')
})

test('introspection: the issuer’s word', async () => {
  const introspection = { clientId: 'post ern', clientSecret: 'se:cret' }
  const { kind } = setUp({ introspection })
  const good = { active: true, email: 'ann@x.test', email_verified: true, scope: 'mail' }
  id.says(good)
  assert.equal(await kind('opaque'), 'ok')
  assert.equal(id.last?.authorization, `Basic ${Buffer.from('post+ern:se%3Acret').toString('base64')}`)
  assert.equal(id.last?.body, 'token=opaque&token_type_hint=access_token')
  id.says({ ...good, aud: ['other', 'postern'], iss: id.issuer, exp: Date.now() / 1000 + 60 })
  assert.equal(await kind('opaque'), 'ok')
  for (const [i, bad] of [
    { ...good, active: false },
    { ...good, active: 'true' },
    { ...good, aud: 'other' },
    { ...good, iss: 'https://id.example.org' },
    { ...good, exp: 1 },
    { ...good, exp: 'never' },
    { ...good, scope: '' },
    { ...good, email_verified: false },
    { ...good, email: 'nobody@x.test' },
  ].entries()) {
    id.says(bad)
    assert.equal(await kind(`opaque${i}`, '', `192.0.2.${i + 20}`), 'invalid', JSON.stringify(bad))
  }
  id.answers(503)
  assert.equal(await kind('another'), 'unavailable')
})
