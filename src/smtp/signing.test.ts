import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { silentLog } from '../log.ts'
import { blockEnd } from './header.ts'
import { type DkimKey, signing } from './signing.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ed = generateKeyPairSync('ed25519')
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const keys: DkimKey[] = [
  { domain: 'example.test', selector: 'r1', privateKey: pem(rsa.privateKey) },
  { domain: 'example.test', selector: 'e1', privateKey: pem(ed.privateKey) },
]
const records = new Map([
  ['r1._domainkey.example.test', `v=DKIM1; k=rsa; p=${rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`],
  ['e1._domainkey.example.test', `v=DKIM1; k=ed25519; p=${ed.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')}`],
])
const resolver = async (name: string): Promise<string[][]> => {
  const found = records.get(name)
  if (!found) throw Object.assign(new Error('none'), { code: 'ENOTFOUND' })
  return [[found]]
}

async function sign(message: string, added = '', step = 7): Promise<string> {
  const octets = Buffer.from(message, 'latin1')
  const signer = signing(keys, { block: octets.subarray(0, blockEnd(octets)), added }, silentLog())
  for (let at = 0; at < octets.length; at += step) {
    const chunk = Buffer.from(octets.subarray(at, at + step))
    signer.write(chunk)
    chunk.fill(0)
  }
  return signer.finish()
}

async function verdicts(message: string): Promise<string[]> {
  const { results } = await dkimVerify(Buffer.from(message, 'latin1'), { resolver: resolver as never })
  return results.map(({ selector, status }: { selector?: string | false; status: { result: string } }) => `${selector} ${status.result}`).sort()
}

const MESSAGE = 'From: Ann <ann@example.test>\r\nTo: b@x.test\r\nSubject: hi\r\n\r\nbody \t x\r\n\r\n\r\n'

test('two signatures, each line ended, that hold with our lines on top', async () => {
  const added = 'Date: Sun, 29 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n'
  const lines = await sign(MESSAGE, added)
  assert.match(lines, /^DKIM-Signature: [\s\S]*\r\nDKIM-Signature: [\s\S]*\r\n$/)
  assert.deepEqual(await verdicts(`${lines}Received: from x\r\n${added}${MESSAGE}`), ['e1 pass', 'r1 pass'])
  assert.deepEqual(await verdicts(`${lines}${added}${MESSAGE.replace('body', 'Body')}`), ['e1 neutral', 'r1 neutral'])
})

test('nobody adds a second From, To or Subject, and none of those that are missing', async () => {
  const lines = await sign(MESSAGE)
  for (const field of ['From: eve@example.test', 'Subject: other', 'Cc: eve@x.test', 'Reply-To: eve@x.test'])
    assert.deepEqual(await verdicts(`${lines}${field}\r\n${MESSAGE}`), ['e1 fail', 'r1 fail'], field)
})

test('a message without a body, without a line end, with dots and 8 bits, in pieces of any size', async () => {
  for (const body of ['', 'x', '.\r\n..\r\n', '\xe4\xf6\r\n', `${'x'.repeat(200_000)}\r\n`])
    for (const step of body.length > 1000 ? [65_536] : [1, 13, 100_000]) {
      const message = `From: ann@example.test\r\n\r\n${body}`
      assert.deepEqual(await verdicts((await sign(message, '', step)) + message), ['e1 pass', 'r1 pass'], JSON.stringify([body.slice(0, 9), step]))
    }
})

test('a key that is none signs nothing, and the mail goes', async () => {
  const signer = signing([{ domain: 'example.test', selector: 'x', privateKey: 'rubbish' }], { block: Buffer.from(MESSAGE), added: '' }, silentLog())
  signer.write(Buffer.from(MESSAGE))
  assert.equal(signer.finish(), '')
})
