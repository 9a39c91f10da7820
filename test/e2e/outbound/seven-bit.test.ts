/** Servers that say 8BITMIME, and some that do not. RFC 6152. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

let house: House
let peer: Peer
before(async () => {
  house = await outboundHouse({ 'one.test': { MX: [{ preference: 1, exchange: 'mx.one.test' }] }, 'mx.one.test': { A: ['127.0.0.1'] } })
  peer = await startPeer()
  house.work(peer.port)
})
beforeEach(() => {
  peer.took.length = 0
  peer.lines.length = 0
  // Each message has a connection, and with it an EHLO, of its own.
  peer.script = (line) => (line === '.' ? '250 2.0.0 taken close' : undefined)
})
after(async () => {
  await house?.close()
  await peer?.close()
})

const LINES = 'Return-Path: <anna@example.test>\r\n'
const TEXT = [
  `${LINES}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\nSubject: a\r\n\r\n--b`,
  'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.naïve\r\n--b',
  `Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n${'ü'.repeat(1_500)}\r\n--b--\r\n`,
].join('\r\n')
const PREFIX = 'Delivered-To: list@example.test\r\n'

async function sent(eightBit: boolean): Promise<string> {
  await house.send(['x@one.test'], { eightBit, skip: LINES.length, prefix: Buffer.from(PREFIX) }, TEXT)
  await until('it is sent', async () => peer.took.length === 1 && (await house.queue.list({ limit: 1 })).length === 0)
  return peer.took[0]!.text
}
const mailFrom = (): string => peer.lines.find((line) => line.startsWith('MAIL'))!

test('who says 8BITMIME gets the octets as they are', async () => {
  assert.ok((await sent(true)) === PREFIX + TEXT.slice(LINES.length))
  assert.match(mailFrom(), / BODY=8BITMIME/)
})

test('who does not gets 7-bit, with the same in it, whether the sender said BODY=8BITMIME or not', async () => {
  peer.extensions = peer.extensions.filter((one) => one !== '8BITMIME')
  for (const eightBit of [true, false]) {
    peer.took.length = 0
    peer.lines.length = 0
    const text = await sent(eightBit)
    assert.doesNotMatch(mailFrom(), /BODY/)
    assert.doesNotMatch(text, /[^\0-\x7f]/)
    assert.ok(
      text.startsWith(
        `${PREFIX}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nSubject: a\r\nContent-Transfer-Encoding: 7bit\r\n\r\n--b\r\n`,
      ),
    )
    assert.match(text, /charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\.na=C3=AFve\r\n--b\r\n/)
    const [, encoded] = /Content-Transfer-Encoding: base64\r\n\r\n([\s\S]*)\r\n--b--\r\n$/.exec(text)!
    assert.equal(Buffer.from(encoded!, 'base64').toString(), 'ü'.repeat(1_500))
    assert.ok(text.split('\r\n').every((line) => line.length <= 76 || line.startsWith('Content-')))
  }
})

test('what is signed as it stands goes to who takes 8-bit, and back to its sender from who does not', async () => {
  const text = `${LINES}MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\nContent-Transfer-Encoding: 8bit\r\n\r\nnaïve\r\n--s\r\n\r\nx\r\n--s--\r\n`
  const all = [...new Set([...peer.extensions, '8BITMIME'])]
  peer.extensions = all.filter((one) => one !== '8BITMIME')
  await house.send(['signed@one.test'], { eightBit: true, skip: LINES.length }, text)
  await until('the sender is told', async () =>
    (await house.inbox()).some((mail) => mail.includes('signed@one.test') && mail.includes('Status: 5.6.2\r\n')),
  )
  assert.equal(peer.took.length, 0)
  assert.equal(mailFrom(), undefined)
  peer.extensions = all
  await house.send(['signed@one.test'], { eightBit: true, skip: LINES.length }, text)
  await until('it is sent', () => peer.took.length === 1)
  assert.equal(peer.took[0]!.text, text.slice(LINES.length))
})
