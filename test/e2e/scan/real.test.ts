/** Mail past Debian's rspamd and clamd. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { scannerFindings } from '../../../src/cli/checks/scanners.ts'
import { lineOf } from '../../../src/cli/doctor.ts'
import { clamd } from '../../../src/smtp/scan/clamd.ts'
import type { ScanRule } from '../../../src/smtp/scan/inspect.ts'
import { missing } from '../../support/programs.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { Client } from '../smtp/harness.ts'
import type { Program } from '../world/programs.ts'
import { freePort, gtube, MARKER, SIGNATURE, startClamd, startRspamd, TAKEN } from './programs.ts'
import { clamdAt, clock, type House, JUNK, letter, rspamdAt, ruleOf, scans, send, startHouse, submit } from './scripted.ts'

const skip = missing('rspamd', 'clamd')
const undo = new AsyncDisposableStack()
after(() => undo.disposeAsync())
let house: House
let small: House
let clamav: Program
const clamdPort = await freePort()
const rspamdPort = await freePort()
const dir = tempFolder('scanners')
undo.defer(() => removeFolder(dir))
const clamdDir = join(dir, 'clamav')
const socket = join(dir, 'clamd.sock')

if (!skip) {
  mkdirSync(clamdDir)
  mkdirSync(join(dir, 'rspamd'))
  const started = performance.now()
  const [one, other] = await Promise.all([startRspamd(join(dir, 'rspamd'), rspamdPort), startClamd(clamdDir, clamdPort, socket)])
  clamav = other
  undo.defer(() => one.close())
  undo.defer(() => clamav.close())
  const rules = [ruleOf(rspamdAt(rspamdPort, 20 * TAKEN), { submission: true }), ruleOf(clamdAt(clamdPort, 20 * TAKEN))]
  house = await startHouse(rules)
  undo.defer(() => house.stop())
  small = await startHouse([ruleOf(clamd({ address: { path: socket }, maxSize: TAKEN }))])
  undo.defer(() => small.stop())
  test('started', (t) => t.diagnostic(`both within ${Math.round(performance.now() - started)} ms`))
}
const failures = (): number => house.lines.filter((line) => line.includes('message not scanned')).length
const last = (of = house) => of.mx.store.messages.at(-1)!
const with_ = (body: string, more = ''): string => letter(more).replace('body', body)

test('ordinary mail', { skip }, async () => {
  assert.match(await send(house.mx.port, letter()), /^250 /)
  assert.deepEqual(last().mailboxes, [1])
  assert.deepEqual(scans(last().text), ['rspamd; no action; score=0.00/15.00', 'clamav; clean'])
})

test("rspamd's test patterns: reject, add header, rewrite subject, nothing", { skip }, async () => {
  assert.equal(await send(house.mx.port, with_(gtube('X'))), '550 5.7.1 The message is taken for spam: Gtube pattern')
  for (const [kind, action, mailbox] of [
    ['Y', 'add header', JUNK],
    ['Z', 'rewrite subject', JUNK],
    ['A', 'no action', 1],
  ] as const) {
    assert.match(await send(house.mx.port, with_(gtube(kind))), /^250 /)
    assert.deepEqual(last().mailboxes, [mailbox])
    assert.match(scans(last().text)[0]!, new RegExp(`^rspamd; ${action}; score=\\d+\\.00/15\\.00`))
  }
})

test('scores and symbols', { skip }, async () => {
  assert.match(await send(house.mx.port, letter('X-Score: 7.25\r\n')), /^250 /)
  assert.deepEqual(last().mailboxes, [JUNK])
  assert.equal(scans(last().text)[0], 'rspamd; add header; score=7.25/15.00; WANTED(7.25)')
  // The other one's word is not waited for, and is not missed.
  assert.equal(failures(), 0)
  assert.match(await send(house.mx.port, letter('X-Score: 99\r\n')), /^550 5\.7\.1 The message is taken for spam$/)
})

test('its greylist, without a module that remembers, is not for ever; soft reject is for now', { skip }, async () => {
  const text = letter('X-Score: 5\r\n')
  assert.match(await send(house.mx.port, text), /^451 4\.7\.1 /)
  clock.ms += 61_000
  assert.match(await send(house.mx.port, text), /^250 /)
  assert.match(await send(house.mx.port, letter('X-Soft: slow down\r\n')), /^451 4\.7\.1 .*: slow down$/)
})

test('what it hears of the envelope', { skip }, async () => {
  const text = letter('X-Tell: 1\r\n')
  const to = ['ann@example.org', 'bob@mild.example', 'cid@open.example']
  const told = await send(house.mx.port, text, { from: 'x+y@elsewhere.test', to })
  const size = text.length + 2
  assert.match(
    told,
    new RegExp(
      `from=<x\\+y@elsewhere\\.test> rcpt=<${to.join(',')}> ip=127\\.0\\.0\\.1 helo=client\\.test host=nil user=nil mta=mx\\.example\\.org queue=[0-9a-f]{16} size=${size}$`,
    ),
  )
  assert.match(await send(house.mx.port, text, { from: '' }), /from=<> rcpt=<ann@example\.org>/)
  // Other characters in an address would make it see none.
  const client = await Client.connect(house.mx.port)
  await client.reply()
  const address = Buffer.from('grüße@bücher.test').toString('latin1')
  await client.expect(['EHLO client.test', '250'], [`MAIL FROM:<${address}> SMTPUTF8`, '250'], ['RCPT TO:<ann@example.org>', '250'], ['DATA', '354'])
  assert.match(await client.say(`${text}\r\n.`), /from=<gr=C3=BC=C3=9Fe@xn--bcher-kva\.test> rcpt=<ann@example\.org>/)
  client.close()
  assert.match(await submit(house.submission.port, text, { to: ['bob@mild.example'] }), /from=<ann@example\.org> .* user=ann@example\.org /)
})

test('a virus, in the clear and within', { skip }, async () => {
  const infected = `550 5.7.1 The message is infected: ${SIGNATURE}.UNOFFICIAL`
  assert.equal(await send(house.mx.port, with_(`x ${MARKER} y`)), infected)
  const encoded = Buffer.from(`${'x'.repeat(200)}${MARKER}`)
    .toString('base64')
    .replaceAll(/.{76}/g, '$&\r\n')
  const attached = with_(encoded, 'MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n')
  assert.equal(await send(house.mx.port, attached), infected)
  assert.equal(await submit(house.submission.port, attached), infected)
  assert.equal(await send(small.mx.port, attached), infected)
})

test('messages as large as clamd takes, and larger', { skip }, async () => {
  const text = letter()
  const large = (octets: number): string => text + 'x'.repeat(998 - text.length - 2).concat('\r\n') + `${'x'.repeat(998)}\r\n`.repeat(octets / 1000)
  for (const [size, found] of [
    [TAKEN, 'clamav; clean'],
    [TAKEN + 1, 'clamav; skipped'],
  ] as const) {
    const start = large(TAKEN - 3_000)
    // With the line end before the final dot.
    const whole = start + 'y'.repeat(size - start.length - 2 > 900 ? 900 : 0).concat('\r\n')
    const rest = size - whole.length - 2
    const message = whole + `${'z'.repeat(498)}\r\n`.repeat(Math.floor(rest / 500)) + 'w'.repeat(rest % 500)
    assert.equal(message.length + 2, size)
    assert.match(await send(small.mx.port, message), /^250 /)
    assert.deepEqual(scans(last(small).text), [found])
  }
  assert.match(await send(house.mx.port, large(5 * TAKEN)), /^250 /)
  assert.deepEqual(scans(last().text), ['rspamd; failed', 'clamav; failed'])
  assert.match(house.lines.join('\n'), /does it take messages of max_size\?/)
})

test('many at once', { skip }, async (t) => {
  const before = house.mx.store.messages.length
  const body = `${'lorem ipsum dolor sit amet '.repeat(20)}\r\n`.repeat(100)
  const started = performance.now()
  const all = Array.from({ length: 40 }, () => send(house.mx.port, with_(body)))
  for (const reply of await Promise.all(all)) assert.match(reply, /^250 /)
  t.diagnostic(`${Math.round((performance.now() - started) / all.length)} ms for each of ${all.length}`)
  const found = house.mx.store.messages.slice(before).map(({ text }) => scans(text).join())
  assert.deepEqual([...new Set(found)], ['rspamd; no action; score=0.00/15.00,clamav; clean'])
})

test('postern doctor sees that they answer, and how much they take', { skip }, async () => {
  const say = async (rules: readonly ScanRule[]) => (await scannerFindings(rules, 'mx.example.org')).map(lineOf)
  assert.deepEqual(await say([ruleOf(rspamdAt(rspamdPort, TAKEN)), ruleOf(clamdAt(clamdPort, TAKEN))]), [
    'ok       scanner rspamd: it answers, also to a message of 1 MiB: no action, score=0.00/15.00',
    'ok       scanner clamav: it answers, also to a message of 1 MiB: clean',
  ])
  for (const line of await say([ruleOf(rspamdAt(rspamdPort, 3 * TAKEN)), ruleOf(clamdAt(clamdPort, 3 * TAKEN), { onFailure: 'defer' })]))
    assert.match(line, /^warning {2}scanner \w+: it answers, but not to a message of 3 MiB \("max_size"\), and then (?:mail|no mail) is taken/)
  assert.deepEqual(
    await say([ruleOf(clamdAt(await freePort(), TAKEN), { onFailure: 'defer' })]).then(([line]) => line?.replace(/\d+$/, 'PORT')),
    ['wrong    scanner clamav: it gives no verdict, and no mail is taken: connect ECONNREFUSED 127.0.0.1:PORT'][0],
  )
})

test('clamd goes away and comes back', { skip }, async () => {
  await clamav.close()
  assert.match(await send(house.mx.port, with_(MARKER)), /^250 /)
  assert.deepEqual(scans(last().text), ['rspamd; no action; score=0.00/15.00', 'clamav; failed'])
  clamav = await startClamd(clamdDir, clamdPort, socket)
  assert.match(await send(house.mx.port, with_(MARKER)), /^550 5\.7\.1 The message is infected/)
})
