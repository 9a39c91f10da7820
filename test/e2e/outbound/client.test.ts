/** The client's side: what TLS has to be and is, relays and their logins, and what a server may do to us. */
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { after, afterEach, beforeEach, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { silentLog } from '../../../src/log.ts'
import type { Tlsa } from '../../../src/net/dns/dns.ts'
import { type ClientOptions, SmtpClient } from '../../../src/smtp/outbound/client.ts'
import { Connections } from '../../../src/smtp/outbound/connections.ts'
import type { OutgoingMail } from '../../../src/smtp/outbound/envelope.ts'
import { Failure } from '../../../src/smtp/outbound/failure.ts'
import { NOTIFY, NOTIFY_DEFAULT } from '../../../src/store/queue.ts'
import { type Given, makeAuthority } from '../../support/authority.ts'
import { type Peer, startPeer } from './peer.ts'

let peer: Peer
const open: SmtpClient[] = []
beforeEach(async () => {
  peer = await startPeer()
})
afterEach(async () => {
  for (const client of open.splice(0)) client.close()
  await peer.close()
})

const FAST = { connect: 1_000, greeting: 500, command: 500, data: 500, block: 500, dot: 500, handshake: 500 }
async function connect(more: Partial<ClientOptions> = {}): Promise<SmtpClient> {
  const options = {
    host: 'localhost',
    address: '127.0.0.1',
    port: peer.port,
    hostname: 'us.test',
    tls: { kind: 'opportunistic' },
    timeouts: FAST,
    ...more,
  } as const
  const client = await SmtpClient.open(options)
  open.push(client)
  return client
}
const failure = async (what: Promise<unknown>): Promise<Failure> => {
  const err = await what.then(
    () => assert.fail('it worked'),
    (why: unknown) => why,
  )
  assert.ok(err instanceof Failure, String(err))
  return err
}

const mail = (more: Partial<OutgoingMail> = {}): OutgoingMail => ({
  ...{
    reversePath: 'a@us.test',
    recipients: [{ address: 'b@them.test', notify: NOTIFY.failure }],
    size: 20,
    eightBit: false,
    utf8: false,
    requireTls: false,
  },
  ...more,
})
async function* text(what = 'Subject: x\r\n\r\ny\r\n'): AsyncGenerator<Buffer> {
  yield Buffer.from(what)
}
const send = (client: SmtpClient, more: Partial<OutgoingMail> = {}, what?: string) =>
  client.send(
    mail(more),
    () => text(what),
    async () => true,
  )

test('a certificate of an authority that is trusted, for this name, or none of our mail', async () => {
  const by = async (tls: ClientOptions['tls'], host = 'localhost') => (await connect({ tls, host })).secured?.by
  assert.equal(await by({ kind: 'opportunistic' }), 'nobody')
  assert.equal(await by({ kind: 'encrypt' }), 'nobody')
  assert.equal(await by({ kind: 'verify', ca: peer.pem.cert }), 'authority')
  assert.match((await failure(connect({ tls: { kind: 'verify' } }))).said, /cannot be trusted/)
  assert.match((await failure(connect({ tls: { kind: 'verify', ca: peer.pem.cert }, host: 'other.test' }))).said, /other\.test/)
  peer.extensions = peer.extensions.filter((x) => x !== 'STARTTLS')
  for (const kind of ['encrypt', 'verify'] as const) {
    const { permanent, status, elsewhere } = await failure(connect({ tls: { kind } }))
    assert.deepEqual([permanent, status, elsewhere], [false, '4.7.4', true])
  }
  assert.equal((await connect()).secured, undefined)
})

test('certificates that look right and are not: none of our mail where one has to hold, all of it where none has to', async () => {
  const root = makeAuthority()
  const between = root.give({ names: ['Between'], authority: true })
  const chained = between.give({ names: ['localhost'] })
  const someone = root.give({ names: ['someone.test'] })
  const bad: Record<string, [Given, RegExp]> = {
    'of yesterday': [root.give({ names: ['localhost'], from: -10, to: -1 }), /CERT_HAS_EXPIRED/],
    'of tomorrow': [root.give({ names: ['localhost'], from: 1 }), /CERT_NOT_YET_VALID/],
    'for another name': [someone, /ALTNAME_INVALID/],
    'for its subdomains': [root.give({ names: ['*.localhost'] }), /ALTNAME_INVALID/],
    'of another authority': [makeAuthority('Other').give({ names: ['localhost'] }), /cannot be trusted/],
    'by somebody who is no authority': [someone.give({ names: ['localhost'] }), /cannot be trusted/],
    'without the one between': [
      { ...chained, cert: chained.cert.slice(0, chained.cert.indexOf('-----END CERTIFICATE-----') + 26) },
      /cannot be trusted/,
    ],
    'that it gave itself': [makeAuthority('localhost'), /cannot be trusted/],
  }
  for (const [what, [given, words]] of Object.entries(bad)) {
    peer.pem = given
    const { said, permanent, status, elsewhere } = await failure(connect({ tls: { kind: 'verify', ca: root.cert } }))
    assert.match(said, words, what)
    assert.deepEqual([permanent, status, elsewhere], [false, '4.7.5', true], what)
    assert.equal((await connect()).secured?.by, 'nobody', what)
  }
  peer.pem = chained
  assert.equal((await connect({ tls: { kind: 'verify', ca: root.cert } })).secured?.by, 'authority')
  assert.deepEqual([peer.took.length, peer.lines.some((line) => line.startsWith('MAIL'))], [0, false])
})

const leafOf = (pem: string): X509Certificate => new X509Certificate(pem)
const digest = (algorithm: string, octets: Buffer): Buffer => createHash(algorithm).update(octets).digest()

test('DANE: the certificate or its key, whole or digested, and nothing else', async () => {
  const leaf = leafOf(peer.pem.cert)
  const spki = leaf.publicKey.export({ type: 'spki', format: 'der' })
  const by = (record: Partial<Tlsa>, names = ['localhost']) => {
    const records = [{ usage: 3, selector: 1, matchingType: 1, certificate: digest('sha256', spki), ...record }]
    return connect({ tls: { kind: 'dane', records, names } }).then((client) => client.secured?.by)
  }
  for (const record of [
    {},
    { matchingType: 2, certificate: digest('sha512', spki) },
    { matchingType: 0, certificate: spki },
    { selector: 0, certificate: digest('sha256', leaf.raw) },
    { usage: 2, selector: 0, certificate: digest('sha256', leaf.raw) },
  ])
    assert.equal(await by(record), 'dane')
  // What a CA says does not matter, and a name does only under a trust anchor.
  assert.equal(await by({}, ['elsewhere.test']), 'dane')
  for (const [record, names] of [
    [{ certificate: digest('sha256', leaf.raw) }, undefined],
    [{ matchingType: 2 }, undefined],
    [{ usage: 1 }, undefined],
    [{ usage: 2 }, ['elsewhere.test']],
  ] as const)
    assert.match((await failure(by(record, names ? [...names] : undefined))).said, /TLSA/)
})

test('octets in the clear behind the go-ahead for TLS end it', async () => {
  peer.script = (line) => (line === 'STARTTLS' ? '220 go\r\n250-evil\r\n250 STARTTLS' : undefined)
  assert.match((await failure(connect())).said, /wrote before TLS|No secure connection/)
})

test('a relay: TLS from the first octet, login by PLAIN or LOGIN, never in the clear', async () => {
  const login = { user: 'us', password: 'secret' }
  peer.extensions.push('AUTH PLAIN LOGIN')
  await connect({ login })
  assert.ok(peer.lines.includes(`AUTH PLAIN ${Buffer.from('\0us\0secret').toString('base64')}`))
  peer.extensions = ['STARTTLS', 'AUTH=LOGIN']
  peer.script = (line) =>
    line === 'AUTH LOGIN' ? '334 VXNlcm5hbWU6' : line === 'dXM=' ? '334 UGFzc3dvcmQ6' : line === 'c2VjcmV0' ? '235 in' : undefined
  await connect({ login })
  peer.script = (line) => (line.startsWith('AUTH') ? '535 5.7.8 no' : undefined)
  const { permanent, said } = await failure(connect({ login }))
  assert.deepEqual([permanent, said], [false, '535 5.7.8 no'], 'a wrong password is no reason to bounce everything')
  peer.extensions = ['AUTH PLAIN']
  assert.match((await failure(connect({ login }))).said, /in the clear/)
  const server = createTlsServer(peer.pem, (socket) => {
    socket.write('220 tls\r\n')
    socket.on('data', () => socket.write('250 x\r\n')).on('error', () => {})
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  after(() => server.close())
  const client = await connect({ start: 'implicit', tls: { kind: 'verify', ca: peer.pem.cert }, port: (server.address() as { port: number }).port })
  assert.equal(client.secured?.by, 'authority')
})

test('a relay whose TLS breaks gets no password in the clear', async () => {
  peer.extensions.push('AUTH PLAIN')
  // It says that it begins, and does not.
  peer.script = (line) => (line === 'STARTTLS' ? '220 go close' : undefined)
  const connections = new Connections({ hostname: 'us.test', timeouts: FAST, log: silentLog() })
  const login = { user: 'us', password: 'secret' }
  const hop = { host: 'localhost', address: '127.0.0.1', port: peer.port, tls: { kind: 'opportunistic' }, login } as const
  const way = { key: 'relay', changes: false, hosts: ['localhost'], hops: async () => [hop] }
  const { permanent, status } = await failure(connections.open(way).next())
  assert.deepEqual([permanent, status], [false, '4.7.5'])
  assert.ok(!peer.lines.some((line) => line.startsWith('AUTH')), `${peer.lines}`)
})

test('what is asked of the server it has to offer: size, SMTPUTF8, REQUIRETLS; DSN goes along where it does', async () => {
  const client = await connect()
  const refused = async (more: Partial<OutgoingMail>) => (await failure(send(client, more))).status
  assert.equal(await refused({ size: 2_000_000 }), '5.3.4')
  const unsafe = await failure(send(client, { requireTls: true }))
  // RFC 8689 §4.2.1: another host may.
  assert.deepEqual([unsafe.status, unsafe.permanent, unsafe.elsewhere], ['5.7.30', true, true])
  await send(client, { envelopeId: 'e+2B', ret: 'HDRS', eightBit: true, recipients: [{ address: 'b@them.test', notify: 5, original: 'rfc822;x' }] })
  assert.ok(peer.lines.includes('MAIL FROM:<a@us.test> SIZE=20 BODY=8BITMIME RET=HDRS ENVID=e+2B'))
  assert.ok(peer.lines.includes('RCPT TO:<b@them.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x'))
  await send(client, { utf8: true })
  assert.ok(peer.lines.includes('MAIL FROM:<a@us.test> SIZE=20 BODY=8BITMIME SMTPUTF8'))
  await send(client, { recipients: [{ address: 'c@them.test', notify: NOTIFY_DEFAULT }] })
  assert.ok(peer.lines.includes('RCPT TO:<c@them.test>'), 'who said nothing has nothing said for him')
  peer.extensions = ['SIZE 0']
  const plain = await connect()
  assert.equal((await failure(send(plain, { recipients: [{ address: 'grün@them.test', notify: 2 }] }))).status, '5.6.7')
  await send(plain, { size: 5_000_000, eightBit: true, envelopeId: 'x' })
  assert.ok(peer.lines.includes('MAIL FROM:<a@us.test> SIZE=5000000'))
})

test('nobody accepted, but DATA is: an empty text goes to nobody, and the connection lives', async () => {
  peer.script = (line) => (line.startsWith('RCPT') ? '550 5.1.1 no' : line === 'DATA' ? '354 go' : line === '.' ? '554 5.5.1 nobody' : undefined)
  const client = await connect()
  const [said] = await send(client)
  assert.ok(said instanceof Failure && said.permanent)
  assert.equal(peer.took.length, 0)
  peer.script = () => undefined
  assert.ok(client.usable)
  const [next] = await send(client)
  assert.ok(!(next instanceof Failure))
  assert.deepEqual(
    peer.took.map(({ text }) => text),
    ['Subject: x\r\n\r\ny\r\n'],
  )
})

test('no bare line end leaves, and no line that ends the text before its end', async () => {
  const client = await connect()
  await send(client, {}, 'Subject: x\n\ny\n.\nMAIL FROM:<evil@x>\n.\r\nz')
  assert.deepEqual(
    peer.took.map(({ text }) => text),
    ['Subject: x\r\n\r\ny\r\n.\r\nMAIL FROM:<evil@x>\r\n.\r\nz\r\n'],
  )
})

test('somebody else has it by now: the text is not ended', async () => {
  const client = await connect()
  await failure(
    client.send(
      mail(),
      () => text(),
      async () => false,
    ),
  )
  await new Promise((done) => setTimeout(done, 50))
  assert.deepEqual([peer.took.length, client.usable], [0, false])
})

test('silence, rubbish, endless replies and early ends are failures that leave hope', async () => {
  for (const greeting of [
    'hang',
    'close',
    'HTTP/1.1 400 Bad Request',
    `220-${'x'.repeat(5000)}`,
    Array(300).fill('220-again').join('\r\n'),
    '554 5.7.1 go away',
    '\0\0\0',
  ]) {
    peer.script = (line) => (line === 'CONNECT' ? greeting : undefined)
    const { permanent, elsewhere } = await failure(connect())
    assert.deepEqual([permanent, elsewhere], [false, true], greeting.slice(0, 20))
  }
  peer.script = (line) => (line.startsWith('EHLO') ? '421 4.3.2 later' : undefined)
  assert.equal((await failure(connect())).elsewhere, true)
  const words = '550 5.1.1 \x1b[31mno\x07 such \xff user'
  peer.script = (line) => (line.startsWith('RCPT') ? words : undefined)
  const [said] = await send(await connect())
  assert.match((said as Failure).said, /^550 5\.1\.1 [\x20-\x7e]+$/)
})
