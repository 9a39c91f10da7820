/** No network is trusted: where a client comes from, even the gateway of a container or an exempt address, lets it relay nothing. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { defaultGateways } from '../../../src/net/gateways.ts'
import { type Listener, listen } from '../../../src/net/listener.ts'
import { createTls } from '../../../src/net/tls.ts'
import { mxService, submissionService } from '../../../src/smtp/server.ts'
import { Client, openPresence, openThrottle, pair, people, RecordingStore } from './harness.ts'

/** Private networks (RFC 1918, 4193, 6598, 3927), Docker's own, addresses of our documentation; and this host's real gateways. */
const ORIGINS = [
  ...['10.0.0.1', '172.17.0.1', '172.18.0.1', '192.168.65.1', '192.168.1.1', '100.64.0.1', '169.254.1.1', '192.0.2.1', '203.0.113.5'],
  ...['fd00::1', 'fe80::1', 'fc00:1::1', '2001:db8::1', '::ffff:172.17.0.1'],
  ...defaultGateways(),
]
const GATEWAYS = ['172.17.0.1', 'fd00::1', ...defaultGateways()]

const tls = createTls(pair).service('test')
const store = new RecordingStore()
const { accounts, authenticator } = people([{ address: 'ann@example.org' }])
const exempt = new Set(['192.168.1.1', ...GATEWAYS])
const deps = {
  ...{ store, accounts, tls, throttle: openThrottle().throttle, log: silentLog(), hostname: 'mx.example.org', primaryDomain: 'example.org' },
  limits: { greetingDelayMs: 0, exempt },
}
const limits = { shared: GATEWAYS, exempt: ['192.168.1.1'] }
const common = { host: '127.0.0.1', port: 0, tls, detectMs: 20, proxyFrom: ['127.0.0.1'], limits, networkOf: String, log: silentLog() }
let mx: Listener
let submission: Listener
before(async () => {
  mx = await listen({ ...common, mode: 'starttls', serve: mxService(deps) })
  const serve = submissionService({ ...deps, authenticator, presence: openPresence, service: 'submission' })
  submission = await listen({ ...common, mode: 'both', serve })
})
after(() => Promise.all([mx.drain(1_000), submission.drain(1_000)]))

async function from(origin: string, { port }: Listener): Promise<Client> {
  const client = await Client.connect(port)
  const family = origin.includes(':') ? 'TCP6' : 'TCP4'
  client.write(`PROXY ${family} ${origin} ${family === 'TCP6' ? '::1' : '127.0.0.1'} 40000 25\r\n`)
  assert.match(await client.reply(), /^220 /)
  return client
}

test(`25: ${ORIGINS.length} origins relay nothing and cannot log in`, async () => {
  for (const origin of ORIGINS) {
    const client = await from(origin, mx)
    assert.doesNotMatch(await client.say('EHLO c'), /AUTH/)
    await client.expect(
      ['MAIL FROM:<ann@example.org>', '250'],
      ['RCPT TO:<victim@elsewhere.example>', '550 5.7.1'],
      ['RCPT TO:<ann@example.org>', '250'],
      ['AUTH PLAIN AGFubgBzZWNyZXQ=', '5'],
    )
    client.close()
  }
})

test('587: none of them sends without a login', async () => {
  for (const origin of ORIGINS) {
    const client = await from(origin, submission)
    await client.expect(['EHLO c', '250'], ['MAIL FROM:<ann@example.org>', '530'], ['RCPT TO:<victim@elsewhere.example>', '530'], ['DATA', '530'])
    client.close()
  }
})

test('the client of the header stands in Received', async () => {
  const client = await from('2001:db8::1', mx)
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<>', '250'], ['RCPT TO:<ann@example.org>', '250'], ['DATA', '354'])
  assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^250 /)
  assert.match(String(store.messages[0]?.text), /\r\nReceived: from c \(.*\[IPv6:2001:db8::1\]/)
  assert.doesNotMatch(String(store.messages[0]?.text), /127\.0\.0\.1/)
  client.close()
})
