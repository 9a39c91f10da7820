/** Logins over a throttle in memory and accounts that are made up. */
import assert from 'node:assert/strict'
import { argon2Sync, createHash } from 'node:crypto'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { pino } from 'pino'
import { generateAppPassword, hashAppPassword } from '../../src/auth/app-password.ts'
import type { AuthLimits } from '../../src/auth/limits.ts'
import { type Authenticator, createAuthenticator, type LoginAttempt } from '../../src/auth/login.ts'
import { NOBODYS_HASH } from '../../src/auth/password.ts'
import { formatPhc } from '../../src/auth/phc.ts'
import { formatVerifier, makeVerifier, newSalting, SCRAM_ITERATIONS } from '../../src/auth/scram.ts'
import { type Log, silentLog } from '../../src/log.ts'
import type { AccountAccess } from '../../src/store/access.ts'
import type { AppPassword, Login } from '../../src/store/accounts.ts'
import { Unavailable } from '../../src/store/errors.ts'
import { createMemoryThrottle } from '../../src/store/memory/throttle.ts'
import { DEFAULT_POP3 } from '../../src/store/pop3-policy.ts'
import { DEFAULT_SUBMISSION } from '../../src/store/submission-policy.ts'
import type { AccountId } from '../../src/store/types.ts'
import { ScramClient } from '../support/scram.ts'

/** As cheap as Argon2 can be. */
function cheapHash(password: string): string {
  const settings = { memory: 8, passes: 1, parallelism: 1 }
  const salt = Buffer.from('salt of the test')
  return formatPhc({ ...settings, salt, tag: argon2Sync('argon2id', { ...settings, message: password, nonce: salt, tagLength: 16 }) })
}

const user = (address: string, password: string, account: number): Login => ({
  account: account as AccountId,
  address,
  passwordHash: cheapHash(password),
  ...{ version: 1, enabled: true, pop3: DEFAULT_POP3, submission: DEFAULT_SUBMISSION },
  scram: '',
  appPasswords: [],
  disable: [],
})

/** Sixty more, `user0@x.test` on; cheaper to guess at than users that do not exist. */
const OTHERS = user('', 'right', 0)

/** An authenticator over these users, on a clock that stands still unless it is moved. */
function setUp({ limits = {}, log = silentLog() }: { limits?: Partial<AuthLimits>; log?: Log } = {}) {
  const users = new Map([user('ann@x.test', 'right', 1), user('bob@x.test', 'right', 2)].map((u) => [u.address, u]))
  for (let i = 0; i < 60; i++) users.set(`user${i}@x.test`, { ...OTHERS, address: `user${i}@x.test`, account: (100 + i) as AccountId })
  const clock = { ms: 1e6 }
  const accounts = {
    async login(address: string) {
      return users.get(address)
    },
    decoy: async (name: string) => createHash('sha256').update(name).digest(),
    grant: ({ account }: Login) => ({ account, actor: 'test' }) as unknown as AccountAccess,
  }
  const auth = createAuthenticator({
    accounts,
    throttle: createMemoryThrottle(() => clock.ms),
    canonical: (a) => (a.includes('@') ? a.toLowerCase() : undefined),
    log,
    limits: { firstMs: 0, ...limits },
    now: () => clock.ms,
  })
  const attempt = (a: Partial<LoginAttempt> = {}) =>
    auth.login({ user: 'ann@x.test', password: 'right', service: 'imaps', remote: '192.0.2.1', ...a })
  const kind = async (a: Partial<LoginAttempt> = {}) => (await attempt(a)).kind
  const set = (address: string, change: Partial<Login>) => users.set(address, { ...users.get(address)!, ...change })
  return { auth, attempt, kind, set, users, clock, accounts }
}

test('the right password opens the account', async () => {
  const { attempt } = setUp()
  const result = await attempt({ user: 'ANN@x.test' })
  assert.equal(result.kind, 'ok')
  assert.equal(result.kind === 'ok' && result.access.account, 1)
  assert.equal(result.kind === 'ok' && result.login.address, 'ann@x.test')
})

test('unknown, wrong, disabled, nonsense: one and the same answer', async () => {
  const { attempt, set } = setUp()
  set('bob@x.test', { enabled: false })
  for (const a of [
    { user: 'nobody@x.test' },
    { user: 'no address' },
    { user: 'x'.repeat(100_000) },
    { password: 'wrong' },
    { password: '' },
    { password: 'x'.repeat(513) },
    { password: '\ud800' },
    { user: 'bob@x.test' },
    { user: '__proto__' },
  ])
    assert.deepEqual(await attempt(a), { kind: 'invalid' })
})

test('a checked password is known for five minutes, per service, until the version rises', async () => {
  const { attempt, kind, set, clock } = setUp()
  assert.equal(await kind(), 'ok')
  // From here on only what is remembered can say yes.
  set('ann@x.test', { passwordHash: cheapHash('other') })
  assert.equal(await kind(), 'ok')
  assert.equal(await kind({ service: 'pop3s' }), 'invalid')
  assert.equal(await kind({ password: 'other', service: 'submission' }), 'ok')
  clock.ms += 5 * 60_000
  assert.equal(await kind(), 'invalid')
  set('ann@x.test', { version: 2 })
  assert.equal(await kind({ password: 'other', service: 'submission' }), 'ok')
  set('ann@x.test', { passwordHash: cheapHash('right'), version: 3 })
  assert.equal(await kind({ password: 'other', service: 'submission' }), 'invalid')
  // Wrong under the old hash, right under the new one.
  assert.equal(await kind({ service: 'pop3s' }), 'ok')
  set('ann@x.test', { enabled: false, version: 4 })
  assert.deepEqual(await attempt({ service: 'pop3s' }), { kind: 'invalid' })
})

test('an app password opens what it is for, as it says, and nothing else', async () => {
  const { attempt, kind, set, users } = setUp()
  const [phone, pop] = [generateAppPassword(), generateAppPassword()]
  const disable = ['IDLE']
  const appPasswords: AppPassword[] = [
    { name: 'phone', hash: hashAppPassword(phone), scopes: ['imap', 'smtp'], disable: ['MOVE'] },
    { name: 'archive', hash: hashAppPassword(pop), scopes: ['pop3'], disable: [], pop3: { afterDownload: 'keep' } },
  ]
  set('ann@x.test', { appPasswords, disable })
  const imap = await attempt({ password: phone })
  assert.deepEqual(imap.kind === 'ok' && [imap.login.pop3.afterDownload, imap.login.disable], ['client', ['IDLE', 'MOVE']])
  const pop3 = await attempt({ password: pop, service: 'pop3s' })
  assert.deepEqual(pop3.kind === 'ok' && [pop3.login.pop3.afterDownload, pop3.login.disable], ['keep', ['IDLE']])
  assert.equal(await kind({ password: phone, service: 'submissions' }), 'ok')
  for (const [password, service] of [
    [phone, 'pop3s'],
    [pop, 'imaps'],
    [pop, 'submission'],
    [generateAppPassword(), 'imaps'],
  ] as const)
    assert.deepEqual(await attempt({ password, service, remote: '192.0.2.9' }), { kind: 'invalid' })
  assert.equal(await kind({ user: 'bob@x.test', password: phone }), 'invalid')
  assert.equal(await kind(), 'ok', 'the password itself is for everything')
  set('ann@x.test', { enabled: false })
  assert.equal(await kind({ password: phone }), 'invalid')
  set('ann@x.test', { enabled: true, appPasswords: [] })
  assert.equal(await kind({ password: phone }), 'invalid', 'nothing is remembered of one that was removed')
  users.clear()
})

test('a password that a person chose may look like an app password', async () => {
  const { kind, set } = setUp()
  const password = generateAppPassword()
  set('ann@x.test', { passwordHash: cheapHash(password) })
  assert.equal(await kind({ password, service: 'pop3s' }), 'ok')
})

test('guesses at app passwords are counted like others', async () => {
  const { attempt, set } = setUp()
  const right = generateAppPassword()
  set('ann@x.test', { appPasswords: [{ name: 'a', hash: hashAppPassword(right), scopes: ['imap'], disable: [] }] })
  for (let i = 0; i < 10; i++) assert.equal((await attempt({ password: generateAppPassword() })).kind, 'invalid')
  assert.equal((await attempt({ password: right })).kind, 'throttled')
})

/** A whole exchange of SCRAM with this password. */
async function proveTo(
  auth: Authenticator,
  { user = 'ann@x.test', password = 'right', service = 'imaps', remote = '192.0.2.1' }: Partial<LoginAttempt> = {},
) {
  const begun = await auth.scram({ user, service, remote })
  if (begun.kind !== 'salted') return begun
  const verifier = (await makeVerifier(password, begun.salting))!
  const client = new ScramClient({ user, password })
  const { iterations, salt } = begun.salting
  const server = `r=abc,s=${salt.toString('base64')},i=${iterations}`
  const final = client.final(server)
  const { result, signature } = await begun.prove(
    `${client.first.slice(3)},${server},${final.replace(/,p=.*$/, '')}`,
    Buffer.from(/,p=(.*)$/.exec(final)![1]!, 'base64'),
  )
  if (signature) assert.equal(`v=${signature.toString('base64')}`, client.expected)
  assert.equal(verifier.iterations, iterations)
  return result
}
const CHEAP = { ...newSalting(), iterations: 4096 }
const scramOf = async (password: string, salting = CHEAP) => formatVerifier((await makeVerifier(password, salting))!)

test('SCRAM: the password and the app passwords of one salting, for what they are for', async () => {
  const { auth, set } = setUp()
  const app = { hash: '', disable: ['IDLE'] }
  set('ann@x.test', {
    scram: await scramOf('right'),
    appPasswords: [
      { ...app, name: 'phone', scopes: ['imap'], scram: await scramOf('phone') },
      { ...app, name: 'salted otherwise', scopes: ['imap'], scram: await scramOf('other', { ...newSalting(), iterations: 4096 }) },
      { ...app, name: 'none', scopes: ['imap'] },
    ],
  })
  assert.equal((await proveTo(auth)).kind, 'ok')
  const phone = await proveTo(auth, { password: 'phone' })
  assert.deepEqual(phone.kind === 'ok' && phone.login.disable, ['IDLE'])
  for (const [password, service] of [
    ['phone', 'pop3s'],
    ['other', 'imaps'],
    ['wrong', 'imaps'],
  ] as const)
    assert.deepEqual(await proveTo(auth, { password, service, remote: '192.0.2.2' }), { kind: 'invalid' })
  set('ann@x.test', { scram: '' })
  assert.equal((await proveTo(auth, { password: 'phone', remote: '192.0.2.3' })).kind, 'ok', 'the first of them says how it is salted')
  set('ann@x.test', { enabled: false })
  assert.deepEqual(await proveTo(auth, { password: 'phone', remote: '192.0.2.3' }), { kind: 'invalid' })
})

test('SCRAM: who is not there, is no address, or has no verifier, fails like a wrong password', async () => {
  const { auth } = setUp()
  const salts = new Set<string>()
  for (const user of ['nobody@x.test', 'no address', 'bob@x.test', 'x'.repeat(100_000), '__proto__', 'nobody@x.test']) {
    const begun = await auth.scram({ user, service: 'imaps', remote: '192.0.2.5' })
    assert.ok(begun.kind === 'salted')
    assert.equal(begun.salting.iterations, SCRAM_ITERATIONS)
    assert.equal(begun.salting.salt.length, 16)
    salts.add(begun.salting.salt.toString('hex'))
    assert.deepEqual((await begun.prove('message', Buffer.alloc(32))).result, { kind: 'invalid' })
  }
  assert.equal(salts.size, 5)
})

test('SCRAM: guesses are counted, also those that come all at once, and those that were begun before', async () => {
  const { auth, set, clock } = setUp()
  set('ann@x.test', { scram: await scramOf('right') })
  const begun = await Promise.all(Array.from({ length: 30 }, () => auth.scram({ user: 'ann@x.test', service: 'imaps', remote: '192.0.2.1' })))
  const results = await Promise.all(begun.map((b) => (b.kind === 'salted' ? b.prove('message', Buffer.alloc(32)) : assert.fail())))
  assert.equal(results.filter(({ result }) => result.kind === 'invalid').length, 10)
  assert.equal(results.filter(({ result }) => result.kind === 'throttled').length, 20)
  assert.equal((await proveTo(auth)).kind, 'throttled')
  assert.equal((await proveTo(auth, { remote: '192.0.2.2' })).kind, 'ok')
  clock.ms += 60_000
  assert.equal((await proveTo(auth)).kind, 'ok')
})

test('SCRAM: without a database it cannot be told', async () => {
  const { auth, accounts } = setUp()
  accounts.login = () => Promise.reject(new Unavailable('the database does not answer'))
  assert.deepEqual(await proveTo(auth), { kind: 'unavailable' })
})

test('one address may fail ten times a minute, for whatever users', async () => {
  const { attempt, kind, clock } = setUp()
  for (let i = 0; i < 10; i++) assert.equal(await kind({ user: `user${i}@x.test`, password: 'guess' }), 'invalid')
  assert.deepEqual(await attempt({ user: 'bob@x.test' }), { kind: 'throttled', retryAfter: 6 })
  assert.deepEqual(await attempt({ user: 'bob@x.test', remote: '::ffff:192.0.2.1' }), { kind: 'throttled', retryAfter: 6 })
  assert.equal(await kind({ user: 'bob@x.test', remote: '192.0.2.2' }), 'ok')
  clock.ms += 6_001
  assert.equal(await kind({ user: 'bob@x.test' }), 'ok')
})

test('one address may fail fifty times a day', async () => {
  const { attempt, kind, clock } = setUp()
  for (let i = 0; i < 50; i++) {
    assert.equal(await kind({ user: `user${i}@x.test`, password: 'guess', remote: `2001:db8:1:2::${i}` }), 'invalid')
    clock.ms += 6_001
  }
  const result = await attempt({ remote: '2001:db8:1:2::ffff' })
  assert.ok(result.kind === 'throttled' && result.retryAfter > 60)
  assert.equal(await kind({ remote: '2001:db8:1:3::1' }), 'ok')
})

test('one user may fail twelve times in two minutes from wherever, known or not, and is still let in where it was before', async () => {
  const { attempt, kind } = setUp()
  assert.equal(await kind({ remote: '198.51.100.1' }), 'ok')
  for (const name of ['ann@x.test', 'nobody@x.test']) {
    for (let i = 0; i < 12; i++) assert.equal(await kind({ user: name, password: `guess ${i}`, remote: `203.0.113.${i}` }), 'invalid')
    assert.deepEqual(await attempt({ user: name, password: 'right', remote: '203.0.113.99' }), { kind: 'throttled', retryAfter: 10 })
  }
  assert.equal(await kind({ remote: '198.51.100.1' }), 'ok')
  assert.equal(await kind({ user: 'bob@x.test', remote: '203.0.113.99' }), 'ok')
})

test('a familiar network lets its user in beside strangers who guess, and no longer when it guesses itself', async () => {
  const { kind } = setUp()
  assert.equal(await kind(), 'ok')
  for (let i = 0; i < 10; i++) assert.equal(await kind({ user: `user${i}@x.test`, password: 'guess' }), 'invalid')
  assert.equal(await kind({ user: 'bob@x.test' }), 'throttled')
  assert.equal(await kind(), 'ok')
  for (let i = 0; i < 10; i++) assert.equal(await kind({ password: `guess ${i}` }), 'invalid')
  assert.equal(await kind(), 'throttled')
})

test('the same wrong password counts once', async () => {
  const { kind } = setUp()
  for (let i = 0; i < 100; i++) assert.equal(await kind({ password: 'last year’s' }), 'invalid')
  for (let i = 0; i < 100; i++) assert.equal(await kind({ user: 'nobody@x.test', password: 'last year’s' }), 'invalid')
  assert.equal(await kind(), 'ok')
})

test('an exempt address has no limit of its own and no wait; its users have theirs', async () => {
  for (const remote of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    const { kind } = setUp({ limits: { firstMs: 60_000 } })
    for (let i = 0; i < 55; i++) assert.equal(await kind({ user: `user${i}@x.test`, password: 'guess', remote }), 'invalid')
    for (let i = 0; i < 12; i++) assert.equal(await kind({ password: `guess ${i}`, remote }), 'invalid')
    assert.equal(await kind({ remote }), 'throttled')
    assert.equal(await kind({ user: 'bob@x.test', remote }), 'ok')
  }
})

test('an address that many share: one of them locks out no other, its failures wait, and each user has a limit', async () => {
  const remote = '172.17.0.1'
  const { kind } = setUp({ limits: { shared: [remote], firstMs: 10, longestMs: 10 } })
  const from = performance.now()
  for (let i = 0; i < 55; i++) assert.equal(await kind({ user: `user${i}@x.test`, password: 'guess', remote }), 'invalid')
  assert.ok(performance.now() - from > 55 * 9)
  assert.equal(await kind({ remote }), 'ok')
  for (let i = 0; i < 12; i++) assert.equal(await kind({ password: `guess ${i}`, remote }), 'invalid')
  assert.equal(await kind({ remote }), 'throttled')
  assert.equal(await kind({ user: 'bob@x.test', remote }), 'ok')
})

test('guesses in parallel get no further than guesses in turn', async () => {
  const { kind } = setUp()
  const kinds = await Promise.all(Array.from({ length: 300 }, (_, i) => kind({ password: `guess ${i}` })))
  const checked = kinds.filter((k) => k === 'invalid').length
  // Two may be checked at once on a machine with more cores.
  assert.ok(checked >= 10 && checked <= 11, `${checked} were checked`)
  assert.ok(kinds.every((k) => k === 'invalid' || k === 'throttled' || k === 'unavailable'))
})

test('one client that floods leaves room for another', async () => {
  const { kind } = setUp()
  const flood = Array.from({ length: 300 }, (_, i) => kind({ user: `user${i}@x.test`, password: 'guess' }))
  assert.equal(await kind({ remote: '198.51.100.7' }), 'ok')
  await Promise.all(flood)
})

test('an unknown user takes as long as a known one', async () => {
  const { kind, set } = setUp()
  // As costly as what hashPassword makes; nothing fits it.
  set('ann@x.test', { passwordHash: NOBODYS_HASH })
  const times: Record<string, number[]> = { 'ann@x.test': [], 'nobody@x.test': [] }
  for (let i = 0; i < 9; i++)
    for (const name of Object.keys(times)) {
      const at = performance.now()
      assert.equal(await kind({ user: name, password: `guess ${i}`, remote: '127.0.0.1' }), 'invalid')
      times[name]?.push(performance.now() - at)
    }
  const [known = 0, unknown = 0] = Object.values(times).map((t) => t.sort((a, b) => a - b)[4])
  assert.ok(known / unknown < 1.5 && unknown / known < 1.5, `known ${known} ms, unknown ${unknown} ms`)
})

test('failures wait, from the moment they came in; the right password does not', async () => {
  const { auth, accounts } = setUp()
  auth.close()
  const slow = createAuthenticator({
    accounts,
    throttle: createMemoryThrottle(),
    canonical: (a) => a,
    log: silentLog(),
    limits: { firstMs: 700, longestMs: 800 },
  })
  const time = async (a: Partial<LoginAttempt>) => {
    const at = performance.now()
    await slow.login({ user: 'ann@x.test', password: 'right', service: 'imaps', remote: '192.0.2.1', ...a })
    return performance.now() - at
  }
  const known = await time({ password: 'wrong' })
  const unknown = await time({ user: 'nobody@x.test', remote: '192.0.2.2' })
  for (const ms of [known, unknown]) assert.ok(ms >= 699 && ms < 1_200, `${ms} ms`)
  assert.ok((await time({})) < 500)
  const gone = AbortSignal.timeout(20)
  assert.ok((await time({ password: 'wrong', signal: gone })) < 500)
  slow.close()
})

test('without a database it cannot be told', async () => {
  const { attempt, accounts } = setUp()
  accounts.login = () => Promise.reject(new Unavailable('the database does not answer'))
  assert.deepEqual(await attempt(), { kind: 'unavailable' })
  accounts.login = () => Promise.reject(new Error('a fault of the test'))
  assert.deepEqual(await attempt(), { kind: 'unavailable' })
})

test('a hash that cannot be read is a fault of ours, not of the user', async () => {
  const { kind, set } = setUp()
  set('ann@x.test', { passwordHash: '$6$salt$hash' })
  assert.equal(await kind(), 'unavailable')
})

test('the log says who and why, and never a password', async () => {
  let lines = ''
  const stream = new Writable({
    write(chunk, _, done) {
      lines += String(chunk)
      done()
    },
  })
  const { kind } = setUp({ log: pino(stream) })
  await kind()
  await kind({ password: 'hunter2' })
  await kind({ user: 'hunter2' })
  await kind({ user: 'nobody@x.test', password: 'hunter2' })
  assert.match(lines, /"user":"ann@x.test","account":1,"msg":"login"/)
  assert.match(lines, /"user":"ann@x.test","reason":"password"/)
  assert.match(lines, /"user":"nobody@x.test","reason":"unknown"/)
  assert.doesNotMatch(lines, /hunter2|argon2|right/)
})
