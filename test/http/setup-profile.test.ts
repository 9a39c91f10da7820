/** Configuration profiles, read by Python's plistlib and checked by OpenSSL. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Signer, sign } from '../../src/http/setup/cms.ts'
import { type ProfileOptions, profile } from '../../src/http/setup/profile.ts'
import { makeSelfSigned } from '../../src/net/self-signed.ts'
import { makeAuthority } from '../support/authority.ts'
import { missing, run, succeed } from '../support/programs.ts'
import { HOSTILE_LOCALS, reachOf } from '../support/reach.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'

const skip = missing('openssl', 'python3', 'xmllint')
const READ = `
import json, plistlib, sys, uuid
read = plistlib.loads(sys.stdin.buffer.read())
print(json.dumps([read, str(uuid.uuid5(uuid.NAMESPACE_URL, sys.argv[1])).upper()]))
`
interface Plist {
  readonly [key: string]: unknown
  readonly PayloadContent: readonly [Readonly<Record<string, unknown>>]
}

async function read(xml: string, name = ''): Promise<[Plist, string]> {
  await succeed('xmllint', ['--noout', '--nonet', '-'], { input: xml })
  const { out } = await succeed('python3', ['-c', READ, name], { input: xml })
  return JSON.parse(out) as [Plist, string]
}
const made = (options: Partial<ProfileOptions> = {}): string => profile(reachOf(), { address: 'ann@example.org', incoming: 'imap', ...options })!

test('IMAP, without a password', { skip }, async () => {
  const [whole, account] = await read(made(), 'imap://mail.example.org/ann@example.org#account')
  assert.deepEqual(
    [whole['PayloadType'], whole['PayloadVersion'], whole['PayloadRemovalDisallowed'], whole.PayloadContent.length],
    ['Configuration', 1, false, 1],
  )
  const [payload] = whole.PayloadContent
  assert.notEqual(whole['PayloadUUID'], payload['PayloadUUID'])
  assert.deepEqual(payload, {
    PayloadType: 'com.apple.mail.managed',
    PayloadVersion: 1,
    PayloadIdentifier: `${String(whole['PayloadIdentifier'])}.account`,
    PayloadUUID: account,
    PayloadDisplayName: 'ann@example.org (IMAP)',
    EmailAccountDescription: 'ann@example.org',
    EmailAccountType: 'EmailTypeIMAP',
    EmailAddress: 'ann@example.org',
    IncomingMailServerAuthentication: 'EmailAuthPassword',
    IncomingMailServerHostName: 'mail.example.org',
    IncomingMailServerPortNumber: 993,
    IncomingMailServerUseSSL: true,
    IncomingMailServerUsername: 'ann@example.org',
    OutgoingMailServerAuthentication: 'EmailAuthPassword',
    OutgoingMailServerHostName: 'mail.example.org',
    OutgoingMailServerPortNumber: 465,
    OutgoingMailServerUseSSL: true,
    OutgoingMailServerUsername: 'ann@example.org',
    OutgoingPasswordSameAsIncomingPassword: true,
  })
})

test('POP3, with password and name', { skip }, async () => {
  const [
    {
      PayloadContent: [payload],
    },
  ] = await read(made({ incoming: 'pop3', password: ' p<&>"\'w\r\n\t]]>ö ', name: 'Ann <Example>' }))
  assert.equal(payload['EmailAccountType'], 'EmailTypePOP')
  assert.equal(payload['IncomingMailServerPortNumber'], 995)
  for (const key of ['IncomingPassword', 'OutgoingPassword']) assert.equal(payload[key], ' p<&>"\'w\r\n\t]]>ö ')
  assert.equal(payload['EmailAccountName'], 'Ann <Example>')
})

test('a password that XML cannot hold is left out, not changed', { skip }, async () => {
  for (const password of ['a\u0001b', 'a\ud800', 'a\uffff']) {
    const [
      {
        PayloadContent: [payload],
      },
    ] = await read(made({ password }))
    assert.equal('IncomingPassword' in payload || 'OutgoingPassword' in payload, false)
  }
})

test('hostile addresses are text', { skip }, async () => {
  for (const local of HOSTILE_LOCALS) {
    const address = `${local}@example.org`
    const [
      {
        PayloadContent: [payload],
      },
    ] = await read(made({ address, name: address }))
    for (const key of ['EmailAddress', 'IncomingMailServerUsername', 'EmailAccountName']) assert.equal(payload[key], address)
  }
})

test('who fetches it again gets the same, another kind or user another', () => {
  const ids = (xml: string) => [...xml.matchAll(/<key>Payload(?:UUID|Identifier)<\/key>\n<string>(.*?)</g)].map(([, id]) => id!)
  assert.equal(ids(made()).length, 4)
  assert.deepEqual(ids(made()), ids(made({ password: 'x', name: 'Ann' })))
  const all = [made(), made({ incoming: 'pop3' }), made({ address: 'bob@example.org' })].flatMap(ids)
  assert.equal(new Set(all).size, all.length)
})

test('none where mail cannot be read or sent from outside', () => {
  const of = (ports: Parameters<typeof reachOf>[0], incoming: 'imap' | 'pop3') => profile(reachOf(ports), { address: 'ann@example.org', incoming })
  assert.equal(of({ imaps: 993, submission: 587 }, 'pop3'), undefined)
  assert.equal(of({ imaps: 993, mx: 25 }, 'imap'), undefined)
  assert.match(of({ pop3: 2110, submission: 2587 }, 'pop3')!, /<integer>2110<.*<integer>2587</s)
})

/** What OpenSSL says of it, trusting `root` alone. */
async function verify(dir: string, { signed, root }: { signed: Buffer; root: string }) {
  const [file, roots] = [join(dir, 'signed.der'), join(dir, 'root.pem')]
  writeFileSync(file, signed)
  writeFileSync(roots, root)
  return run('openssl', ['cms', '-verify', '-binary', '-inform', 'DER', '-in', file, '-CAfile', roots, '-purpose', 'any'])
}

function tempDir(t: TestContext): string {
  const dir = tempFolder('profile')
  t.after(() => removeFolder(dir))
  return dir
}

async function selfSigned(dir: string, ...kind: readonly string[]): Promise<Signer> {
  const { out: cert } = await succeed('openssl', ['req', '-x509', '-newkey', ...kind, '-nodes', '-subj', '/CN=x', '-keyout', 'key.pem'], { cwd: dir })
  return { cert, key: readFileSync(join(dir, 'key.pem'), 'latin1') }
}

const AT = new Date('2026-11-30T12:34:56Z')

test('signatures of every key that devices take', { skip }, async (t) => {
  const dir = tempDir(t)
  const authority = makeAuthority()
  const between = authority.give({ names: ['Between'], authority: true })
  const openssl = (...args: string[]) => succeed('openssl', args, { cwd: dir })
  const p384 = await selfSigned(dir, 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384')
  const own = makeSelfSigned({ hostname: 'mail.example.org', now: Date.now() })
  const signers: [string, Signer, root: string][] = [
    ['P-256, of our own', own, own.cert],
    ['P-384', p384, p384.cert],
    ['RSA, of an authority', authority.give({ names: ['mail.example.org'] }), authority.cert],
    ['RSA, with a certificate between', between.give({ names: ['mail.example.org'] }), authority.cert],
  ]
  const text = made({ address: 'jörg@example.org' })
  for (const [name, signer, root] of signers) {
    const signed = sign(text, signer, AT)!
    const { code, out, err } = await verify(dir, { signed, root })
    assert.equal(code, 0, `${name}: ${err}`)
    assert.equal(Buffer.from(out, 'latin1').toString('utf8'), text, name)
    const at = signed.indexOf('jörg')
    const changed = Buffer.concat([signed.subarray(0, at), Buffer.from('k'), signed.subarray(at + 1)])
    assert.notEqual((await verify(dir, { signed: changed, root })).code, 0, name)
    assert.notEqual((await verify(dir, { signed, root: makeAuthority().cert })).code, 0, name)
    const { out: printed } = await openssl('cms', '-cmsout', '-print', '-inform', 'DER', '-in', 'signed.der')
    await openssl('cms', '-cmsout', '-inform', 'DER', '-in', 'signed.der', '-outform', 'DER', '-out', 'again.der')
    assert.ok(readFileSync(join(dir, 'again.der')).equals(signed), `${name}: OpenSSL would write other DER`)
    assert.match(printed, /UTCTIME:Nov 30 12:34:56 2026 GMT/, name)
  }
})

test('a certificate of version 1 is found by its issuer, too', { skip }, async (t) => {
  const dir = tempDir(t)
  const openssl = (...args: string[]) => succeed('openssl', args, { cwd: dir })
  await openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=old', '-keyout', 'key.pem', '-out', 'req.pem')
  const { out: cert } = await openssl('x509', '-req', '-in', 'req.pem', '-signkey', 'key.pem', '-days', '2')
  const { out: key } = await openssl('pkey', '-in', 'key.pem')
  const { out: shown } = await succeed('openssl', ['x509', '-noout', '-text'], { input: cert })
  assert.match(shown, /Version: 1 /)
  const { code, err } = await verify(dir, { signed: sign('text', { cert, key }, AT)!, root: cert })
  assert.equal(code, 0, err)
})

test('keys that sign no profile', { skip }, async (t) => {
  const dir = tempDir(t)
  for (const kind of [['ed25519'], ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521']]) {
    assert.equal(sign('text', await selfSigned(dir, ...kind), AT), undefined, kind[0])
  }
  const [one, other] = [makeSelfSigned({ hostname: 'a.example', now: Date.now() }), makeSelfSigned({ hostname: 'a.example', now: Date.now() })]
  assert.equal(sign('text', { cert: one.cert, key: other.key }, AT), undefined)
  assert.equal(sign('text', { cert: '', key: one.key }, AT), undefined)
})
