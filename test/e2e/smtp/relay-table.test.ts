/** Tries to have mail carried to a stranger, one a row, on the real store: each is refused in its words, and the tables show that nothing came of it. */
import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { after, before, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { type Listener, listen } from '../../../src/net/listener.ts'
import { createTls } from '../../../src/net/tls.ts'
import { srsOf } from '../../../src/serve/outbound.ts'
import { mxService } from '../../../src/smtp/server.ts'
import { type House, outboundHouse } from '../outbound/house.ts'
import { Client, openThrottle, pair, people, plain, type Running, startSubmission } from './harness.ts'

const HOSTNAME = 'mail.example.test'
const VICTIM = 'victim@elsewhere.example'
const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))

const LOOPBACK = /^(?:127\.|::1$)/

type Step = readonly [line: string, code: string]
interface Try {
  readonly name: string
  readonly on: 'mx' | 'mx behind a balancer' | 'submission'
  /** Origin by a PROXY header. */
  readonly from?: string
  /** Closed without a word. */
  readonly closed?: true
  readonly steps: readonly Step[]
}

const EHLO: Step = ['EHLO c.example', '250']
const LOGIN: Step = [`AUTH PLAIN ${plain('anna@example.test')}`, '235']
const mail = (from: string, code = '250'): Step => [`MAIL FROM:<${from}>`, code]
const RELAY = '550 5.7.1 Relay access denied'

/** RCPT of a stranger's message, in whatever dress. */
const to = (path: string, code: string, parameters = ''): Try => ({
  name: `RCPT TO:<${path}>${parameters}`,
  on: 'mx',
  steps: [EHLO, [`MAIL FROM:<x@writer.example>${parameters}`, '250'], [`RCPT TO:<${path}>`, code], ['DATA', '503']],
})
const fromOrigin = (from: string): Try => ({
  name: `from ${from}`,
  on: 'mx behind a balancer',
  from,
  steps: [EHLO, mail('anna@example.test'), [`RCPT TO:<${VICTIM}>`, RELAY], ['DATA', '503']],
})
/** No balancer has such a client: who says so wants to be taken for this host. */
const fromNowhere = (from: string): Try => ({ name: `from ${from}`, on: 'mx behind a balancer', from, closed: true, steps: [] })
const sentBy = (sender: string): Try => ({
  name: `MAIL FROM:<${sender}>, to elsewhere`,
  on: 'mx',
  steps: [EHLO, mail(sender), [`RCPT TO:<${VICTIM}>`, RELAY], ['DATA', '503']],
})
const stranger = (name: string, ...steps: Step[]): Try => ({ name, on: 'mx', steps: [EHLO, ...steps] })
/** `steps` before and after a login. */
const submitted = (name: string, ...steps: Step[]): Try => ({ name, on: 'submission', steps: [EHLO, ...steps] })

const TRIES: readonly Try[] = [
  to(VICTIM, RELAY),
  to('VICTIM@ELSEWHERE.EXAMPLE', RELAY),
  to('victim@elsewhere.example.', '553 5.1.3'),
  to('anna@example.test.', '553 5.1.3'),
  to('anna@example.test.elsewhere.example', RELAY),
  to('anna@sub.example.test', RELAY),
  to(`anna@${HOSTNAME}`, RELAY),
  to('victim%elsewhere.example@example.test', '550 5.1.1'),
  to('victim%elsewhere.example%example.test@example.test', '550 5.1.1'),
  to('victim%elsewhere.example@[127.0.0.1]', RELAY),
  to('elsewhere.example!victim@example.test', '550 5.1.1'),
  to('example.test!elsewhere.example!victim', '553 5.1.3'),
  to('example.test!anna@elsewhere.example', RELAY),
  to(`@example.test:${VICTIM}`, RELAY),
  to(`@example.test,@${HOSTNAME}:${VICTIM}`, RELAY),
  to(`@[127.0.0.1],@example.test:${VICTIM}`, RELAY),
  to(`@example.test:@elsewhere.example:${VICTIM}`, '553 5.1.3'),
  to(`"${VICTIM}"@example.test`, '550 5.1.1'),
  to(`"${VICTIM}"`, '553 5.1.3'),
  to('"anna@example.test"@elsewhere.example', RELAY),
  to('"victim"@elsewhere.example', RELAY),
  to(`${VICTIM}@example.test`, '553 5.1.3'),
  to(`anna@example.test@elsewhere.example`, '553 5.1.3'),
  to(`anna@example.test,${VICTIM}`, '553 5.1.3'),
  to(`anna@example.test> <${VICTIM}`, '5'),
  to('victim@[127.0.0.1]', RELAY),
  to('victim@[192.0.2.1]', RELAY),
  to('victim@[IPv6:::1]', RELAY),
  to('victim@[IPv6:2001:db8::1]', RELAY),
  to('anna@[127.0.0.1]', RELAY),
  to('victim@127.0.0.1', '553 5.1.3'),
  to('victim@localhost', RELAY),
  to('victim', '553 5.1.3'),
  to('postmaster@elsewhere.example', RELAY),
  to('postmaster@[192.0.2.1]', RELAY),
  to('SRS0=AAAAAAAA=AA=elsewhere.example=victim@example.test', '550 5.7.1'),
  to('SRS1=AAAAAAAA=elsewhere.example==AAAA=AA=x.example=victim@example.test', '550 5.7.1'),
  // Our own domain in other letters: full-width ones are ours by IDNA's own rules, those that only look alike are not.
  to('victim@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.test', '550 5.1.1', ' SMTPUTF8'),
  to('anna@\u0435xample.test', RELAY, ' SMTPUTF8'),
  to('anna@exam\u0440le.test', RELAY, ' SMTPUTF8'),
  to('anna@xn--xample-2of.test', RELAY),
  to('anna@example\u3002test.elsewhere.example', RELAY, ' SMTPUTF8'),
  to('victim@elsewhere\uff0eexample', RELAY, ' SMTPUTF8'),
  to('\u0430nna@example.test', '550 5.1.1', ' SMTPUTF8'),
  to('v\u00efctim@elsewhere.example', '553 5.6.7'),
  to('v\u00efctim@elsewhere.example', RELAY, ' SMTPUTF8'),
  to('vic\0tim@elsewhere.example', '501 5.5.2'),
  to(`anna@example.test\0${VICTIM}`, '501 5.5.2'),
  to('vic\x1btim@elsewhere.example', '501 5.5.2'),
  to('victim\t@elsewhere.example', '501 5.5.2'),
  ...['', 'anna@example.test', 'postmaster@example.test', `MAILER-DAEMON@${HOSTNAME}`, 'x@[127.0.0.1]', 'root@localhost'].map(sentBy),
  ...['172.17.0.1', '172.18.0.1', 'fd00::1', '10.0.0.1', '192.168.65.1', '203.0.113.5', ...own.filter((address) => !LOOPBACK.test(address))].map(
    fromOrigin,
  ),
  ...['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1', '0.0.0.0', '::'].map(fromNowhere),
  stranger('XCLIENT', ['XCLIENT ADDR=127.0.0.1 LOGIN=anna@example.test', '500'], mail('anna@example.test'), [`RCPT TO:<${VICTIM}>`, RELAY]),
  stranger('XFORWARD', ['XFORWARD ADDR=127.0.0.1 SOURCE=LOCAL', '500'], mail('anna@example.test'), [`RCPT TO:<${VICTIM}>`, RELAY]),
  { name: 'PROXY from who is no balancer', on: 'mx', steps: [['PROXY TCP4 127.0.0.1 127.0.0.1 40000 25', '421']] },
  stranger('AUTH on 25', [LOGIN[0], '500'], mail('anna@example.test'), [`RCPT TO:<${VICTIM}>`, RELAY], ['DATA', '503']),
  stranger('AUTH= on 25', ['MAIL FROM:<x@writer.example> AUTH=anna@example.test', '555'], [`RCPT TO:<${VICTIM}>`, '503']),
  stranger('a second MAIL', mail(''), mail('anna@example.test', '503'), [`RCPT TO:<${VICTIM}>`, RELAY]),
  stranger('ETRN, TURN, ATRN', ['ETRN elsewhere.example', '500'], ['TURN', '500'], ['ATRN elsewhere.example', '500']),
  stranger('VRFY says nothing, EXPN is none', [`VRFY ${VICTIM}`, '252'], ['VRFY anna@example.test', '252'], ['EXPN team', '500']),
  stranger('SEND, SOML, SAML', [`SEND FROM:<${VICTIM}>`, '500'], [`SOML FROM:<${VICTIM}>`, '500'], [`SAML FROM:<${VICTIM}>`, '500']),
  stranger('DATA without MAIL', ['DATA', '503'], [`RCPT TO:<${VICTIM}>`, '503']),
  stranger('a bare LF between two RCPT', mail(''), [`RCPT TO:<anna@example.test>\nRCPT TO:<${VICTIM}>`, '500 5.5.2']),
  stranger(
    'forged Received',
    mail('anna@example.test'),
    [`RCPT TO:<${VICTIM}>`, RELAY],
    ['DATA', '503'],
    ['Received: from localhost ([127.0.0.1])', '500'],
  ),
  { name: 'nothing before EHLO', on: 'mx', steps: [mail('', '503'), [`RCPT TO:<${VICTIM}>`, '503'], ['DATA', '503']] },

  submitted('no login, to elsewhere', mail('anna@example.test', '530'), [`RCPT TO:<${VICTIM}>`, '530'], ['DATA', '530']),
  submitted('no login, to here', mail('anna@example.test', '530'), ['RCPT TO:<ben@example.test>', '530'], ['DATA', '530']),
  submitted('a failed login', [`AUTH PLAIN ${plain('anna@example.test', 'wrong')}`, '535'], mail('anna@example.test', '530'), [
    `RCPT TO:<${VICTIM}>`,
    '530',
  ]),
  submitted('a login that was given up', ['AUTH PLAIN', '334'], ['*', '501'], mail('anna@example.test', '530'), [`RCPT TO:<${VICTIM}>`, '530']),
  submitted(
    'a login as somebody else',
    [`AUTH PLAIN ${plain('anna@example.test', 'secret', 'ben@example.test')}`, '535'],
    mail('ben@example.test', '530'),
  ),
  submitted('a foreign MAIL FROM', LOGIN, mail('boss@elsewhere.example', '553 5.7.1'), [`RCPT TO:<${VICTIM}>`, '503']),
  submitted('the MAIL FROM of a neighbour', LOGIN, mail('ben@example.test', '553 5.7.1'), [`RCPT TO:<${VICTIM}>`, '503']),
  submitted('a neighbour behind AUTH=', LOGIN, ['MAIL FROM:<ben@example.test> AUTH=anna@example.test', '553 5.7.1'], ['DATA', '503']),
  submitted('a foreign From', ...[LOGIN, mail('anna@example.test'), [`RCPT TO:<${VICTIM}>`, '250'] as const, ['DATA', '354'] as const], [
    'From: boss@elsewhere.example\r\n\r\nx\r\n.',
    '550 5.7.1',
  ]),
  submitted(
    'the From of a neighbour, with AUTH= that names him',
    ...[LOGIN, ['MAIL FROM:<anna@example.test> AUTH=ben@example.test', '250'] as const, [`RCPT TO:<${VICTIM}>`, '250'] as const],
    ...[['DATA', '354'] as const, ['From: ben@example.test\r\n\r\nx\r\n.', '550 5.7.1'] as const],
  ),
]

let house: House
let mx: Listener
let balanced: Listener
let submission: Running
before(async () => {
  house = await outboundHouse()
  const { store, accounts, queue } = house
  const unknownRecipients = { tarpitAfter: 1_000, perHour: 1_000_000, delayMs: 0, held: 1, max: 1_000 }
  const limits = { greetingDelayMs: 0, unknownRecipients, exempt: new Set(['127.0.0.1', '::1', ...own]) }
  const common = { store, accounts, queue, srs: srsOf(accounts), throttle: openThrottle().throttle, primaryDomain: 'example.test', limits }
  const serve = mxService({ ...common, hostname: HOSTNAME, tls: createTls(pair).service('mx'), log: silentLog() })
  const door = { host: '127.0.0.1', port: 0, mode: 'starttls', tls: createTls(pair).service('mx'), detectMs: 1_000, networkOf: String } as const
  mx = await listen({ ...door, serve, log: silentLog() })
  balanced = await listen({ ...door, serve, proxyFrom: ['127.0.0.1'], log: silentLog() })
  const { authenticator } = people([{ address: 'anna@example.test' }], ['example.test'])
  const login = authenticator.login
  submission = await startSubmission({
    ...common,
    authenticator: {
      ...authenticator,
      async login(credentials) {
        const result = await login(credentials)
        return result.kind === 'ok' ? { kind: 'ok', access: house.anna, login: (await accounts.login('anna@example.test'))! } : result
      },
    },
  })
})
after(async () => {
  await Promise.all([mx?.drain(1_000), balanced?.drain(1_000), submission?.stop()])
  await house?.close()
})

async function arrive({ on, from, closed }: Omit<Try, 'name' | 'steps'>): Promise<Client> {
  if (on === 'submission') {
    const client = await Client.connectTls(submission.port)
    await client.reply()
    return client
  }
  const client = await Client.connect((on === 'mx' ? mx : balanced).port)
  if (from !== undefined)
    client.write(`PROXY ${from.includes(':') ? 'TCP6 ' : 'TCP4 '}${from} ${from.includes(':') ? '::1' : '127.0.0.1'} 40000 25\r\n`)
  assert.match(await client.reply(), closed ? /^$/ : /^220 /)
  return client
}

const rows = async (): Promise<Record<string, number>> => ({
  outbound: await house.count('select count(*) from outbound'),
  queue: await house.count('select count(*) from queue'),
  change: await house.count('select count(*) from change'),
  message: await house.count('select count(*) from message'),
  content: await house.count('select count(*) from content'),
})
const NOTHING = { outbound: 0, queue: 0, change: 0, message: 0, content: 0 }

async function attempt({ steps, ...one }: Try): Promise<void> {
  const client = await arrive(one)
  for (const [line, code] of steps) {
    client.write(Buffer.from(`${line}\r\n`, 'utf8'))
    const reply = await client.reply()
    assert.ok(reply.startsWith(code), `${JSON.stringify(line)}: ${reply}`)
  }
  client.close()
}

test(`${TRIES.length} tries, and not a row of it in any table`, async (t) => {
  assert.ok(TRIES.length >= 90)
  for (const one of TRIES) await t.test(`${one.on}: ${JSON.stringify(one.name)}`, () => attempt(one))
  assert.deepEqual(await rows(), NOTHING)
  // The same octets for somebody here do leave rows: they were looked for in the right places.
  await attempt(stranger('', mail(''), ['RCPT TO:<anna@example.test>', '250'], ['DATA', '354'], ['Subject: x\r\n\r\nx\r\n.', '250']))
  const { outbound, queue, content, change, message } = await rows()
  assert.deepEqual([outbound, queue, content, change! + message!], [0, 0, 1, 1])
})

test('a list, a forward and a catch-all send a stranger’s mail where the config says, whatever he writes', async () => {
  const account = { aliases: [], passwordHash: '$argon2id$none', quota: undefined }
  const onward = ['friend@elsewhere.example']
  await house.accounts.reconcile({
    domains: ['example.test'],
    accounts: [
      { ...account, address: 'anna@example.test' },
      { ...account, address: 'ben@example.test', inbound: { forward: { to: ['copy@elsewhere.example'], keep: false } } },
    ],
    catchAll: { 'example.test': 'anna@example.test' },
    lists: [{ address: 'team@example.test', owner: 'anna@example.test', members: [], onward }],
  })
  const names = TRIES.filter(({ on, name }) => on === 'mx' && name.startsWith('RCPT TO:<')).map(({ name }) => name)
  const dressed = ['team', 'ben'].flatMap((name) => [
    ...[`${name}`, `${name}+${VICTIM.replace('@', '=')}`, `${name}%elsewhere.example`, `elsewhere.example!${name}`, `"${name}"`, `"${name},victim"`],
  ])
  let taken = 0
  for (const line of [...names, ...dressed.map((local) => `RCPT TO:<${local}@example.test>`)]) {
    const client = await arrive({ on: 'mx' })
    await client.expect(EHLO, ['MAIL FROM:<x@writer.example> SMTPUTF8', '250'])
    client.write(Buffer.from(`${line.replace(/ SMTPUTF8$/, '')}\r\n`, 'utf8'))
    const reply = await client.reply()
    assert.match(reply, /^(?:250 |5\d\d )/, line)
    if (reply.startsWith('250')) {
      await client.expect(['DATA', '354'])
      const text = `To: ${VICTIM}\r\nCc: ${VICTIM}\r\nResent-To: ${VICTIM}\r\nX-Line: ${taken++}\r\n\r\nx\r\n.`
      assert.match(await client.say(text), /^250 /, line)
    }
    client.close()
  }
  assert.ok(taken >= 12, String(taken))
  const queued = await house.queue.list({ limit: 500 })
  const paths = new Set(queued.map(({ address }) => address))
  assert.deepEqual([...paths].sort(), ['copy@elsewhere.example', 'friend@elsewhere.example'])
})
