/** Parts of real and hard mails by imaplib, against Python's own parser. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CorpusMessage, hardMails, pythonMails } from '../../support/corpus.ts'
import { type ImapHouse, imapHouse, PASSWORD } from '../../support/imap.ts'
import { missing, run } from '../../support/programs.ts'

const script = fileURLToPath(new URL('parts.py', import.meta.url))
/** Longer than one piece of what the store keeps, so that its parts are read by ranges. */
const long = (): CorpusMessage => {
  const lines = (n: number) => Array.from({ length: n }, (_, i) => `${i} ${'x'.repeat(i % 70)}`).join('\r\n')
  const part = (type: string, body: string) => `--b\r\nContent-Type: ${type}\r\n\r\n${body}\r\n`
  const inner = `Subject: inner\r\nTo: x@example.test\r\n\r\n${lines(5_000)}`
  const body = `${part('text/plain', lines(20_000))}${part('message/rfc822', inner)}${part('text/html', lines(9_000))}--b--\r\n`
  return { name: 'long', bytes: Buffer.from(`Subject: long\r\nFrom: a@example.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${body}`) }
}

let house: ImapHouse
const dir = mkdtempSync(join(tmpdir(), 'postern-imap-parts-'))
before(async () => {
  house = await imapHouse(['anna'])
})
after(async () => {
  await house.close()
  rmSync(dir, { recursive: true, force: true })
})

test('imaplib gets every part as it was sent', { skip: missing('python3') }, async (t) => {
  const { port } = await house.serve()
  const mails = [...pythonMails(), ...hardMails(30).filter((mail) => mail.bytes.length < 1_000_000), long()]
  mails.forEach(({ name, bytes }, i) => {
    writeFileSync(join(dir, `${`${i}`.padStart(4, '0')} ${name}`), bytes)
  })
  const { code, out, err } = await run('python3', [script, `${port}`, 'anna@example.test', PASSWORD, dir])
  assert.equal(code, 0, err)
  t.diagnostic(out)
  const [, parts, whole] = /(\d+) parts, (\d+) mails compared whole only/.exec(out)!.map(Number) as [number, number, number]
  assert.ok(parts >= 40, `only ${parts} parts were compared`)
  assert.ok(whole < mails.length / 2, `${whole} mails were compared whole only`)
})
