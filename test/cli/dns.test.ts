/** `postern dns`: what it prints is loaded by BIND's own reader of zone files, and read back as BIND understood it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { run } from '../../src/cli/commands.ts'
import { zoneText } from '../../src/cli/dns.ts'
import { ownAddresses, type Setting, shownCertificate } from '../../src/cli/zone/setting.ts'
import { checkConfig, parseConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { isRecordOf } from '../../src/mail/dkim-record.ts'
import { servedPorts } from '../../src/serve/served.ts'
import { words } from '../../src/serve/words.ts'
import { readPolicy, stsIdOf } from '../../src/smtp/outbound/mta-sts/policy.ts'
import type { SigningKey } from '../../src/store/dkim.ts'
import { certificateFiles } from '../support/pem.ts'
import { missing } from '../support/programs.ts'
import { type TestStore, testStore } from '../support/store.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'

const dir = tempFolder('dns')
let opened: TestStore
before(async () => {
  opened = await testStore()
})
after(async () => {
  await opened?.close()
  removeFolder(dir)
})

const configOf = (yaml: string): Config => checkConfig(parseConfig('postern.yaml', yaml), words).config

const pem = (kind: 'rsa' | 'ed25519'): string =>
  (kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519')).privateKey
    .export({ type: 'pkcs8', format: 'pem' })
    .toString()
const KEYS: SigningKey[] = (['rsa', 'ed25519'] as const).map((algorithm) => ({
  ...{ domain: 'example.test', selector: `${algorithm[0]}1`, algorithm, created: 0 },
  privateKey: pem(algorithm),
}))
const made = certificateFiles('mail.example.test')

function settingFor(yaml: string, more: Partial<Setting> = {}): Setting {
  const config = configOf(yaml)
  return {
    ...{ config, keys: KEYS, ports: servedPorts(config, undefined), addresses: ['203.0.113.5', '2001:470::5'] },
    certificate: shownCertificate({ tls: made }, join(dir, 'postern.yaml'), dir),
    ...more,
  }
}

/** As BIND writes it: one record a line, names absolute. */
function compiled(zone: string, text: string): string[] {
  const file = join(dir, 'zone')
  writeFileSync(
    file,
    `${zone}. 3600 IN SOA ns.${zone}. root.${zone}. 1 7200 3600 1209600 3600\n${zone}. 3600 IN NS ns.${zone}.\nns.${zone}. 3600 IN A 192.0.2.53\n${text}\n`,
  )
  // Its checks as for a server: a name that is no host's, or an MX without an address, is an error.
  const out = execFileSync(
    'named-compilezone',
    ['-i', 'local', '-k', 'fail', '-n', 'fail', '-m', 'fail', '-M', 'fail', '-S', 'fail', '-T', 'warn', '-s', 'full', '-o', '-', zone, file],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  return out
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' '))
    .filter((line) => !/ (?:SOA|NS) /.test(line) && !line.startsWith('ns.'))
}

const txtIn = (lines: readonly string[], name: string): string[] =>
  lines
    .filter((line) => line.startsWith(`${name}. 3600 IN TXT `))
    .map((line) => [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => part!.replace(/\\(.)/g, '$1')).join(''))

const skip = missing('named-compilezone')

test('a domain with its mail host: all of it is loaded', { skip }, () => {
  const setting = settingFor('hostname: mail.example.test\ndomains: [example.test]\n')
  const lines = compiled('example.test', zoneText(['example.test'], setting))
  const spki = new X509Certificate(readFileSync(made.cert)).publicKey.export({ type: 'spki', format: 'der' })
  const digest = createHash('sha256').update(spki).digest('hex').toUpperCase()
  const expected = [
    'example.test. 3600 IN MX 10 mail.example.test.',
    'example.test. 3600 IN TXT "v=spf1 mx -all"',
    '_dmarc.example.test. 3600 IN TXT "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.test"',
    '_smtp._tls.example.test. 3600 IN TXT "v=TLSRPTv1; rua=mailto:postmaster@example.test"',
    '_submissions._tcp.example.test. 3600 IN SRV 0 1 465 mail.example.test.',
    '_submission._tcp.example.test. 3600 IN SRV 0 1 587 mail.example.test.',
    '_imaps._tcp.example.test. 3600 IN SRV 0 1 993 mail.example.test.',
    '_imap._tcp.example.test. 3600 IN SRV 0 0 0 .',
    '_pop3s._tcp.example.test. 3600 IN SRV 10 1 995 mail.example.test.',
    '_pop3._tcp.example.test. 3600 IN SRV 0 0 0 .',
    '_autodiscover._tcp.example.test. 3600 IN SRV 0 1 443 mail.example.test.',
    'mail.example.test. 3600 IN A 203.0.113.5',
    'mail.example.test. 3600 IN AAAA 2001:470::5',
    'mail.example.test. 3600 IN TXT "v=spf1 a -all"',
    `_25._tcp.mail.example.test. 3600 IN TLSA 3 1 1 ${digest.slice(0, 56)} ${digest.slice(56)}`,
  ]
  const keys = KEYS.map(({ selector }) => `${selector}._domainkey.example.test`)
  assert.deepEqual(lines.filter((line) => !line.includes('._domainkey.')).sort(), expected.sort())
  for (const [i, name] of keys.entries()) {
    const [record, ...more] = txtIn(lines, name)
    assert.ok(isRecordOf(record ?? '', KEYS[i]!.privateKey), `${name}: ${record}`)
    assert.deepEqual(more, [])
  }
  assert.equal(lines.length, expected.length + keys.length)
})

test('by ACME: names are told before the certificate has them, since it comes for what leads here; no TLSA record before there is its key', {
  skip,
}, () => {
  const yaml = (more = '') =>
    `hostname: mail.example.test\ndomains: [example.test]\nlisteners: { https: { port: 443 } }\ntls: { acme: { agree_terms: true${more} } }\n`
  const pending = { certificate: shownCertificate({ tls: made }, join(dir, 'postern.yaml'), dir)! }
  const lines = (setting: Setting): string[] => compiled('example.test', zoneText(['example.test'], setting))
  const first = lines(settingFor(yaml(), { certificate: { ...pending.certificate, selfSigned: true } }))
  for (const name of ['autoconfig', 'autodiscover', 'mta-sts'])
    assert.ok(first.includes(`${name}.example.test. 3600 IN CNAME mail.example.test.`), name)
  assert.ok(!first.some((line) => line.includes(' TLSA ')))
  assert.ok(lines(settingFor(yaml())).some((line) => line.includes(' TLSA 3 1 1 ')))
  const other = zoneText(['example.test'], settingFor(yaml(', directory: "https://ca.test/"'), { certificate: undefined }))
  assert.doesNotMatch(other, / CAA 0 issue/)
})

test('what belongs into another zone, is off, or is not known is a comment', { skip }, () => {
  const yaml =
    'hostname: mx.other.test\ndomains: [example.test]\nrelay: { host: smtp.relay.test }\nlisteners: { https: { enabled: false }, pop3s: { enabled: false }, pop3: { enabled: true, port: 1110 }, submission: { enabled: false }, mx: { enabled: false } }\n'
  const text = zoneText(['example.test'], settingFor(yaml, { keys: [], certificate: undefined, addresses: [] }))
  const lines = compiled('example.test', text)
  assert.deepEqual(
    lines.sort(),
    [
      'example.test. 3600 IN TXT "v=spf1 mx ~all"',
      '_dmarc.example.test. 3600 IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@example.test"',
      '_smtp._tls.example.test. 3600 IN TXT "v=TLSRPTv1; rua=mailto:postmaster@example.test"',
      '_submissions._tcp.example.test. 3600 IN SRV 0 1 465 mx.other.test.',
      '_submission._tcp.example.test. 3600 IN SRV 0 0 0 .',
      '_imaps._tcp.example.test. 3600 IN SRV 0 1 993 mx.other.test.',
      '_imap._tcp.example.test. 3600 IN SRV 0 0 0 .',
      '_pop3s._tcp.example.test. 3600 IN SRV 0 0 0 .',
      '_pop3._tcp.example.test. 3600 IN SRV 10 1 1110 mx.other.test.',
    ].sort(),
  )
  for (const comment of [
    'Make them: postern dkim add example.test',
    '; example.test. 3600 IN MX 10 mx.other.test.',
    '; example.test. 3600 IN TXT "v=spf1 mx include:smtp.relay.test -all"',
    '; mx.other.test. 3600 IN A 192.0.2.1',
    '; autoconfig.example.test. 3600 IN CNAME mx.other.test.',
    '"listeners.https" is off here',
    '; mx.other.test. 3600 IN CAA 0 issue "letsencrypt.org"',
    '; == mx.other.test: in another zone',
    'there is no certificate yet',
  ])
    assert.ok(text.includes(comment), comment)
  const policy = text.split('\n').filter((line) => /^; (?:version|mode|mx|max_age): /.test(line))
  assert.deepEqual(readPolicy(policy.map((line) => line.slice(2)).join('\r\n')), { mode: 'testing', mx: ['mx.other.test'], maxAge: 604_800 })
  assert.ok(stsIdOf([...text.matchAll(/^; _mta-sts\.\S+ 3600 IN TXT "(.*)"$/gm)].map(([, record]) => record!)))
  // Each record has words above it.
  for (const [i, line] of text.split('\n').entries())
    if (line !== '' && !line.startsWith(';')) assert.match(text.split('\n')[i - 1]!, /^; |_domainkey/)
})

test('the host of its own domain, and several domains: each zone by itself', { skip }, () => {
  const setting = settingFor('hostname: example.test\ndomains: [example.test, sub.example.test, xn--bcher-kva.test]\n')
  const text = zoneText(['example.test', 'sub.example.test', 'xn--bcher-kva.test'], setting)
  // One SPF record for a name, or none counts (RFC 7208 §3.2).
  assert.deepEqual(txtIn(compiled('example.test', zoneText(['example.test'], setting)), 'example.test'), ['v=spf1 mx -all'])
  assert.equal(text.match(/^_25\._tcp\./gm)?.length, 1)
  for (const [, zone] of text.matchAll(/^; == (\S+) ==$/gm)) assert.ok(compiled(zone!, zoneText([zone!], setting)).length >= 9, zone)
})

test('reports come to the address of the config, and its domain agrees to those on others', { skip }, () => {
  const mailbox = `{ address: "anna!@example.test", password_hash: "$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}" }`
  const yaml = `hostname: mail.example.test\ndomains: [example.test, other.test]\nmailboxes: [${mailbox}]\nreports: { to: "anna!@example.test" }\n`
  const setting = settingFor(yaml)
  const [own, other] = ['example.test', 'other.test'].map((zone) => compiled(zone, zoneText([zone], setting)))
  for (const [zone, lines] of [['example.test', own!] as const, ['other.test', other!] as const]) {
    assert.match(txtIn(lines, `_dmarc.${zone}`).join(), /^v=DMARC1; p=\w+; rua=mailto:anna%21@example\.test$/)
    assert.deepEqual(txtIn(lines, `_smtp._tls.${zone}`), ['v=TLSRPTv1; rua=mailto:anna%21@example.test'])
  }
  assert.deepEqual(txtIn(own!, 'other.test._report._dmarc.example.test'), ['v=DMARC1'])
  assert.deepEqual(
    other!.filter((line) => line.includes('_report._dmarc')),
    [],
  )
})

test('which ports, which addresses', () => {
  const config = configOf('hostname: mail.example.test\ndomains: [example.test]\nlisteners: { imaps: { port: 1993 } }\nroles: [mx]\n')
  assert.deepEqual(
    [...servedPorts(config, undefined)],
    [
      ['mx', 25],
      ['submission', 587],
      ['submissions', 465],
      ['imaps', 1993],
      ['pop3s', 995],
      ['https', 443],
    ],
  )
  const running = { listeners: [{ service: 'imaps', port: 2993, tls: 'implicit' }] } as const
  assert.equal(servedPorts(config, running).get('imaps'), 2993)
  const of = (address: string, internal = false) => ({ address, internal, family: 'IPv4', netmask: '', mac: '', cidr: null }) as never
  assert.deepEqual(
    ownAddresses({ lo: [of('127.0.0.1', true)], eth0: [of('10.0.0.3'), of('198.51.100.9'), of('198.51.100.9'), of('fe80::1'), of('2a01:4f8::2')] }),
    ['198.51.100.9', '2a01:4f8::2'],
  )
})

test('the command', async () => {
  const data = join(dir, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'postern.yaml'), 'hostname: mail.example.test\ndomains: [example.test, "[192.0.2.9]"]\n')
  const { host, port, user, password, database } = opened.db.connect
  const url = `postgres://${user}:${encodeURIComponent(String(password ?? ''))}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
  const cli = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    let [out, err] = ['', '']
    const around = {
      env: { DATABASE_URL: url },
      cwd: data,
      stdin: Readable.from(['']),
      out: (t: string) => (out += `${t}\n`),
      err: (t: string) => (err += `${t}\n`),
    }
    return { code: await run(['--data', data, ...args], around), out, err }
  }
  const before = await cli('dns')
  assert.equal(before.code, 0, before.err)
  assert.match(before.out, /^example\.test\. 3600 IN MX 10 mail\.example\.test\.$/m)
  assert.match(before.out, /p=none/)
  assert.doesNotMatch(before.out, /192\.0\.2\.9/)
  const added = await cli('dkim', 'add', 'example.test')
  assert.equal(added.code, 0, added.err)
  assert.match((await cli('dns', 'EXAMPLE.test')).out, /^r\d+\._domainkey\.example\.test\. 3600 IN TXT "v=DKIM1; k=rsa; p=.*" ".*"$/m)
  for (const [args, code, said] of [
    [['dns', 'a b'], 2, 'is no domain'],
    [['dns', 'example.test', 'x'], 2, 'takes a domain, or nothing'],
    [['dns', 'other.test'], 1, 'is not served here'],
    [['dns', '[192.0.2.9]'], 1, 'is an address'],
    [['dns', '--all'], 2, 'dns takes no --all'],
  ] as const) {
    const got = await cli(...args)
    assert.deepEqual([got.code, got.err.includes(said)], [code, true], `${args.join(' ')}: ${got.err}`)
  }
})
