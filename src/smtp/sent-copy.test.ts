import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blindCopyLine } from './sent-copy.ts'

const block = (...fields: string[]): Buffer => Buffer.from([...fields, '', ''].join('\r\n'))
const line = (fields: readonly string[], recipients: readonly string[], room = 1000): string => blindCopyLine(block(...fields), recipients, room)

test('whom no field names', () => {
  const to = ['From: a@x', 'To: Bob <BOB@x.test>, "c, d" <c@x.test>;', 'Cc: group: e@x.test, f@x.test;', 'CC:\r\n "g h"@x.test']
  assert.equal(line(to, ['bob@x.test', 'c@X.test', 'e@x.test', 'f@x.test', '"g h"@x.test']), '')
  assert.equal(line(to, ['bob@x.test', 'New@x.test', '"i, j"@x.test']), 'Bcc: New@x.test,\r\n "i, j"@x.test\r\n')
  assert.equal(line(['Subject: a@x.test'], ['a@x.test']), 'Bcc: a@x.test\r\n')
  assert.equal(line(['To: b@x.test', 'Resent-To: a@x.test'], ['a@x.test']), '', 'sent on by hand')
})

test('a program that says it itself is believed', () => {
  for (const field of ['Bcc: one@x.test', 'bcc:', 'Resent-Bcc: one@x.test']) assert.equal(line([field], ['one@x.test', 'two@x.test']), '', field)
})

test('what is no address, and what has no room, is left out', () => {
  for (const recipient of ['', 'postmaster', 'a', '@x', 'a@x\r\nTo: b@x']) assert.equal(line([], [recipient]), '', recipient)
  assert.equal(line([], ['a@x.test', 'b@x.test'], 20), '')
})
