/** `postern doctor`: a healthy domain, then one thing after the other that is not as it should be. No test asks the internet. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, test } from 'node:test'
import type { Finding, Seen, World } from '../../src/cli/checks/check.ts'
import { examine, lineOf } from '../../src/cli/doctor.ts'
import { tlsaOf } from '../../src/cli/zone/records.ts'
import { shownCertificate } from '../../src/cli/zone/setting.ts'
import { checkConfig, parseConfig } from '../../src/config/load.ts'
import { dkimRecord } from '../../src/mail/dkim-record.ts'
import { reversed } from '../../src/net/dns/lists.ts'
import { servedPorts } from '../../src/serve/served.ts'
import { words } from '../../src/serve/words.ts'
import type { SigningKey } from '../../src/store/dkim.ts'
import { fakeDns, type Zone } from '../e2e/outbound/peer.ts'
import { certificateFiles } from '../support/pem.ts'
import { seeded } from '../support/random.ts'
import { removeFolder } from '../support/temp.ts'

const IP = '198.51.100.7'
const IP6 = '2600:1f18::25'
const made = certificateFiles('mail.example.test')
after(() => removeFolder(made.dir))
const shown = { ...shownCertificate({ tls: made }, '/postern.yaml', '/')!, selfSigned: false }
const keyOf = (algorithm: SigningKey['algorithm'], selector: string, created = 1): SigningKey => {
  const { privateKey } = algorithm === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519')
  return { domain: 'example.test', selector, algorithm, created, privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}
const RSA = keyOf('rsa', 'r1')
const ED = keyOf('ed25519', 'e1')
const srv = (target: string, port: number): Zone => ({ SRV: [{ priority: 0, weight: 1, port, target }] })

const HEALTHY: Record<string, Zone> = {
  'example.test': { MX: [{ preference: 10, exchange: 'mail.example.test' }], TXT: ['v=spf1 mx -all', 'some-site-verification=1'] },
  'mail.example.test': { A: [IP], AAAA: [IP6] },
  [`${reversed(IP)}.in-addr.arpa`]: { PTR: ['mail.example.test'] },
  [`${reversed(IP6)}.ip6.arpa`]: { PTR: ['mail.example.test'] },
  '_25._tcp.mail.example.test': { TLSA: [tlsaOf(shown)], secure: true },
  'r1._domainkey.example.test': { TXT: [dkimRecord(RSA.privateKey)] },
  'e1._domainkey.example.test': { TXT: [`p=${dkimRecord(ED.privateKey).split('p=')[1]}; k=ed25519`] },
  '_dmarc.example.test': { TXT: ['v=DMARC1; p=quarantine; rua=mailto:postmaster@example.test!10m'] },
  '_smtp._tls.example.test': { TXT: ['v=TLSRPTv1; rua=mailto:postmaster@example.test'] },
  '_mta-sts.example.test': { TXT: ['v=STSv1; id=20260101;'] },
  '_submissions._tcp.example.test': srv('mail.example.test', 465),
  '_submission._tcp.example.test': srv('mail.example.test', 587),
  '_imaps._tcp.example.test': srv('mail.example.test', 993),
  '_pop3s._tcp.example.test': srv('mail.example.test', 995),
  '_imap._tcp.example.test': srv('', 0),
  'big.test': { MX: [{ preference: 1, exchange: 'in.big.test' }] },
  'in.big.test': { A: ['192.0.2.25', '203.0.113.25'] },
}

interface Changes extends Partial<Omit<Seen, 'world'>> {
  readonly zones?: Record<string, Zone | undefined>
  readonly world?: Partial<World>
  readonly yaml?: string
}

function seen({ zones = {}, world = {}, yaml = '', ...more }: Changes = {}): Seen {
  const { config } = checkConfig(parseConfig('postern.yaml', `hostname: mail.example.test\ndomains: [example.test]\n${yaml}`), words)
  const all = Object.fromEntries(Object.entries({ ...HEALTHY, ...zones }).filter((entry): entry is [string, Zone] => entry[1] !== undefined))
  return {
    ...{
      config,
      domains: ['example.test'],
      ports: servedPorts(config, undefined),
      addresses: [IP],
      certificate: shown,
      keys: [RSA, ED],
      reach: 'big.test',
    },
    world: {
      dns: fakeDns(all),
      connect: async (address, port) => assert.deepEqual([address, port], ['192.0.2.25', 25]),
      clock: async () => 40,
      policy: async () => ({ mode: 'enforce', mx: ['mail.example.test'], maxAge: 86_400 }),
      ...world,
    },
    ...more,
  }
}

const lines = (findings: readonly Finding[]): string[] => findings.map(lineOf)

/** What is not as in the healthy one. */
async function differs(changes: Changes): Promise<string[]> {
  const healthy = new Set(lines(await examine(seen())))
  return lines(await examine(seen(changes))).filter((line) => !healthy.has(line))
}

test('lists that the config asks about clients: each has the entry that every list has, or is warned of', async () => {
  const yaml = `inbound: {dnsbl: [${['works', 'gone', 'blind', 'all'].map((zone) => `{zone: ${zone}.test, action: junk}`)}]}`
  const zones = {
    '2.0.0.127.works.test': { A: ['127.0.0.2'] },
    '2.0.0.127.blind.test': { A: ['127.255.255.254'] },
    '2.0.0.127.all.test': { A: ['127.0.0.2'] },
    '1.0.0.127.all.test': { A: ['127.0.0.2'] },
  }
  const findings = await examine(seen({ zones, yaml }))
  assert.deepEqual(
    findings.filter(({ about }) => about.includes('inbound')).map(({ verdict, about }) => [verdict, about]),
    [
      ['ok', '"inbound.dnsbl", works.test'],
      ['warning', '"inbound.dnsbl", gone.test'],
      ['warning', '"inbound.dnsbl", blind.test'],
      ['warning', '"inbound.dnsbl", all.test'],
    ],
  )
})

test('a healthy domain: nothing to do', async () => {
  const findings = await examine(seen())
  assert.deepEqual(lines(findings.filter(({ verdict }) => verdict !== 'ok')), [])
  assert.deepEqual(
    findings.map(({ about }) => about),
    [
      'address of mail.example.test',
      `reverse name of ${IP}`,
      `reverse name of ${IP6}`,
      `block lists, ${IP}`,
      `block lists, ${IP6}`,
      'TLSA of mail.example.test',
      'way out, port 25',
      'clock',
      ...['MX', 'SPF', 'DKIM', 'DMARC', 'MTA-STS', 'TLS-RPT', 'SRV', 'set-up'].map((what) => `${what} of example.test`),
    ],
  )
})

const txt = (...TXT: string[]): Zone => ({ TXT })
const mx = (exchange: string): Zone => ({ MX: [{ preference: 1, exchange }], TXT: ['v=spf1 a:mail.example.test -all'] })

const STS = /^wrong {4}MTA-STS .*does not name/
const CASES: readonly (readonly [name: string, changes: Changes, ...said: RegExp[]])[] = [
  ['no MX', { zones: { 'example.test': txt('v=spf1 a:mail.example.test -all') } }, /^wrong {4}MX of example\.test: there is none/],
  ['null MX', { zones: { 'example.test': mx('') } }, /^wrong {4}MX .*takes no mail/],
  [
    'MX elsewhere',
    { zones: { 'example.test': mx('in.big.test') } },
    /^wrong {4}MX .*in\.big\.test \(1\), and none of them is mail\.example\.test/,
    STS,
  ],
  ['MX is an address', { zones: { 'example.test': mx('198.51.100.7') } }, /^wrong {4}MX .*is an address/, /^wrong {4}MX .*none of them/, STS],
  [
    'MX is an alias',
    { zones: { 'example.test': mx('mx.example.test'), 'mx.example.test': { CNAME: ['mail.example.test'], A: [IP] } } },
    /^wrong {4}MX .*mx\.example\.test is an alias \(CNAME\)/,
    STS,
  ],
  [
    'MX by another name of ours',
    { zones: { 'example.test': mx('mx.example.test'), 'mx.example.test': { A: [IP] } } },
    /^ok {7}MX .*mx\.example\.test/,
    STS,
  ],
  ['no SPF', { zones: { 'example.test': { MX: HEALTHY['example.test']!.MX! } } }, /^wrong {4}SPF .*there is none/],
  [
    'SPF of others',
    { zones: { 'example.test': { ...HEALTHY['example.test'], TXT: ['v=spf1 ip4:192.0.2.1 -all'] } } },
    /^wrong {4}SPF .*does not let 198\.51\.100\.7 \(fail\), 2600:1f18::25 \(fail\) send/,
  ],
  [
    'SPF by IPv4 alone',
    { zones: { 'example.test': { ...HEALTHY['example.test'], TXT: [`v=spf1 ip4:${IP} ~all`] } } },
    /^wrong {4}SPF .*does not let 2600:1f18::25 \(softfail\)/,
  ],
  ['SPF for everybody', { zones: { 'example.test': { ...HEALTHY['example.test'], TXT: ['v=spf1 mx +all'] } } }, /^wrong {4}SPF .*lets everybody/],
  ['SPF twice', { zones: { 'example.test': { ...HEALTHY['example.test'], TXT: ['v=spf1 mx -all', 'v=spf1 -all'] } } }, /^wrong {4}SPF .*2 of them/],
  ['SPF in rubbish', { zones: { 'example.test': { ...HEALTHY['example.test'], TXT: ['v=spf1 mx nonsense:: -all'] } } }, /^wrong {4}SPF .*permerror/],
  ['SPF with another text', { zones: { 'example.test': { ...HEALTHY['example.test'], TXT: [`v=spf1 ip6:${IP6} a:mail.example.test ?all`] } } }],
  ['no keys', { keys: [] }, /^wrong {4}DKIM .*postern dkim add example\.test/],
  ['keys unknown', { keys: undefined }, /^skipped {2}DKIM/],
  [
    'a key of another',
    { zones: { 'r1._domainkey.example.test': txt(dkimRecord(ED.privateKey)), 'e1._domainkey.example.test': undefined } },
    /^wrong {4}DKIM .*none of its 2 keys/,
  ],
  ['Ed25519 alone', { zones: { 'r1._domainkey.example.test': undefined } }, /^warning {2}DKIM .*e1 \(ed25519\) alone/],
  ['a newer key', { keys: [keyOf('rsa', 'r2', 5), RSA, ED] }, /^warning {2}DKIM .*r2 is newer and not in the DNS/],
  ['no DMARC', { zones: { '_dmarc.example.test': undefined } }, /^wrong {4}DMARC .*there is none/],
  ['DMARC twice', { zones: { '_dmarc.example.test': txt('v=DMARC1; p=none', 'v=DMARC1; p=reject') } }, /^wrong {4}DMARC .*2 records/],
  ['DMARC none', { zones: { '_dmarc.example.test': txt('v=DMARC1;p=none') } }, /^warning {2}DMARC .*make it quarantine/],
  ['DMARC in rubbish', { zones: { '_dmarc.example.test': txt('v=DMARC1; p=maybe') } }, /^wrong {4}DMARC .*makes no sense/],
  ['DMARC to nowhere', { zones: { '_dmarc.example.test': txt('v=DMARC1; p=reject; rua=postmaster@example.test') } }, /^wrong {4}DMARC .*no mailto/],
  [
    'DMARC reports to a stranger',
    { zones: { '_dmarc.example.test': txt('v=DMARC1; p=reject; rua=mailto:a@big.test') } },
    /^warning {2}DMARC .*example\.test\._report\._dmarc\.big\.test/,
  ],
  [
    'DMARC reports to one who agrees',
    { zones: { '_dmarc.example.test': txt('v=DMARC1; p=reject; rua=mailto:a@big.test'), 'example.test._report._dmarc.big.test': txt('v=DMARC1') } },
    /^ok {7}DMARC of example\.test: reject$/,
  ],
  ['no MTA-STS', { zones: { '_mta-sts.example.test': undefined } }, /^ok {7}MTA-STS .*none/],
  ['MTA-STS without id', { zones: { '_mta-sts.example.test': txt('v=STSv1') } }, /^wrong {4}MTA-STS .*makes no sense/],
  [
    'MTA-STS for another host',
    { world: { policy: async () => ({ mode: 'enforce', mx: ['*.big.test'], maxAge: 1 }) } },
    /^wrong {4}MTA-STS .*does not name mail\.example\.test/,
  ],
  [
    'MTA-STS in tests',
    { world: { policy: async () => ({ mode: 'testing', mx: ['*.example.test'], maxAge: 1 }) } },
    /^warning {2}MTA-STS .*"testing"/,
  ],
  ['MTA-STS with a certificate of nobody', { certificate: { ...shown, selfSigned: true } }, /^wrong {4}MTA-STS .*self-signed/],
  [
    'MTA-STS without a file',
    { world: { policy: () => Promise.reject(new Error('mta-sts.example.test answers 404')) } },
    /^wrong {4}MTA-STS .*answers 404/,
  ],
  ['TLS-RPT in rubbish', { zones: { '_smtp._tls.example.test': txt('v=TLSRPTv1; rua=here') } }, /^wrong {4}TLS-RPT/],
  [
    'no SRV',
    { zones: { '_imaps._tcp.example.test': undefined, '_pop3s._tcp.example.test': undefined } },
    /^warning {2}SRV .*_imaps\._tcp, _pop3s\._tcp: not there/,
  ],
  [
    'SRV to another port',
    { zones: { '_imaps._tcp.example.test': srv('mail.example.test', 143) } },
    /^wrong {4}SRV .*_imaps\._tcp names port 143, and it is served on 993/,
  ],
  ['SRV to another host', { zones: { '_imaps._tcp.example.test': srv('imap.big.test', 993) } }, /^wrong {4}SRV .*names imap\.big\.test and not/],
  ['SRV says that there is none', { zones: { '_imaps._tcp.example.test': srv('', 0) } }, /^wrong {4}SRV .*says that there is none/],
  ['SRV of what is not here', { zones: { '_pop3._tcp.example.test': srv('mail.example.test', 110) } }, /^wrong {4}SRV .*_pop3\._tcp names mail/],
  [
    'a private address',
    { zones: { 'mail.example.test': { A: ['10.0.0.1'] } }, addresses: [] },
    /^wrong {4}address .*10\.0\.0\.1 cannot be reached/,
    /^wrong {4}SPF|^ok {7}SPF/,
  ],
  [
    'another address of the machine',
    { addresses: [IP, '2600:1f18:0::99'] },
    /^warning {2}address .*has 2600:1f18::99 as well/,
    /^wrong {4}reverse name of 2600:1f18::99: there is none/,
    /^ok {7}block lists, 2600:1f18::99/,
    /^wrong {4}SPF .*2600:1f18::99/,
  ],
  ['no reverse name', { zones: { [`${reversed(IP)}.in-addr.arpa`]: undefined } }, /^wrong {4}reverse name of 198\.51\.100\.7: there is none/],
  [
    'a reverse name that is not confirmed',
    { zones: { [`${reversed(IP)}.in-addr.arpa`]: { PTR: ['in.big.test'] } } },
    /^wrong {4}reverse name .*has not this address/,
  ],
  [
    'a generic reverse name',
    { zones: { [`${reversed(IP)}.in-addr.arpa`]: { PTR: ['198-51-100-7.isp.test'] }, '198-51-100-7.isp.test': { A: [IP] } } },
    /^warning {2}reverse name .*looks like that of any customer/,
  ],
  [
    'another reverse name',
    { zones: { [`${reversed(IP)}.in-addr.arpa`]: { PTR: ['web.example.test'] }, 'web.example.test': { A: [IP] } } },
    /^ok {7}reverse name .*web\.example\.test; mail/,
  ],
  [
    'listed',
    { zones: { [`${reversed(IP)}.zen.spamhaus.org`]: { A: ['127.0.0.4', '127.0.0.9'] } } },
    /^wrong {4}block lists, 198\.51\.100\.7: zen\.spamhaus\.org has it \(127\.0\.0\.4, 127\.0\.0\.9\)/,
    /^ok {7}block lists, 198.*not in bl\.spamcop/,
  ],
  ['listed, lightly', { zones: { [`${reversed(IP)}.psbl.surriel.com`]: { A: ['127.0.0.2'] } } }, /^warning {2}block lists/, /^ok {7}block lists/],
  ['a list that is no list any more', { zones: { [`${reversed(IP)}.bl.spamcop.net`]: { A: ['91.195.240.87'] } } }],
  [
    'a list that has everybody',
    { zones: { [`${reversed(IP)}.bl.spamcop.net`]: { A: ['127.0.0.2'] }, '1.0.0.127.bl.spamcop.net': { A: ['127.0.0.2'] } } },
    /^skipped {2}block lists.*bl\.spamcop\.net gives no answer/,
    /^ok {7}block lists/,
  ],
  [
    'a list that does not answer public resolvers',
    { zones: { [`${reversed(IP6)}.zen.spamhaus.org`]: { A: ['127.255.255.254'] } } },
    /^skipped {2}block lists, 2600.*"dns\.servers"/,
    /^ok {7}block lists/,
  ],
  ['no TLSA', { zones: { '_25._tcp.mail.example.test': undefined } }, /^ok {7}TLSA .*none/],
  [
    'TLSA of another key',
    { zones: { '_25._tcp.mail.example.test': { TLSA: [{ ...tlsaOf(shown), certificate: Buffer.alloc(32) }], secure: true } } },
    /^wrong {4}TLSA .*none of them is that of the certificate/,
  ],
  [
    'TLSA of another usage',
    { zones: { '_25._tcp.mail.example.test': { TLSA: [{ ...tlsaOf(shown), usage: 1 }], secure: true } } },
    /^warning {2}TLSA .*3 1 1/,
  ],
  ['TLSA without DNSSEC', { zones: { '_25._tcp.mail.example.test': { TLSA: [tlsaOf(shown)] } } }, /^warning {2}TLSA .*DNSSEC does not sign/],
  [
    'no way out',
    { world: { connect: () => Promise.reject(new Error('no answer')) } },
    /^wrong {4}way out, port 25: in\.big\.test \(192\.0\.2\.25\) cannot be reached at port 25: no answer\. Many providers/,
  ],
  ['nobody to try it with', { reach: 'gone.test' }, /^skipped {2}way out, port 25: where to try it/],
  [
    'a relay',
    {
      yaml: 'relay: { host: smtp.relay.test }\n',
      zones: { 'smtp.relay.test': { A: ['192.0.2.77'] } },
      world: { connect: async (...at) => assert.deepEqual(at, ['192.0.2.77', 587]) },
    },
    /^ok {7}way to the relay: smtp\.relay\.test takes/,
    /^warning {2}SPF .*add the include:/,
  ],
  ['nothing goes out', { yaml: 'outbound: { enabled: false }\n' }, /^skipped {2}way out/, /^ok {7}SPF/],
  ['a clock that is off', { world: { clock: async () => -90_000 } }, /^wrong {4}clock: it is 90 s behind/],
  ['a clock that drifts', { world: { clock: async () => 7_000 } }, /^warning {2}clock: it is 7 s ahead/],
  ['no clock', { world: { clock: () => Promise.reject(new Error('no answer')) } }, /^skipped {2}clock: nobody says/],
  ['DNS in trouble', { zones: { '_dmarc.example.test': { trouble: true } } }, /^warning {2}DMARC of example\.test: the DNS gives no answer/],
]

for (const [name, changes, ...said] of CASES)
  test(name, async () => {
    const got = await differs(changes)
    assert.equal(got.length, said.length, got.join('\n'))
    for (const [i, line] of said.entries()) assert.match(got[i]!, line)
  })

test('what strangers wrote into the DNS does nothing to a terminal', async () => {
  const [line = ''] = await differs({ zones: { '_dmarc.example.test': txt(`v=DMARC1; p=\u001b[2J\u0007\r\n${'x'.repeat(5_000)}`) } })
  assert.match(line, /^wrong {4}DMARC [\x20-\x7e]+$/)
  assert.ok(line.length < 700)
})

/** What a record is made of, put together in any order. */
const PIECES = [
  ...[
    'v=spf1 ',
    'all',
    '+',
    'include:',
    'redirect=',
    '%{i}',
    'exists:',
    'mx',
    'a:',
    '/',
    '99',
    'ip4:',
    'ip6:',
    '::',
    'v=DMARC1;',
    'p=',
    'sp=',
    'rua=',
  ],
  ...[
    'mailto:',
    '@',
    '!',
    ';',
    '=',
    'v=STSv1;',
    'id=',
    'v=TLSRPTv1;',
    '\u0000',
    '\u001b',
    'é',
    '"',
    '\\',
    ' ',
    'x'.repeat(300),
    'example.test',
    '.',
    '..',
    '%',
  ],
]

test('whatever the DNS says, each check comes to an end with words', async () => {
  const upTo = seeded(20261129)
  const rubbish = (): string => Array.from({ length: upTo(9) }, () => PIECES[upTo(PIECES.length)]).join('')
  const spoilt = ([name, zone]: [string, Zone]): [string, Zone][] => [
    [
      name,
      {
        ...zone,
        TXT: [['v=spf1 ', 'v=DMARC1;', 'v=STSv1;', 'v=TLSRPTv1;', ''][upTo(5)] + rubbish(), ...(upTo(2) ? [rubbish()] : [])],
        ...(upTo(2) && { MX: [{ preference: upTo(9), exchange: rubbish() }] }),
        ...(zone.PTR && { PTR: [rubbish()] }),
        ...(zone.SRV && srv(rubbish(), upTo(70_000))),
        ...(zone.TLSA && { TLSA: [{ usage: upTo(5), selector: upTo(3), matchingType: upTo(4), certificate: Buffer.alloc(upTo(40)) }] }),
      },
    ],
  ]
  let notOk = 0
  for (let round = 0; round < 150; round++) {
    const zones = Object.fromEntries(Object.entries(HEALTHY).flatMap((entry) => (upTo(3) ? [] : spoilt(entry))))
    for (const finding of await examine(seen({ zones }))) {
      assert.doesNotMatch(finding.words, /could not be looked at/, JSON.stringify(zones))
      assert.doesNotMatch(lineOf(finding), /\p{Cc}/u)
      if (finding.verdict !== 'ok') notOk++
    }
  }
  assert.ok(notOk > 150, String(notOk))
})
