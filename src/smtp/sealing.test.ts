/** Seals, as mailauth (which verifies here too) and dkimpy (Debian package `python3-dkim`) find them. */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { sealMessage } from 'mailauth/lib/arc/index.js'
import { missing, run } from '../../test/support/programs.ts'
import { RelaxedBody } from '../mail/dkim-body.ts'
import { NoSuchName } from '../net/dns/dns.ts'
import { blockEnd } from './header.ts'
import { startVerifying } from './inbound/verify.ts'
import { sealBy } from './sealing.ts'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const record = `v=DKIM1; k=rsa; p=${pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`
const dns = {
  validates: false,
  async ask(name: string) {
    if (!name.startsWith('k._domainkey.')) throw new NoSuchName(name)
    return { records: [record] as never, secure: false, name }
  },
}

const NOW = Date.now()
const MESSAGE = [
  'Received: from a',
  'DKIM-Signature: v=1; d=a.test; s=x; b=AAAA',
  'From: Ann <ann@a.test>',
  'To:  b@b.test,\r\n\tc@c.test',
  'Subject: caf\xc3\xa9 \xc3\xa0',
  'Date: Sun, 29 Nov 2026 12:00:00 +0000',
  '',
  'body  with \t spaces ',
  '',
  '',
].join('\r\n')

function relaxedHash(message: Buffer, from: number): string {
  const hash = createHash('sha256')
  const body = new RelaxedBody((octets) => hash.update(octets))
  body.write(message.subarray(from))
  body.end()
  return hash.digest('base64')
}

async function chainOf(text: string): Promise<string> {
  const message = Buffer.from(text, 'latin1')
  const block = message.subarray(0, blockEnd(message))
  const envelope = { ip: '192.0.2.9', helo: 'h.test', from: 'x@x.test' }
  const verification = await startVerifying(block, {
    envelope,
    dns: dns as never,
    hostname: 'mx.test',
    over: new AbortController().signal,
    hashes: true,
  })
  for (let at = block.length; at < message.length; at += 7) verification.body(message.subarray(at, at + 7))
  const { arc } = await verification.finish()
  assert.equal(verification.bodyHash?.(), relaxedHash(message, block.length))
  return arc.result
}

/** As one hop more would send it on. */
function sealed(text: string, arc: string, domain = 'b.test', more = ''): string {
  const message = Buffer.from(text, 'latin1')
  const block = message.subarray(0, blockEnd(message))
  const results = `mx.${domain};\r\n\tspf=pass smtp.mailfrom=a.test;\r\n\tarc=${arc}${more}`
  const set = sealBy({ domain, selector: 'k', privateKey }, { block, bodyHash: relaxedHash(message, block.length), arc, results, time: NOW })
  return set === undefined ? text : set + text
}

test('a chain of three hops holds, each with what it found', async () => {
  let text = MESSAGE
  assert.equal(await chainOf(text), 'none')
  for (const [hop, domain] of ['b.test', 'c.test', 'd.test'].entries()) {
    text = sealed(text, hop === 0 ? 'none' : 'pass', domain)
    assert.equal(await chainOf(text), 'pass')
    assert.match(text, new RegExp(`^ARC-Seal: i=${hop + 1}; cv=${hop === 0 ? 'none' : 'pass'}; a=rsa-sha256; d=${domain}; s=k; t=\\d+; b=\\r\\n`))
  }
  const signature = /^ARC-Message-Signature: i=3(?:.*\r\n[ \t])*.*/m.exec(text)![0].replaceAll(/\s+/g, '')
  assert.match(signature, /;h=from:from:sender:reply-to:to:to:cc:subject:subject:date:date:message-id:content-type:dkim-signature;/)
  for (const [from, to] of [
    ['body', 'Body'],
    ['caf\xc3\xa9', 'cafe'],
    ['d=a.test', 'd=c.test'],
    ['spf=pass', 'spf=fail'],
    ['d=c.test; s=k; t=', 'd=b.test; s=k; t='],
    ['Subject: ', 'Subject: other\r\nSubject: '],
  ] as const)
    assert.equal(await chainOf(text.replace(from, to)), 'fail', from)
  // What is added on the way by servers does not matter.
  assert.equal(await chainOf(`Delivered-To: x@d.test\r\nAuthentication-Results: z; none\r\nReceived: from b\r\n${text}`), 'pass')
})

test('a chain that is broken is marked once, and not sealed again', async () => {
  const broken = sealed(MESSAGE, 'none').replace('body', 'Body')
  const marked = sealed(broken, await chainOf(broken), 'c.test')
  assert.match(marked, /^ARC-Seal: i=2; cv=fail;/)
  assert.equal(await chainOf(marked), 'fail')
  assert.equal(sealed(marked, 'fail', 'd.test'), marked)
  // Of what cannot be told nothing is said; nor where the words and the message do not fit.
  for (const arc of ['temperror', 'none']) assert.equal(sealed(broken, arc), broken)
  for (const arc of ['temperror', 'pass', 'fail']) assert.equal(sealed(MESSAGE, arc), MESSAGE)
})

test('the mark of a broken chain covers its own set alone', () => {
  const broken = sealed(MESSAGE, 'none').replace('body', 'Body')
  const seal = (text: string): string => /^(?:.*\r\n)(?:\t.*\r\n)*/.exec(text)![0]
  // RSA signatures of the same octets are the same.
  const [marked, other] = [broken, broken.replace('cv=none', 'cv=pass')].map((text) => seal(sealed(text, 'fail', 'c.test')))
  assert.match(marked!, /^ARC-Seal: i=2; cv=fail/)
  assert.equal(marked, other)
  const [pass, another] = [broken, broken.replace('cv=none', 'cv=pass')].map((text) => seal(sealed(text, 'pass', 'c.test')))
  assert.notEqual(pass, another)
})

test('fifty sets are all that there can be', async () => {
  let text = MESSAGE
  const large = ` (${'x '.repeat(1_700)})`
  for (let i = 0; i < 50; i++) text = sealed(text, i === 0 ? 'none' : 'pass', `d${i}.test`, large)
  assert.match(text, /^ARC-Seal: i=50; cv=pass/)
  const started = performance.now()
  assert.equal(await chainOf(text), 'pass')
  assert.ok(performance.now() - started < 1_000, `${performance.now() - started} ms`)
  assert.equal(sealed(text, 'pass'), text)
})

test('a chain that mailauth began, however its fields stand', async () => {
  const seal = {
    signingDomain: 'other.test',
    selector: 'k',
    privateKey,
    cv: 'none',
    authResults: 'mx.other.test; spf=pass smtp.mailfrom="a; i=7; b"@a.test',
  }
  const set = (await sealMessage(Buffer.from(MESSAGE, 'latin1'), seal as never)).toString('latin1')
  // Its fields in another order, with another case and folding, which relaxed form does not see.
  const fields = set.match(/^ARC-.*\r\n(?:[ \t].*\r\n)*/gm)!
  assert.equal(fields.length, 3)
  const [arcSeal, signature, results] = fields as [string, string, string]
  const others = `${results.replace('ARC-Authentication-Results: ', 'arc-authentication-RESULTS:\r\n \t')}Received: x\r\n${arcSeal.replaceAll('; ', ';\r\n\t\t ')}${signature.replace('ARC-Message-Signature:', 'ARC-Message-Signature: ')}`
  assert.equal(await chainOf(others + MESSAGE), 'pass')
  assert.equal(await chainOf(sealed(others + MESSAGE, 'pass')), 'pass')
})

const VERIFY = `
import sys, dkim
def txt(name, timeout=5): return sys.argv[1].encode() if name.startswith(b'k._domainkey.') else None
cv, results, comment = dkim.arc_verify(sys.stdin.buffer.read(), dnsfunc=txt)
print((cv or b'-').decode(), comment)
`

const SEAL = `
import sys, dkim
message = sys.stdin.buffer.read()
lines = dkim.arc_sign(message, b'k', b'dkimpy.test', sys.argv[1].encode(), b'mx.dkimpy.test', linesep=b'\\r\\n')
sys.stdout.buffer.write(b''.join(lines) + message)
`

test('dkimpy finds the same', { skip: missing('arcverify') }, async () => {
  const says = async (text: string): Promise<string> => {
    const { out, err } = await run('/usr/bin/python3', ['-c', VERIFY, record], { input: Buffer.from(text, 'latin1') })
    return `${out}${err}`.trim()
  }
  // It takes up a chain of ours, and we one of its own.
  const found = 'Authentication-Results: mx.dkimpy.test; spf=pass smtp.mailfrom=a.test; arc='
  const seals = async (text: string): Promise<string> => {
    const pkcs1 = pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
    const { out, err, code } = await run('/usr/bin/python3', ['-c', SEAL, pkcs1], { input: Buffer.from(text, 'latin1') })
    assert.equal(code, 0, err)
    return out
  }
  const theirs = sealed(await seals(`${found}none\r\n${MESSAGE}`), 'pass')
  assert.match(theirs, /^ARC-Seal: i=2; cv=pass/)
  assert.match(await says(theirs), /^pass /)
  assert.equal(await chainOf(theirs), 'pass')
  const taken = await seals(`${found}pass\r\n${sealed(MESSAGE, 'none')}`)
  assert.match(taken, /^ARC-Seal: i=2; cv=pass/)
  assert.equal(await chainOf(taken), 'pass')
  const one = sealed(MESSAGE, 'none')
  const three = sealed(sealed(one, 'pass', 'c.test'), 'pass', 'd.test')
  assert.match(await says(one), /^pass /)
  assert.match(await says(three), /^pass /)
  assert.match(await says(three.replace('body', 'Body')), /^fail /)
  assert.match(await says(three.replace('spf=pass', 'spf=fail')), /^fail /)
  const broken = one.replace('body', 'Body')
  assert.match(await says(sealed(broken, 'fail', 'c.test')), /ARC-Seal\[2\] reported failure, the chain is terminated/)
})
