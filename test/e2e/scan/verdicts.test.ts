/** What scanners say of mail, and what becomes of it: with scanners that say what they are told to. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { clamd } from '../../../src/smtp/scan/clamd.ts'
import { rspamd } from '../../../src/smtp/scan/rspamd.ts'
import { MAX_SYMBOLS } from '../../../src/smtp/scan/rspamd-reply.ts'
import type { Action } from '../../../src/smtp/vote.ts'
import { fakeDns } from '../outbound/peer.ts'
import { Client } from '../smtp/harness.ts'
import {
  asClamd,
  clamdAt,
  clock,
  JUNK,
  letter,
  MAX_SIZE,
  rspamdAt,
  ruleOf,
  says,
  scans,
  scriptedRspamd,
  scriptedTcp,
  send,
  startHouse,
  submit,
} from './scripted.ts'

const dir = mkdtempSync(join(tmpdir(), 'postern-scan-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const ACTIONS: Record<string, Action> = { 'mild.example': 'junk', 'open.example': 'mark' }
const action = (domain: string | undefined): Action => ACTIONS[domain ?? ''] ?? 'reject'

const spam = await scriptedRspamd()
let virus: string | undefined
const virusSees: Buffer[] = []
const scanned = asClamd((message) => {
  virusSees.push(message)
  return virus === undefined ? 'stream: OK\0' : `stream: ${virus} FOUND\0`
})
const clam = await scriptedTcp(scanned)
const socketPath = join(dir, 'clamd.sock')
const clamSocket = await scriptedTcp(scanned, socketPath)
const house = await startHouse([ruleOf(rspamdAt(spam.port), { action }), ruleOf(clamdAt(clam.port), { action })])
const filtered = await startHouse([
  ruleOf(rspamd({ url: `http://127.0.0.1:${spam.port}/spam/`, password: 'sesam', maxSize: MAX_SIZE }), { submission: true }),
  ruleOf(clamd({ address: { path: socketPath }, maxSize: MAX_SIZE })),
])
after(async () => {
  await Promise.all([house.stop(), filtered.stop()])
  await Promise.all([spam.stop(), clam.stop(), clamSocket.stop()])
})
const last = () => house.mx.store.messages.at(-1)!
const stored = () => house.mx.store.messages.length
const reset = (): void => {
  virus = undefined
  spam.answer = says('no action', 0)
}

test('what nobody minds goes to the inbox, and says who looked', async () => {
  reset()
  spam.answer = says('no action', -1.5, { symbols: { R_SPF_ALLOW: { name: 'R_SPF_ALLOW', score: -0.2 }, RCVD_TLS_ALL: { score: -1.3 }, ODD: {} } })
  const text = letter()
  assert.match(await send(house.mx.port, text), /^250 /)
  assert.deepEqual(last().mailboxes, [1])
  assert.deepEqual(scans(last().text), ['rspamd; no action; score=-1.50/15.00; RCVD_TLS_ALL(-1.30); R_SPF_ALLOW(-0.20)', 'clamav; clean'])
  assert.match(last().text.toString(), /^Return-Path: .*\r\nX-Postern-Scan: /)
  assert.equal(spam.heard?.body.toString(), `${text}\r\n`)
  assert.equal(virusSees.at(-1)?.toString(), `${text}\r\n`)
})

test('what rspamd is told', async () => {
  reset()
  assert.match(await send(house.mx.port, letter(), { from: 'x+y@elsewhere.test', to: ['ann@example.org', 'bob@mild.example'] }), /^250 /)
  const { url, headers } = spam.heard!
  assert.equal(url, '/checkv2')
  assert.deepEqual(headers['from'], ['<x+y@elsewhere.test>'])
  assert.deepEqual(headers['rcpt'], ['<ann@example.org>', '<bob@mild.example>'])
  assert.deepEqual([headers['ip'], headers['helo'], headers['mta-name']], [['127.0.0.1'], ['client.test'], ['mx.example.org']])
  assert.match(`${headers['queue-id']}`, /^[0-9a-f]{16}$/)
  assert.match(last().text.toString(), new RegExp(`id\\s+${headers['queue-id']}`))
  assert.deepEqual([headers['user'], headers['password'], headers['hostname']], [undefined, undefined, undefined])
  assert.match(await send(house.mx.port, letter(), { from: '' }), /^250 /)
  assert.deepEqual(spam.heard!.headers['from'], ['<>'])
})

test('add header and rewrite subject are junk for everybody, and so is what it would put aside or drop', async () => {
  reset()
  for (const said of ['add header', 'rewrite subject', 'quarantine', 'discard']) {
    spam.answer = says(said, 7.1, { symbols: { BAYES_SPAM: { score: 5.1 } }, subject: '*** SPAM ***' })
    assert.match(await send(house.mx.port, letter(), { to: ['ann@example.org', 'bob@mild.example', 'cid@open.example'] }), /^250 /)
    assert.deepEqual(last().mailboxes, [JUNK, JUNK, JUNK])
    assert.equal(scans(last().text)[0], `rspamd; ${said}; score=7.10/15.00; BAYES_SPAM(5.10)`)
    assert.ok(last().text.includes('Subject: hi\r\n'))
  }
})

test('reject is refused, in its words; each domain of ours has its own rule', async () => {
  reset()
  spam.answer = says('reject', 20, { messages: { smtp_message: 'Gtube\r\n250 pattern' } })
  const before = stored()
  assert.equal(await send(house.mx.port, letter()), '550 5.7.1 The message is taken for spam: Gtube 250 pattern')
  assert.equal(stored(), before)
  assert.match(await send(house.mx.port, letter(), { to: ['bob@mild.example'] }), /^250 /)
  assert.deepEqual(last().mailboxes, [JUNK])
  assert.match(await send(house.mx.port, letter(), { to: ['cid@open.example'] }), /^250 /)
  assert.deepEqual(last().mailboxes, [1])
  assert.match(scans(last().text)[0]!, /^rspamd; reject; score=20\.00/)
  assert.match(await send(house.mx.port, letter(), { to: ['ann@example.org', 'bob@mild.example', 'cid@open.example'] }), /^250 /)
  assert.deepEqual(last().mailboxes, [JUNK, JUNK, 1])
})

test('soft reject is refused for now', async () => {
  reset()
  spam.answer = says('soft reject', 5, { messages: { smtp_message: 'Ratelimit "to" exceeded' } })
  const before = stored()
  assert.equal(await send(house.mx.port, letter()), '451 4.7.1 The message is not taken now, try again later: Ratelimit "to" exceeded')
  assert.equal(stored(), before)
})

test('greylist is refused once, and taken when it comes again after a minute', async () => {
  reset()
  spam.answer = says('greylist', 5)
  const text = letter()
  const from = 'grey@elsewhere.test'
  assert.match(await send(house.mx.port, text, { from }), /^451 4\.7\.1 The message is not taken now, try again later$/)
  clock.ms += 10_000
  assert.match(await send(house.mx.port, text, { from }), /^451 4\.7\.1 /)
  clock.ms += 51_000
  assert.match(await send(house.mx.port, text, { from, to: ['bob@mild.example'] }), /^451 4\.7\.1 /)
  assert.match(await send(house.mx.port, text, { from }), /^250 /)
  assert.deepEqual(last().mailboxes, [1])
  assert.equal(scans(last().text)[0], 'rspamd; greylist; score=5.00/15.00')
})

test('a virus is refused by name, or junk, or marked', async () => {
  reset()
  virus = 'Win.Test.EICAR_HDB-1'
  const before = stored()
  assert.equal(await send(house.mx.port, letter()), '550 5.7.1 The message is infected: Win.Test.EICAR_HDB-1')
  assert.equal(stored(), before)
  assert.match(await send(house.mx.port, letter(), { to: ['bob@mild.example', 'cid@open.example'] }), /^250 /)
  assert.deepEqual(last().mailboxes, [JUNK, 1])
  assert.equal(scans(last().text)[1], 'clamav; infected; Win.Test.EICAR_HDB-1')
  virus = 'Bad 250 Name\x01 (x)'
  assert.equal(await send(house.mx.port, letter()), '550 5.7.1 The message is infected: Bad_250_Name___x_')
})

test('postmaster and abuse get spam, as junk, and no virus', async () => {
  reset()
  spam.answer = says('reject', 20)
  for (const to of [['postmaster'], ['abuse@example.org'], ['Postmaster@example.org', 'abuse@example.org']]) {
    assert.match(await send(house.mx.port, letter(), { to }), /^250 /, `${to}`)
    assert.deepEqual(last().mailboxes, [JUNK])
    assert.match(scans(last().text)[0]!, /^rspamd; reject; /)
  }
  assert.match(await send(house.mx.port, letter(), { to: ['postmaster', 'ann@example.org'] }), /^550 5\.7\.1 The message is taken for spam/)
  assert.match(await submit(filtered.submission.port, letter(), { to: ['postmaster@example.org'] }), /^550 5\.7\.1 The message is taken for spam/)
  spam.answer = says('greylist', 5)
  assert.match(await send(house.mx.port, letter(), { to: ['postmaster'] }), /^250 /)
  spam.answer = says('reject', 20)
  virus = 'Eicar'
  const before = stored()
  assert.equal(await send(house.mx.port, letter(), { to: ['postmaster'] }), '550 5.7.1 The message is infected: Eicar')
  assert.equal(stored(), before)
})

test('the virus goes before what may be taken later, and spam before what cannot be scanned', async () => {
  reset()
  virus = 'Eicar'
  spam.answer = says('soft reject', 5)
  assert.match(await send(house.mx.port, letter()), /^550 5\.7\.1 The message is infected/)
})

test('who logged in and sends a virus is refused, whoever gets it; rspamd looks where it is told to', async () => {
  reset()
  const { submission } = house
  const asked = spam.questions
  assert.match(await submit(submission.port, letter()), /^250 /)
  assert.equal(spam.questions, asked)
  assert.deepEqual(scans(submission.store.messages.at(-1)!.text), [])
  virus = 'Eicar'
  assert.equal(await submit(submission.port, letter(), { to: ['cid@open.example'] }), '550 5.7.1 The message is infected: Eicar')
  virus = undefined
  const port = filtered.submission.port
  assert.match(await submit(port, letter()), /^250 /)
  const { url, headers, body } = spam.heard!
  assert.equal(url, '/spam/checkv2')
  assert.deepEqual([headers['user'], headers['password']], [['ann@example.org'], ['sesam']])
  // With the lines that it is sent with.
  assert.match(body.toString(), /^Date: .*\r\nMessage-ID: <.*>\r\nFrom: /)
  spam.answer = says('reject', 20)
  assert.equal(await submit(port, letter()), '550 5.7.1 The message is taken for spam')
  spam.answer = says('add header', 7)
  assert.match(await submit(port, letter()), /^250 /)
  assert.deepEqual(filtered.submission.store.messages.at(-1)!.mailboxes, [JUNK])
  spam.answer = says('soft reject', 7)
  assert.match(await submit(port, letter()), /^451 4\.7\.1 /)
  spam.answer = says('greylist', 5)
  assert.match(await submit(port, letter()), /^250 /)
  virus = 'Eicar'
  assert.match(await submit(port, letter()), /^550 5\.7\.1 The message is infected/)
})

test('what a message says of itself in our name is gone', async () => {
  reset()
  const forged = 'X-Postern-Scan: clamav; clean\r\nx-postern-scan :\r\n rspamd; no action\r\n'
  assert.match(await send(house.mx.port, forged + letter(forged)), /^250 /)
  assert.deepEqual(scans(last().text), ['rspamd; no action; score=0.00/15.00', 'clamav; clean'])
  assert.equal(
    last()
      .text.toString()
      .match(/x-postern-scan/gi)?.length,
    2,
  )
  assert.match(await submit(house.submission.port, letter(forged)), /^250 /)
  assert.doesNotMatch(house.submission.store.messages.at(-1)!.text.toString(), /x-postern-scan/i)
})

test('a header of many symbols with long names has bounds, and nothing in it is another header', async () => {
  reset()
  const symbols = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`S${i}\r\nX-Evil: ${'x'.repeat(300)}`, { score: i }]))
  spam.answer = says('no action', 1e12, { symbols, required_score: null })
  assert.match(await send(house.mx.port, letter()), /^250 /)
  const [found] = scans(last().text)
  assert.match(found!, /^rspamd; no action; score=1\.00e\+12; S499__X-Evil:_x+\(499\.00\); S498/)
  assert.equal(found!.split('; ').length, 3 + MAX_SYMBOLS)
  assert.ok(found!.length < 4_000)
  assert.doesNotMatch(last().text.toString(), /^X-Evil/m)
})

test('what is too large is not looked at, and says so', async () => {
  reset()
  const asked = spam.questions
  const large = `${letter()}${`${'x'.repeat(998)}\r\n`.repeat(MAX_SIZE / 1000 + 10)}`
  assert.match(await send(house.mx.port, large), /^250 /)
  assert.deepEqual(scans(last().text), ['rspamd; skipped', 'clamav; skipped'])
  assert.match(await send(house.mx.port, letter(), { size: MAX_SIZE + 1 }), /^250 /)
  assert.deepEqual(scans(last().text), ['rspamd; skipped', 'clamav; skipped'])
  assert.equal(spam.questions, asked)
  const just = `${letter()}${`${'x'.repeat(998)}\r\n`.repeat(MAX_SIZE / 1000 - 10)}`
  assert.match(await send(house.mx.port, just), /^250 /)
  assert.deepEqual(scans(last().text), ['rspamd; no action; score=0.00/15.00', 'clamav; clean'])
  assert.equal(spam.heard!.body.length, just.length + 2)
  assert.ok(spam.heard!.body.equals(virusSees.at(-1)!))
})

test('the client has a name where the DNS knows one, and no address where others are behind it', async () => {
  reset()
  const dns = fakeDns({ '1.0.0.127.in-addr.arpa': { PTR: ['client.example.test'] }, 'client.example.test': { A: ['127.0.0.1'] } })
  const named = await startHouse([ruleOf(rspamdAt(spam.port))], { dns })
  const hidden = await startHouse([ruleOf(rspamdAt(spam.port))], { dns, isHidden: () => true })
  try {
    assert.match(await send(named.mx.port, letter()), /^250 /)
    assert.deepEqual([spam.heard!.headers['ip'], spam.heard!.headers['hostname']], [['127.0.0.1'], ['client.example.test']])
    assert.match(await send(hidden.mx.port, letter()), /^250 /)
    assert.deepEqual([spam.heard!.headers['ip'], spam.heard!.headers['hostname']], [undefined, undefined])
  } finally {
    await Promise.all([named.stop(), hidden.stop()])
  }
})

test('a message in chunks is seen whole', async () => {
  reset()
  const client = await Client.connect(house.mx.port)
  await client.reply()
  await client.expect(['EHLO client.test', '250'], ['MAIL FROM:<x@elsewhere.test>', '250'], ['RCPT TO:<ann@example.org>', '250'])
  const text = letter()
  await client.expect([`BDAT ${text.length}\r\n${text}`.slice(0, -2), '250'])
  virus = 'Eicar'
  assert.match(await client.say('BDAT 5 LAST\r\nend'), /^550 5\.7\.1 The message is infected: Eicar$/)
  assert.equal(virusSees.at(-1)!.toString(), `${text}end\r\n`)
  client.close()
})
