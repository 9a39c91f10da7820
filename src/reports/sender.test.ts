/** Whose word a report is: only by what this server wrote itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticationResults } from '../mail/auth-results.ts'
import { reporterOf } from './sender.ts'

const RECEIVED = 'Received: from a by mx.example.test;\r\n\tSun, 1 Nov 2026 00:00:00 +0000\r\n'
const header = (results: string, more = '', from = 'x@google.com'): Buffer =>
  Buffer.from(`Return-Path: <x@google.com>\r\n${results}${RECEIVED}${more}From: ${from}\r\nSubject: x\r\n\r\n`, 'latin1')
const ours = (...results: Parameters<typeof authenticationResults>[1]): string => authenticationResults('mx.example.test', results)
const dmarc = (result: string, from = 'google.com') => ({ method: 'dmarc', result, comment: 'p=reject', properties: { 'header.from': from } })
const dkim = (result: string, domain: string, comment = '') => ({
  method: 'dkim',
  result,
  comment,
  properties: { 'header.d': domain, 'header.s': 'k' },
})

test('DMARC that passed, or a signature of a domain that has no DMARC', () => {
  for (const [results, verified] of [
    [ours(dmarc('pass')), true],
    [ours(dmarc('fail')), false],
    [ours(dmarc('fail'), dkim('pass', 'google.com')), false],
    [ours(dkim('pass', 'google.com'), dmarc('none')), true],
    [ours(dkim('pass', 'mail.google.com'), dmarc('none')), true],
    [ours(dkim('fail', 'google.com'), dkim('pass', 'other.test'), dmarc('none')), false],
    [ours(dkim('pass', 'com'), dmarc('none')), false],
    [ours(dkim('pass', 'evilgoogle.com'), dmarc('none')), false],
    [ours(), false],
    ['', false],
  ] as const)
    assert.deepEqual(reporterOf(header(results)), { domain: 'google.com', verified }, results)
})

test('what somebody else wrote proves nothing', () => {
  const forged = ours(dmarc('pass'))
  assert.equal(reporterOf(header('', forged)).verified, false)
  assert.equal(reporterOf(header(ours(dmarc('fail')), forged)).verified, false)
  for (const text of [
    'x header.d=google.com',
    'x" header.d=google.com',
    'x\\" dmarc=pass header.from=google.com',
    'x;\r\n\tdmarc=pass header.from=google.com',
    '(a) dkim=pass',
  ])
    assert.equal(reporterOf(header(ours(dkim('pass', text), dmarc('none')))).verified, false, text)
  assert.equal(reporterOf(header(ours(dkim('pass', 'other.test', 'header.d=google.com) header.d=google.com ('), dmarc('none')))).verified, false)
  assert.equal(reporterOf(header(ours(dkim('fail', 'other.test', ';\r\n\tdmarc=pass header.from=google.com;'), dmarc('none')))).verified, false)
})

test('the domain, where it can be told', () => {
  for (const [from, domain] of [
    ['Reports <x@Sub.Example.NET>', 'sub.example.net'],
    ['"a@b.test" <x@c.test> (comment)', 'c.test'],
    ['nobody', ''],
    [`x@${'a'.repeat(300)}.test`, ''],
  ] as const)
    assert.deepEqual(reporterOf(header('', '', from)), { domain, verified: false }, from)
  assert.deepEqual(reporterOf(Buffer.alloc(0)), { domain: '', verified: false })
})
