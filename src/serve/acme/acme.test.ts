/** When a certificate is ordered, for what, and who is told of trouble. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { acmeFindings } from '../../cli/checks/acme.ts'
import type { Config } from '../../config/schema.ts'
import { type Dns, DnsTrouble, NoSuchName } from '../../net/dns/dns.ts'
import { makeSelfSigned, VALID_DAYS } from '../../net/self-signed.ts'
import type { AcmeState } from '../../store/acme.ts'
import { acmeFiles, authorityOf, certificateFor, warnOfCertificate } from '../certificate.ts'
import { dueOf, nextTryOf, renewalOf } from './due.ts'
import { leadingNames, MAX_NAMES } from './names.ts'

const dir = mkdtempSync(join(tmpdir(), 'postern-acme-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const DAY = 86_400_000
const HOST = 'mail.home.test'
const LE = 'https://ca.test/directory'
const now = Date.now()
const pair = makeSelfSigned({ hostname: HOST, now })
const acme = { agree_terms: true as const, directory: LE, names: [] as string[] }
const state = (more: Partial<AcmeState> = {}): AcmeState => ({
  ...{ key: pair.key, certificate: { chain: pair.cert, key: pair.key, directory: LE, names: [HOST] }, orders: 1, order: undefined },
  ...{ failures: 0, trouble: '', settings: '', nextTry: 0, refused: [], ...more },
})

test('due: at first, for another host or authority, for the last third of its life; after a failure not before its time, but for other settings', () => {
  const wish = { hostname: HOST, directory: LE, settings: 'a' }
  const kind = (s: AcmeState | undefined, w = wish, at = now) => dueOf(s, w, at)?.kind
  assert.equal(kind(undefined), 'none')
  assert.equal(kind(state({ certificate: undefined })), 'none')
  assert.equal(kind(state(), { ...wish, hostname: 'other.test' }), 'none')
  assert.equal(kind(state(), { ...wish, directory: 'https://b.test/' }), 'none')
  assert.equal(kind(state()), 'more')
  for (const at of [now, now + 800 * DAY]) assert.equal(kind(state({ orders: 4 }), wish, at), undefined)
  assert.equal(kind(state({ orders: 4 }), { ...wish, directory: 'https://b.test/' }), undefined)
  const third = renewalOf(new X509Certificate(pair.cert))
  assert.ok(Math.abs(third - (now + (VALID_DAYS * 2 * DAY) / 3)) < 2 * DAY)
  assert.equal(kind(state(), wish, third), 'renewal')
  const failed = state({ certificate: undefined, failures: 1, settings: 'a', nextTry: now + 1_000 })
  assert.equal(kind(failed), undefined)
  assert.equal(kind(failed, { ...wish, settings: 'b' }), 'none')
  assert.equal(kind(failed, wish, now + 1_000), 'none')
})

test('the next attempt: rarer each time, and not before the authority says', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 99].map((n) => nextTryOf(n, 0, 0, 0) / 60_000),
    [5, 20, 60, 240, 480, 480, 480],
  )
  assert.equal(nextTryOf(1, 0, 0, 1) / 60_000, 5.5)
  assert.equal(nextTryOf(1, 0, DAY, 0), DAY)
})

const ZONE: Record<string, string[] | undefined> = {
  [HOST]: ['192.0.2.1', '2001:db8::1'],
  'autoconfig.home.test': ['192.0.2.1'],
  'mta-sts.home.test': ['192.0.2.1', '192.0.2.9'],
  'webmail.home.test': ['2001:DB8:0::1'],
}
const dns: Dns = {
  validates: false,
  async ask(name, type) {
    if (name === 'silent.home.test') throw new DnsTrouble('silent')
    const all = ZONE[name]
    if (!all) throw new NoSuchName('none')
    return { records: all.filter((address) => address.includes(':') === (type === 'AAAA')) as never[], secure: false, name }
  },
}

test('names: all of whose addresses are the host’s; what the DNS does not tell stays as it was', async () => {
  const config = { domains: ['home.test', '[192.0.2.1]'], tls: { acme: { ...acme, names: ['webmail.home.test', 'silent.home.test', HOST] } } }
  const ask = (o: { had?: string[]; without?: string[] } = {}) =>
    leadingNames({ config, hostname: HOST, dns, without: new Set(o.without), had: o.had ?? [] })
  assert.deepEqual((await ask()).names, [HOST, 'webmail.home.test', 'autoconfig.home.test'])
  assert.deepEqual((await ask({ had: ['silent.home.test', 'mta-sts.home.test'] })).names, [
    HOST,
    'webmail.home.test',
    'silent.home.test',
    'autoconfig.home.test',
  ])
  assert.deepEqual((await ask({ without: ['webmail.home.test'] })).names, [HOST, 'autoconfig.home.test'])
  const lost = await leadingNames({ config, hostname: 'silent.home.test', dns, without: new Set(), had: ['webmail.home.test'] })
  assert.deepEqual(lost.names, ['silent.home.test', 'webmail.home.test'])
  const everywhere: Dns = { validates: false, ask: async (name) => ({ records: ['192.0.2.1'] as never[], secure: false, name }) }
  const many = { domains: Array.from({ length: 50 }, (_, i) => `d${i}.test`) }
  const { names, over } = await leadingNames({ config: many, hostname: HOST, dns: everywhere, without: new Set(), had: [] })
  assert.deepEqual([names.length, over, names[0]], [MAX_NAMES, 51, HOST])
})

test('shown: the self-signed one, then what came, whatever becomes of the copy', () => {
  const config = { hostname: HOST, tls: { acme } } as unknown as Config
  const file = join(dir, 'postern.yaml')
  const files = acmeFiles(dir)
  const first = certificateFor(config, file, dir)
  assert.deepEqual([first.selfSigned, first.acme, first.files], [true, true, [files.cert, files.key]])
  mkdirSync(join(dir, 'tls/acme'))
  writeFileSync(files.key, pair.key)
  writeFileSync(files.cert, pair.cert)
  const second = certificateFor(config, file, dir)
  assert.deepEqual([second.selfSigned, second.acme, second.pair.cert, second.ca], [false, true, pair.cert, files.cert])
  writeFileSync(files.key, makeSelfSigned({ hostname: HOST, now }).key)
  assert.equal(certificateFor(config, file, dir).selfSigned, true)
  assert.equal(certificateFor({ hostname: HOST } as Config, file, dir).acme, false)
  const broken = { hostname: HOST, tls: { acme: { ...acme, ca: 'none.pem' } } } as unknown as Config
  assert.throws(() => certificateFor(broken, file, dir), /^Refused: tls\.acme\.ca names .*none\.pem, which cannot be read/)
  writeFileSync(join(dir, 'hmac'), 'not a key!')
  const external_account = { kid: 'a', hmac_file: 'hmac' }
  assert.throws(() => authorityOf({ ...acme, external_account }, file), /hmac_file"\) holds no HMAC key in base64url/)
})

test('told of: none yet, one that was not renewed in time', () => {
  const said: string[] = []
  const level = (name: string) => (_: object, message: string) => said.push(`${name}: ${message}`)
  const log = { warn: level('warn'), error: level('error') } as never
  const shown = { pair: { ...pair, expires: now + VALID_DAYS * DAY, names: '' }, ca: '', acme: true, files: [] }
  warnOfCertificate({ ...shown, selfSigned: true }, HOST, log)
  for (const part of [0.3, 0.2, 0.05, -0.1]) warnOfCertificate({ ...shown, selfSigned: false }, HOST, log, now + (1 - part) * VALID_DAYS * DAY)
  assert.deepEqual(said, [
    'warn: no certificate came by ACME yet: mail programs are shown a self-signed one, and do not trust it',
    'warn: the certificate ends soon',
    'error: the certificate ends very soon',
    'error: the certificate has expired: mail programs refuse it',
  ])
})

test('`postern doctor`: nothing without ACME; who does not order, what failed, what is left out', () => {
  const tls = { acme }
  const lines = (of: AcmeState | undefined, at = now): string[] =>
    acmeFindings({ tls }, { state: of, port: 443 }, at).map(({ verdict, words }) => `${verdict} ${words}`)
  assert.deepEqual(acmeFindings({ tls: undefined }, { state: undefined, port: 2443 }), [])
  assert.match(
    acmeFindings({ tls }, { state: state(), port: 2443 })[0]!.words,
    /^the listener https is at port 2443, and authorities come to 443 only/,
  )
  assert.match(lines(undefined).join(), /^wrong nobody has ordered/)
  assert.match(lines(state()).join(), /^ok the certificate from ca\.test is renewed from \d{4}-\d\d-\d\d on$/)
  assert.match(lines(state({ certificate: undefined })).join(), /^warning the first order/)
  assert.match(lines(state(), now + 800 * DAY).join(), /^warning its renewal is due/)
  const failing = { failures: 3, trouble: 'it is away', nextTry: now + DAY }
  assert.match(lines(state(failing)).join(), /^warning 3 attempts in a row failed, the last one with "it is away"; the next is after \d{4}-/)
  assert.match(lines(state({ ...failing, certificate: undefined })).join(), /^wrong 3 attempts/)
  assert.match(lines(state(failing), now + 800 * DAY).join(), /^wrong 3 attempts .*due now$/)
  const refused = [{ name: 'mta-sts.home.test', why: 'caa: no', until: now + DAY }]
  assert.match(lines(state({ refused }))[1]!, /^warning mta-sts\.home\.test is left out until .*: caa: no$/)
  const other = { ...state().certificate!, directory: 'https://staging.test/' }
  assert.match(lines(state({ certificate: other })).join(), /^warning the certificate is still that of staging\.test/)
})
