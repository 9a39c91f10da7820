import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { canonical, canonicalDomain } from '../mail/address.ts'
import { ConfigRefused } from './complain.ts'
import { checkConfig, loadConfig, parseConfig } from './load.ts'
import { BadFlag, findPlaces } from './places.ts'
import type { Words } from './schema.ts'
import { readSecrets } from './secrets.ts'
import { firstConfig } from './template.ts'
import { parseSize, parseTime } from './units.ts'

const words: Words = {
  address: canonical,
  domain: canonicalDomain,
  isHash: (text) => text.startsWith('$argon2id$'),
  isAppHash: (text) => text.startsWith('$sha256$'),
  scramSalting: (text) => /^SCRAM-SHA-256\$(\d+)/.exec(text)?.[1],
  capabilities: { disable: new Set(['IDLE', 'MOVE']), enable: new Set(['UIDONLY']) },
}
const EXAMPLE = join(import.meta.dirname, '..', '..', 'config', 'postern.example.yaml')
const dir = mkdtempSync(join(tmpdir(), 'postern-config-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const FILE = '/etc/postern.yaml'
const GOOD = `hostname: mail.example.test
domains: [example.test]
mailboxes:
  - address: Ann@Example.test
    password_hash: $argon2id$1
    aliases: [info@example.test]
  - address: bob@example.test
    password_hash: $argon2id$2
`
const check = (text: string) => checkConfig(parseConfig(FILE, text), words).config

test('a file that is right: canonical, with defaults', () => {
  assert.deepEqual(check(GOOD).mailboxes[0], {
    address: 'ann@example.test',
    password_hash: '$argon2id$1',
    aliases: ['info@example.test'],
    app_passwords: [],
    disable: [],
  })
  assert.equal(check(`${GOOD}redis:\nrelay: {host: SMTP.example.net}`).relay?.host, 'smtp.example.net')
  assert.equal(check(`${GOOD}redis:`).redis, undefined, 'a key without a value is no setting')
  assert.equal(check(`${GOOD}limits: {message_size: 1.5 MiB}`).limits?.message_size, 1.5 * 2 ** 20)
})

describe('what is wrong is said with its place and what would be right', () => {
  for (const [what, text, place, words] of [
    ['a key misspelt', GOOD.replace('hostname', 'hostnme'), '1:1', 'hostnme is no setting; did you mean hostname?'],
    ['a key missing', GOOD.replace(/hostname.*\n/, ''), '1:1', 'hostname is missing: it must be the name of this host, such as mail.example.org'],
    ['a key inside', `${GOOD}limits: {imap: {lin: 3}}`, '9:17', 'limits.imap.lin is no setting; did you mean line?'],
    ['a key of nowhere', `${GOOD}tls: {zebra: 1, cert: a, key: b}`, '9:7', 'tls.zebra is no setting; there are cert, key, acme'],
    [
      'days without keep',
      GOOD.replace('    aliases: [info@example.test]', '    pop3: {keep_days: 3}'),
      '6:23',
      'keep_days is for "after_download: keep"',
    ],
    [
      'a public mailbox of no name',
      `${GOOD}public: [{name: a//b}]`,
      '9:17',
      'public[1].name must be a name of a mailbox, such as News or Sales/Orders',
    ],
    ['the inbox of all', `${GOOD}public: [{name: Inbox}]`, '9:17', 'public[1].name must be a name of a mailbox'],
    [
      'rights that are none',
      `${GOOD}public: [{name: News, rights: {anyone: lz}}]`,
      '9:40',
      'public[1].rights.anyone must be letters of RFC 4314, such as lrs, not "lz"',
    ],
    [
      'rights of nobody',
      `${GOOD}public: [{name: News, rights: {ann: lr}}]`,
      '9:37',
      'public[1].rights.ann must be the rights of an address, or of anyone',
    ],
    [
      'rights of somebody else',
      `${GOOD}public: [{name: News, rights: {eve@example.net: lr}}]`,
      '9:31',
      'rights are for addresses of mailboxes, or for anyone, and eve@example.net is neither',
    ],
    ['two of one name', `${GOOD}public: [{name: News}, {name: News}]`, '9:31', 'there are two public mailboxes named News'],
    [
      'a scanner of nowhere',
      `${GOOD}scan: {rspamd: {url: "ftp://x"}}`,
      '9:22',
      'scan.rspamd.url must be the URL of rspamd, such as http://127.0.0.1:11333',
    ],
    ['no number of workers', `${GOOD}workers: 0`, '9:10', 'workers must be auto, or a number of processes from 1 to 256, not 0'],
    ['no generation', `${GOOD}generation: new`, '9:13', 'generation must be a whole number, 1 or more, not "new"'],
    ['another database', `${GOOD}database: {url: "mysql://h/x"}`, '9:17', 'database.url must be a URL, such as postgres://user@host/database, not'],
    ['a password in its URL', `${GOOD}scan: {rspamd: {url: "http://a:b@x"}}`, '9:22', 'scan.rspamd.url must be the URL of rspamd, such as'],
    ['a scanner at no place', `${GOOD}scan: {clamav: {port: 3310}}`, '9:16', 'clamd is at a "host" or at a "socket": name one of them'],
    ['a scanner at two places', `${GOOD}scan: {clamav: {host: a, socket: b}}`, '9:16', 'clamd is at a "host" or at a "socket": name one of them'],
    [
      'a rule for no domain',
      `${GOOD}scan: {clamav: {host: a, domains: {"x y": junk}}}`,
      '9:43',
      'scan.clamav.domains.x y must be a domain, such as example.org',
    ],
    ['a rule for a domain elsewhere', `${GOOD}scan: {clamav: {host: a, domains: {a.test: junk}}}`, '9:35', 'a.test is not among "domains"'],
    ['no such rule', `${GOOD}scan: {clamav: {host: a, on_failure: lose}}`, '9:38', 'scan.clamav.on_failure must be accept or defer'],
    ['a list elsewhere', `${GOOD}lists: [{address: t@example.net, members: [bob@example.test]}]`, '9:19', 'the domain of t@example.net is not among'],
    ['a list of nobody', `${GOOD}lists: [{address: t@example.test, members: []}]`, '9:44', 'lists[1].members must be a list of at least one address'],
    [
      'a list of strangers here',
      `${GOOD}lists: [{address: t@example.test, members: [eve@example.test]}]`,
      '9:45',
      'there is no address eve@example.test here',
    ],
    [
      'a list at an alias',
      `${GOOD}lists: [{address: info@example.test, members: [bob@example.test]}]`,
      '9:19',
      'the address info@example.test is given twice: ann@example.test has it',
    ],
    [
      'two lists',
      `${GOOD}lists:\n  - {address: t@example.test, members: [x@a.test]}\n  - {address: t@example.test, members: [x@a.test]}`,
      '11:15',
      'the address t@example.test is given twice: another list',
    ],
    [
      'an owner who is none',
      `${GOOD}lists: [{address: t@example.test, owner: info@example.test, members: [x@a.test]}]`,
      '9:42',
      'the owner of a list must be',
    ],
    [
      'lists in a circle',
      `${GOOD}lists:\n  - {address: a@example.test, members: [x@a.test, b@example.test]}\n  - {address: b@example.test, members: [A+x@example.test]}`,
      '11:41',
      'the list b@example.test leads back to A+x@example.test',
    ],
    [
      'a list in itself',
      `${GOOD}lists: [{address: a@example.test, members: [a@example.test]}]`,
      '9:45',
      'the list a@example.test leads back to a@example.test',
    ],
    ['a catch-all elsewhere', `${GOOD}catch_all: {example.net: bob@example.test}`, '9:12', 'catch_all is for local domains, and example.net is none'],
    ['reports to nobody', `${GOOD}reports: {to: nobody@example.test}`, '9:15', 'reports.to must be the address or an alias of one of the mailboxes'],
    ['reports elsewhere', `${GOOD}reports: {to: bob@example.net}`, '9:15', 'reports.to must be the address or an alias of one of the mailboxes'],
    ['reports to no address', `${GOOD}reports: {to: x}`, '9:15', 'reports.to must be an address'],
    ['a catch-all for nobody', `${GOOD}catch_all: {example.test: info@example.test}`, '9:27', 'catch_all needs the address of one of the mailboxes'],
    ['forwarding to nobody', `${GOOD}    forward: {to: []}`, '9:19', 'mailboxes[2].forward.to must be a list of at least one address'],
    [
      'forwarding to here',
      `${GOOD}    forward: {to: [Ann@example.test]}`,
      '9:20',
      'Ann@example.test is an address here, and "forward" is for addresses elsewhere',
    ],
    [
      'forwarding and no way out',
      `${GOOD}    forward: {to: [x@a.test]}\noutbound: {enabled: false}`,
      '9:20',
      'mail to x@a.test has to leave this host',
    ],
    ['a sender that is none', `${GOOD}    block: ["a b"]`, '9:13', 'mailboxes[2].block[1] must be an address or a domain'],
    ['public mailboxes and no sharing', `${GOOD}sharing: {enabled: false}\npublic: [{name: News}]`, '10:9', 'public mailboxes need sharing'],
    ['a capability', `${GOOD}disable: [move, XYZZY]`, '9:17', 'disable[2] must be an IMAP capability that can be missed: IDLE, MOVE, not "XYZZY"'],
    [
      'a capability to ask for',
      `${GOOD}enable: [MOVE]`,
      '9:10',
      'enable[1] must be an IMAP capability that is only there on request: UIDONLY, not "MOVE"',
    ],
    ['a capability of a mailbox', GOOD.replace('aliases: [info@example.test]', 'disable: [IDLE, x]'), '6:21', 'mailboxes[1].disable[2] must be'],
    [
      'a hash of an app password',
      GOOD.replace('aliases: [info@example.test]', 'app_passwords: [{name: x, hash: secret}]'),
      '6:37',
      'mailboxes[1].app_passwords[1].hash must be a $sha256$ hash as',
    ],
    [
      'a scope',
      GOOD.replace('aliases: [info@example.test]', 'app_passwords: [{name: x, hash: $sha256$, scopes: [http]}]'),
      '6:56',
      'mailboxes[1].app_passwords[1].scopes[1] must be one of imap, pop3, smtp',
    ],
    ...['11 min', '1500 ms', '-1', 'soon'].map(
      (time) =>
        [
          `a time to undo of ${time}`,
          GOOD.replace('aliases: [info@example.test]', `submission: {undo_send: ${time}}`),
          '6:29',
          'mailboxes[1].submission.undo_send must be 0, or whole seconds, up to 10 min, such as 20 s',
        ] as const,
    ),
    [
      'an app password twice',
      GOOD.replace('aliases: [info@example.test]', 'app_passwords: [{name: x, hash: $sha256$1}, {name: x, hash: $sha256$2}]'),
      '6:56',
      'ann@example.test has two app passwords named x',
    ],
    [
      'a verifier',
      GOOD.replace('aliases: [info@example.test]', 'scram: secret'),
      '6:12',
      'mailboxes[1].scram must be a SCRAM-SHA-256$ verifier as "postern mailbox passwd" writes it',
    ],
    [
      'verifiers that one exchange cannot check',
      GOOD.replace('aliases: [info@example.test]', 'scram: SCRAM-SHA-256$1\n    app_passwords: [{name: x, hash: $sha256$, scram: SCRAM-SHA-256$2}]'),
      '7:54',
      'all scram lines of ann@example.test must have the same count and salt',
    ],
    ['a type', `${GOOD}listeners: {mx: {port: "25"}}`, '9:24', 'listeners.mx.port must be a port number, 1 to 65535, not "25"'],
    ['a yes', `${GOOD}listeners: {mx: {enabled: yes}}`, '9:27', 'listeners.mx.enabled must be true or false, not "yes"'],
    [
      'a list',
      GOOD.replace('[example.test]', 'example.test'),
      '2:10',
      'domains must be a list of domains, such as [example.org], not "example.test"',
    ],
    ['an empty list', GOOD.replace('[example.test]', '[]'), '2:10', 'domains must be a list of at least one domain'],
    ['a scalar', `${GOOD}relay: smtp.example.net`, '9:8', 'relay must be a map of settings'],
    [
      'a size',
      GOOD.replace('aliases: [info@example.test]', 'quota: 5 GBit'),
      '6:12',
      'mailboxes[1].quota must be a size with its unit, such as 50 MiB, not "5 GBit"',
    ],
    ['a time', `${GOOD}limits: {pop3: {idle_time: soon}}`, '9:28', 'limits.pop3.idle_time must be a time with its unit'],
    ['a number', `${GOOD}limits: {smtp: {hops: 0}}`, '9:23', 'limits.smtp.hops must be a whole number, 1 or more, not 0'],
    ['an action', `${GOOD}inbound: {dmarc: off}`, '9:18', 'inbound.dmarc must be one of reject, junk, mark, not "off"'],
    [
      'a domain of others',
      `${GOOD}inbound: {domains: {other.test: junk}}`,
      '9:20',
      'other.test is not among "domains": mail for it is not taken at all',
    ],
    ['no domain', `${GOOD}inbound: {domains: {a b: junk}}`, '9:26', 'inbound.domains.a b must be a domain, such as example.org, not "junk"'],
    ['an IP address', `${GOOD}limits: {exempt: [10.0.0.0/8]}`, '9:19', 'limits.exempt[1] must be an IP address, not "10.0.0.0/8"'],
    ['a host', GOOD.replace('mail.example', 'mail..example'), '1:11', 'hostname must be the name of this host'],
    ['an address', GOOD.replace('bob@example.test', 'bob'), '7:14', 'mailboxes[2].address must be an address, such as ann@example.org, not "bob"'],
    ['another domain', GOOD.replace('bob@example', 'bob@other'), '7:14', 'the domain of bob@other.test is not among the local ones (example.test)'],
    ['a mailbox twice', GOOD.replace('bob@', 'ANN@'), '7:14', 'there is already a mailbox ann@example.test'],
    ['an alias of another', GOOD.replace('info@', 'bob@'), '6:15', 'the address bob@example.test is given twice: bob@example.test has it already'],
    ['a postmaster', `${GOOD}postmaster: info@example.test`, '9:13', 'postmaster must be the address of one of the mailboxes'],
    ['two sources', `${GOOD}redis: {url: a, url_file: b}`, '9:27', 'redis has both url and url_file: keep one'],
    ['half a login', `${GOOD}relay: {host: a.test, user: b}`, '9:8', 'relay needs user and password'],
    ['no YAML', GOOD.replace('  - address: bob', '\t- address: bob'), '7:1', 'this is no YAML: Tabs'],
    ['a key twice', `${GOOD}hostname: a.test`, '9:1', 'this is no YAML: Map keys must be unique'],
  ] as const)
    test(what, () => {
      assert.throws(
        () => check(text),
        (e) => {
          assert.ok(e instanceof ConfigRefused)
          assert.ok(
            e.message.split('\n').some((line) => line.startsWith(`${FILE}:${place}: ${words}`)),
            e.message,
          )
          return true
        },
      )
    })
})

test('a password in place of its hash is not repeated in the complaint', () => {
  assert.throws(
    () => check(GOOD.replace('$argon2id$2', 'hunter2')),
    (e) =>
      e instanceof ConfigRefused &&
      e.message.startsWith(`${FILE}:8:20: mailboxes[2].password_hash must be an argon2id hash`) &&
      !e.message.includes('hunter2'),
  )
})

test('a file that is missing', () => {
  assert.throws(
    () => loadConfig(join(dir, 'none.yaml'), words),
    (e) =>
      e instanceof ConfigRefused &&
      e.message.includes(`${join(dir, 'none.yaml')}:1:1: the config file cannot be read: it is not there; --data or --config says`),
  )
})

test('a billion laughs end early', () => {
  const lol = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefgh'.replace(/./g, (c) => `${c}: &${c} [${Array(10).fill(`*${String.fromCharCode(c.charCodeAt(0) - 1)}`)}]\n`)}`
  assert.throws(() => check(lol), ConfigRefused)
})

test('the example is right, and has every setting', () => {
  const { config } = loadConfig(EXAMPLE, words)
  const text = readFileSync(EXAMPLE, 'utf8')
  assert.equal(config.limits?.imap?.idle_time, 1830_000)
  for (const key of ['url_file', 'ca', 'password_file', 'postmaster', 'after_download', 'drain_seconds']) assert.match(text, new RegExp(`\\b${key}:`))
  // Each setting has a comment above it, or is one of a group that has.
  let before = ''
  for (const line of text.split('\n')) {
    if (/^[a-z_]+:/.test(line)) assert.ok(before.startsWith('#') || line.startsWith('limits'), `no comment above "${line}"`)
    before = line
  }
})

test('the first file: the example with its settings as comments', () => {
  const text = firstConfig({
    hostname: 'vm.example.test',
    domain: 'example.test',
    address: '"o\'d"@example.test',
    passwordHash: '$argon2id$x',
    scram: undefined,
  })
  const config = check(text)
  assert.deepEqual(config, {
    hostname: 'vm.example.test',
    domains: ['example.test'],
    mailboxes: [{ address: '"o\'d"@example.test'.replaceAll('"', ''), password_hash: '$argon2id$x', aliases: [], app_passwords: [], disable: [] }],
  })
  // Uncommented again, it is the example's settings.
  const limits = text.slice(text.indexOf('\n# limits:')).replace(/^# /gm, '')
  assert.equal(check(GOOD + limits).limits?.message_size, 50 * 2 ** 20)
})

test('places: flag before environment before the usual', () => {
  const at = (flags: Parameters<typeof findPlaces>[0], env: Record<string, string> = {}) => {
    const { configFile, dataDir } = findPlaces(flags, env, '/home')
    return [configFile, dataDir]
  }
  assert.deepEqual(at({}), ['/home/config/postern.yaml', '/home/data'])
  assert.deepEqual(at({}, { POSTERN_DATA: '' }), ['/home/config/postern.yaml', '/home/data'])
  assert.deepEqual(at({}, { POSTERN_DATA: 'd' }), ['/home/d/postern.yaml', '/home/d'])
  assert.deepEqual(at({ data: '/x' }, { POSTERN_DATA: 'd' }), ['/x/postern.yaml', '/x'])
  assert.deepEqual(at({ data: '/x', config: 'c.yaml' }), ['/home/c.yaml', '/x'])
  assert.deepEqual(at({ config: 'c.yaml' }), ['/home/c.yaml', '/home/data'])
  assert.throws(() => findPlaces({ ports: 'some' }, {}, '/'), BadFlag)
  assert.throws(
    () => findPlaces({}, { POSTERN_LOG_LEVEL: 'loud' }, '/'),
    /^BadFlag: POSTERN_LOG_LEVEL is one of debug, info, warn, error, not "loud"/,
  )
})

test('secrets: environment, its file, the config, its file', () => {
  const file = join(dir, 'url')
  writeFileSync(file, 'postgres://file/\n')
  const read = (text: string, env: Record<string, string>) =>
    readSecrets(checkConfig(parseConfig(join(dir, 'postern.yaml'), GOOD + text), words), env)
  assert.equal(read('database: {url: postgres://config/}', {}).databaseUrl, 'postgres://config/')
  assert.equal(read('database: {url: postgres://config/}', { DATABASE_URL: '' }).databaseUrl, 'postgres://config/')
  assert.equal(read('database: {url: postgres://config/}', { DATABASE_URL: 'postgres://env/' }).databaseUrl, 'postgres://env/')
  assert.equal(read('database: {url: postgres://config/}', { DATABASE_URL_FILE: file }).databaseUrl, 'postgres://file/')
  assert.equal(read('database: {url_file: url}', {}).databaseUrl, 'postgres://file/')
  assert.equal(read('scan: {rspamd: {url: "http://a", password: x}}', {}).rspamdPassword, 'x')
  assert.equal(read('scan: {rspamd: {url: "http://a", password_file: url}}', {}).rspamdPassword, 'postgres://file/')
  assert.equal(read('scan: {rspamd: {url: "http://a"}}', { POSTERN_RSPAMD_PASSWORD: 'y' }).rspamdPassword, 'y')
  assert.equal(read('', { DATABASE_URL: '', REDIS_URL: '' }).databaseUrl, undefined)
  assert.throws(() => read('', { DATABASE_URL_FILE: '/none' }), /DATABASE_URL_FILE names \/none, which cannot be read/)
  assert.throws(() => read('', { DATABASE_URL_FILE: file, DATABASE_URL: 'x' }), /keep one/)
  assert.throws(
    () => read('relay: {host: a.test, user: b, password_file: none}', {}),
    /postern\.yaml:9:47: relay\.password_file names .*none, which cannot be read/,
  )
})

test('sizes and times', () => {
  for (const [text, octets] of [
    ['512', 512],
    ['50 MiB', 52_428_800],
    ['5gib', 5 * 2 ** 30],
    ['1.5 KB', 1500],
    ['x', undefined],
    ['5 GiBs', undefined],
    ['-1', undefined],
    ['9999999 TiB', undefined],
  ] as const)
    assert.equal(parseSize(text), octets, text)
  for (const [text, ms] of [
    ['60 s', 60_000],
    ['24h', 86_400_000],
    ['500ms', 500],
    ['1 year', undefined],
  ] as const)
    assert.equal(parseTime(text), ms, text)
})
