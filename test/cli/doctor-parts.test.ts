/** Parts of `postern doctor` by themselves: names, certificate, queue, disk, and its own questions to the network, asked of this machine. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, test } from 'node:test'
import type { Finding, Seen } from '../../src/cli/checks/check.ts'
import { certificateFindings, isGeneric } from '../../src/cli/checks/host.ts'
import { diskFindings, queueFindings } from '../../src/cli/checks/house.ts'
import { dmarcTags } from '../../src/cli/checks/policies.ts'
import { aheadOf, reaches } from '../../src/cli/checks/world.ts'
import { lineOf } from '../../src/cli/doctor.ts'
import { shownCertificate } from '../../src/cli/zone/setting.ts'
import { checkConfig, parseConfig } from '../../src/config/load.ts'
import { reversed } from '../../src/net/dns/lists.ts'
import { words } from '../../src/serve/words.ts'
import type { QueueState } from '../../src/store/pg/queue/state.ts'
import { certificateFiles } from '../support/pem.ts'
import { removeFolder } from '../support/temp.ts'

const made = certificateFiles('mail.example.test')
after(() => removeFolder(made.dir))
const shown = { ...shownCertificate({ tls: made }, '/postern.yaml', '/')!, selfSigned: false }
const { config } = checkConfig(parseConfig('postern.yaml', 'hostname: mail.example.test\ndomains: [example.test]\n'), words)
const lines = (findings: readonly Finding[]): string[] => findings.map(lineOf)
const IP = '198.51.100.7'
const IP6 = '2600:1f18::25'

test('DMARC: tags', () => {
  for (const text of ['v=DMARC1; p=none', 'v=DMARC1;p=none;', 'v = DMARC1 ; p = none ; sp=reject'])
    assert.equal(dmarcTags(text)?.get('p'), 'none', text)
  for (const text of ['', 'p=none; v=DMARC1', 'v=DMARC1; p=none; p=reject', 'v=DMARC1 p', 'v=DMARC2; p=none', 'v=dmarc1; p=none'])
    assert.equal(dmarcTags(text), undefined, text)
})

test('names and addresses backwards', () => {
  assert.equal(reversed('192.0.2.1'), '1.2.0.192')
  assert.equal(reversed('2001:db8::1'), `1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2`)
  assert.equal(reversed('::ffff:192.0.2.1'), `1.0.2.0.0.0.0.c.f.f.f.f.${'0.'.repeat(19)}0`)
  assert.equal(reversed('1:2:3:4:5:6:7:8'), '8.0.0.0.7.0.0.0.6.0.0.0.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0')
  for (const name of [
    '198-51-100-7.isp.test',
    '7.100.51.198.isp.test',
    'c6336407.dsl.isp.test',
    'pool-3.isp.test',
    'static.x.isp.test',
    'h198051100007.isp.test',
  ])
    assert.ok(isGeneric(name, IP), name)
  for (const name of ['mail.example.test', 'mx7.example.test', 'dynamo.example.test', 'clientele.org', 'pools.example.test'])
    assert.ok(!isGeneric(name, IP), name)
  assert.ok(isGeneric('2600-1f18-0-0-0-0-0-25.isp.test', IP6))
  assert.ok(isGeneric('static.2600-1f18--25.isp.test', IP6))
  assert.ok(!isGeneric('mail.example.test', IP6))
})

test('the certificate', () => {
  const at = (days: number) => Date.parse(shown.leaf.validTo) - days * 86_400_000 - 1
  const say = (now: number, certificate: Seen['certificate'] | null = shown, authorities = [shown.pem]) =>
    lines(certificateFindings({ config, certificate: certificate ?? undefined }, now, authorities)).join('\n')
  assert.match(say(at(50)), /^ok {7}certificate: for mail\.example\.test, 50 days left$/)
  assert.match(say(at(15)), /^warning .*ends in 15 days/)
  assert.match(say(at(3)), /^wrong .*ends in 3 days/)
  assert.match(say(at(-3)), /^wrong .*ended/)
  assert.match(say(Date.parse(shown.leaf.validFrom) - 1), /^wrong .*begins/)
  assert.match(say(at(50), null), /^warning .*there is none yet/)
  assert.match(say(at(50), { ...shown, selfSigned: true }), /^warning .*self-signed/)
  assert.match(say(at(50), shown, []), /^wrong .*holds no chain/)
  const other = certificateFiles('other.test')
  const strange = shownCertificate({ tls: other }, '/postern.yaml', '/')!
  assert.match(say(at(50), strange), /^wrong .*not for mail\.example\.test/)
  assert.match(say(at(50), { ...shown, pem: shown.pem + strange.pem }), /^wrong .*number 2 of its chain did not sign number 1/)
  removeFolder(other.dir)
})

test('the queue, and the disk', () => {
  const HOUR = 3_600_000
  const now = Date.now()
  const empty: QueueState = { waiting: 0, held: 0, sending: 0, oldest: undefined, overdue: undefined, suspended: [], suspendedCount: 0 }
  const say = (queue: Partial<QueueState>) =>
    lines(queueFindings({ keys: [], complaint: undefined, acme: undefined, queue: { ...empty, ...queue } }, now))
  assert.match(say({}).join(), /^ok {7}queue: empty$/)
  assert.match(say({ waiting: 3, oldest: now - HOUR }).join(), /^ok {7}queue: 3 recipients wait, the oldest for 1 h$/)
  assert.match(say({ waiting: 3, oldest: now - 30 * HOUR }).join(), /^warning {2}queue: .*30 h/)
  assert.match(say({ waiting: 3, overdue: now - HOUR }).join(), /^wrong {4}queue: mail is due for 1 h and nobody sends it/)
  assert.match(say({ waiting: 3, sending: 1, overdue: now - HOUR }).join(), /^warning {2}queue: .*more comes in/)
  assert.match(say({ held: 1 }).join(), /^warning {2}queue: 1 recipient is held back/)
  assert.match(
    say({ waiting: 1, suspendedCount: 1, suspended: [{ domain: 'x.test', failures: 3, said: 'no answer' }] }).join(),
    /^warning {2}queue: 1 domain cannot be reached now: x\.test \(no answer\)$/,
  )
  const disk = (free: number, least: number) => lines(diskFindings('/nowhere', () => ({ free, least }))).join()
  assert.match(disk(8 * 1024 ** 3, 1024 ** 3), /^ok {7}disk: 8\.0 GiB free at \/nowhere$/)
  assert.match(disk(1.5 * 1024 ** 3, 1024 ** 3), /^warning/)
  assert.match(disk(1024, 1024 ** 3), /^wrong/)
  assert.match(disk(0, 0), /^skipped/)
})

test('the network: connections and the time', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await reaches('127.0.0.1', port)
  server.close()
  await assert.rejects(reaches('127.0.0.1', port), /the connection is refused/)

  const clock = createSocket('udp4')
  let stratum = 2
  clock.on('message', (asked, { port: from }) => {
    const answer = Buffer.alloc(48)
    answer[0] = 0x24
    answer[1] = stratum
    asked.copy(answer, 24, 40, 48)
    for (const at of [32, 40]) answer.writeUInt32BE((Math.floor(Date.now() / 1000) + 2_208_988_800 - 100) >>> 0, at)
    // Not an answer to what was asked: passed over.
    clock.send(Buffer.concat([answer.subarray(0, 24), Buffer.alloc(24)]), from, '127.0.0.1')
    clock.send(answer, from, '127.0.0.1')
  })
  clock.bind(0, '127.0.0.1')
  await once(clock, 'listening')
  const at = { port: clock.address().port, timeout: 5_000 }
  const ahead = await aheadOf('127.0.0.1', at)
  assert.ok(ahead >= 99_000 && ahead <= 102_000, String(ahead))
  stratum = 0
  await assert.rejects(aheadOf('127.0.0.1', at), /does not know the time/)
  clock.removeAllListeners('message')
  await assert.rejects(aheadOf('127.0.0.1', { ...at, timeout: 50 }), /no answer from 127\.0\.0\.1/)
  clock.close()
})
