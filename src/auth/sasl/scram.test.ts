/** SCRAM's messages, one by one, against verifiers made here. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ScramClient } from '../../../test/support/scram.ts'
import type { LoginResult } from '../attempt.ts'
import { makeVerifier, newSalting, proves, serverSignature } from '../scram.ts'
import type { ScramLogin } from '../scram-login.ts'
import { saslMechanism } from './index.ts'
import { authenticate, type ChannelBindings, type SaslPeer, type SaslResult } from './mechanism.ts'

const verifier = (await makeVerifier('pencil', { ...newSalting(), iterations: 4096 }))!
const OK = { kind: 'ok' } as LoginResult
const CHANNEL = Buffer.from('the name of this channel')
const bindings: ChannelBindings = { data: (type) => (type === 'tls-exporter' ? CHANNEL : undefined) }
const PLUS = 'SCRAM-SHA-256-PLUS'
const PLAIN = 'SCRAM-SHA-256'
const b64 = (text: string): string => Buffer.from(text).toString('base64')
const failed = (reason: string) => ({ kind: 'failed', reason })

/** What the client says to what the server said last; a line in base64. */
type Answer = (server: string) => string

async function run(name: string, first: string, ...answers: Answer[]): Promise<{ result: SaslResult; users: string[] }> {
  const users: string[] = []
  const peer: SaslPeer = {
    authenticator: {
      login: () => assert.fail(),
      close: () => undefined,
      async scram({ user }): Promise<ScramLogin> {
        users.push(user)
        return {
          kind: 'salted',
          salting: verifier,
          async prove(message, proof) {
            const right = proves(verifier, message, proof)
            return right ? { result: OK, signature: serverSignature(verifier, message) } : { result: { kind: 'invalid' } }
          },
        }
      },
    },
    service: 'imaps',
    remote: '192.0.2.1',
    bindings,
    offers: () => true,
    ask: async (challenge) => (answers.shift() ?? assert.fail('it asks for more'))(Buffer.from(challenge, 'base64').toString()),
  }
  const result = await authenticate(saslMechanism(name) ?? assert.fail(), b64(first), peer)
  assert.equal(answers.length, 0, 'all that the client says is asked for')
  return { result, users }
}

const ann = { user: 'ann@x.test', password: 'pencil' }
const exporter = { flag: 'p=tls-exporter', data: CHANNEL }

for (const [what, name, choices, expected] of [
  ['without binding', PLAIN, {}, OK],
  ['bound', PLUS, exporter, OK],
  ['for oneself', PLAIN, { authzid: 'ANN@x.test' }, OK],
  ['a wrong password', PLAIN, { password: 'pencils' }, { kind: 'invalid' }],
  ['a name with a comma', PLAIN, { user: 'a,b=c' }, OK],
  ['for somebody else', PLAIN, { authzid: 'bob@x.test' }, failed('authorization')],
  ['y: -PLUS was taken out of what the client saw', PLAIN, { flag: 'y' }, failed('channel-binding')],
  ['another type of binding', PLUS, { flag: 'p=tls-unique', data: CHANNEL }, failed('channel-binding')],
  ['binding without -PLUS', PLAIN, exporter, failed('malformed')],
  ['-PLUS without binding', PLUS, { flag: 'n' }, failed('malformed')],
  ['-PLUS with y', PLUS, { flag: 'y' }, failed('malformed')],
] as const)
  test(what, async () => {
    const client = new ScramClient({ ...ann, ...choices })
    const answers: Answer[] = [
      (s) => b64(client.final(s)),
      (s) => {
        assert.equal(s, client.expected)
        return ''
      },
    ]
    const needed = expected === OK ? 2 : 'reason' in expected ? 0 : 1
    const { result, users } = await run(name, client.first, ...answers.slice(0, needed))
    assert.deepEqual(result, expected)
    if (needed > 0) assert.deepEqual(users, [{ ...ann, ...choices }.user])
  })

test('bound to another channel: refused before the proof is looked at', async () => {
  for (const password of ['pencil', 'wrong']) {
    const client = new ScramClient({ ...ann, password, flag: 'p=tls-exporter', data: Buffer.from('another channel') })
    assert.deepEqual((await run(PLUS, client.first, (s) => b64(client.final(s)))).result, failed('channel-binding'))
  }
})

test('a header that changes on the way', async () => {
  const [shown, kept] = [new ScramClient({ ...ann, nonce: 'x' }), new ScramClient({ ...ann, nonce: 'x', flag: 'y' })]
  assert.deepEqual((await run(PLAIN, shown.first, (s) => b64(kept.final(s)))).result, failed('channel-binding'))
})

test('what was heard before cannot be said again', async () => {
  const client = new ScramClient({ ...ann, nonce: 'same' })
  let heard = ''
  await run(
    PLAIN,
    client.first,
    (s) => (heard = b64(client.final(s))),
    () => '',
  )
  assert.deepEqual((await run(PLAIN, client.first, () => heard)).result, failed('malformed'), 'the nonce is another one')
})

test('the server does not say that it is the right password before the client has answered its signature', async () => {
  for (const [answer, expected] of [
    ['*', failed('cancelled')],
    [b64('x'), failed('malformed')],
    ['=', failed('malformed')],
  ] as const) {
    const client = new ScramClient(ann)
    const { result } = await run(
      PLAIN,
      client.first,
      (s) => b64(client.final(s)),
      () => answer,
    )
    assert.deepEqual(result, expected)
  }
})

for (const first of [
  '',
  'n',
  'n,',
  'n,,',
  'n,,n=ann',
  'n,,r=abc',
  'n,,n=,r=abc',
  'n,,n=ann,r=',
  'n,,n=ann,r=a b',
  'n,,n=ann,r=a\u00e9',
  'n,,n=a=nn,r=abc',
  'n,,n=a=2cnn,r=abc',
  'n,,n=a\0nn,r=abc',
  'n,,r=abc,n=ann',
  'n,,m=ext,n=ann,r=abc',
  'n,,n=ann,r=abc,',
  'n,,n=ann,r=abc,x',
  'n,,n=ann,r=abc,1=x',
  'n,,n=ann,r=abc,x=',
  'n,ann,n=ann,r=abc',
  'n,a=,n=ann,r=abc',
  'n,a=a=x,n=ann,r=abc',
  'x,,n=ann,r=abc',
  'N,,n=ann,r=abc',
  'p,,n=ann,r=abc',
  'p=,,n=ann,r=abc',
  'p=tls exporter,,n=ann,r=abc',
  'nn,,n=ann,r=abc',
  ' n,,n=ann,r=abc',
  'n,,n=ann,r=abc\n',
  `n,,n=ann,r=${'x'.repeat(8192)}`,
])
  test(`first message: ${JSON.stringify(first.slice(0, 40))}`, async () => {
    for (const name of [PLAIN, PLUS]) assert.deepEqual((await run(name, first)).result, failed('malformed'))
  })

const R = 'r=NONCE'
for (const [final, reason] of [
  ['', 'malformed'],
  [`c=biws,${R}`, 'malformed'],
  [`${R},p=AAAA`, 'malformed'],
  [`c=biws,p=AAAA`, 'malformed'],
  [`c=biws,${R},p=`, 'malformed'],
  [`c=biws,${R},p=AAA`, 'malformed'],
  [`c=biws,${R},p=AAAA,x=y`, 'malformed'],
  [`c=bi!s,${R},p=AAAA`, 'malformed'],
  [`c=,${R},p=AAAA`, 'malformed'],
  [`${R},c=biws,p=AAAA`, 'malformed'],
  [`p=AAAA,c=biws,${R}`, 'malformed'],
  [`c=biws,${R}x,p=AAAA`, 'malformed'],
  [`c=biws,r=abc,p=AAAA`, 'malformed'],
  [`c=eSws,${R},p=AAAA`, 'channel-binding'],
  [`c=biwsAA==,${R},p=AAAA`, 'channel-binding'],
  ['*', 'malformed'],
] as const)
  test(`last message: ${JSON.stringify(final)}`, async () => {
    const answer: Answer = (s) => b64(final.replace('NONCE', /^r=([^,]+)/.exec(s)![1]!))
    assert.deepEqual((await run(PLAIN, 'n,,n=ann,r=abc', answer)).result, failed(reason))
  })

test('extensions that are not known are passed over, and belong to what is signed', async () => {
  const client = new ScramClient(ann)
  const bent = (text: string) => text.replace(/,p=/, ',x=y,p=')
  assert.deepEqual((await run(PLAIN, client.first, (s) => b64(bent(client.final(s))))).result, { kind: 'invalid' })
})

test('a line that is not base64, and giving up', async () => {
  assert.deepEqual((await run(PLAIN, 'n,,n=ann,r=abc', () => 'c=biws')).result, failed('malformed'))
  assert.deepEqual((await run(PLAIN, 'n,,n=ann,r=abc', () => '*')).result, failed('cancelled'))
})
