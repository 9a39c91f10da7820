import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstNames } from './first-start.ts'
import { generatePassword } from './passwords.ts'
import { Refused } from './refused.ts'

test('names of a first start', () => {
  for (const [machine, wanted, hostname, address] of [
    ['vm', undefined, 'mail.example.test', 'me@example.test'],
    ['Anns-MacBook.local', undefined, 'mail.example.test', 'me@example.test'],
    ['box.lan', undefined, 'mail.example.test', 'me@example.test'],
    ['ip-10-0-0-1.eu-west-1.compute.internal', undefined, 'mail.example.test', 'me@example.test'],
    ['192.0.2.7', undefined, 'mail.example.test', 'me@example.test'],
    ['', undefined, 'mail.example.test', 'me@example.test'],
    ['mail.example.org', undefined, 'mail.example.org', 'me@example.org'],
    ['Mail.Example.org.', undefined, 'mail.example.org', 'me@example.org'],
    ['example.org', undefined, 'example.org', 'me@example.org'],
    ['vm', 'Ann@Example.org', 'mail.example.org', 'ann@example.org'],
    ['mx1.example.org', 'ann@example.org', 'mx1.example.org', 'ann@example.org'],
    ['mx1.example.net', 'ann@example.org', 'mail.example.org', 'ann@example.org'],
  ] as const) {
    const names = firstNames(machine, wanted)
    assert.deepEqual([names.hostname, names.address], [hostname, address], machine)
    assert.ok(names.address.endsWith(`@${names.domain}`))
  }
  assert.throws(() => firstNames('vm', 'ann'), Refused)
})

test('generated passwords', () => {
  const made = Array.from({ length: 50 }, generatePassword)
  assert.equal(new Set(made).size, made.length)
  for (const password of made) assert.match(password, /^[a-hjkmnp-z2-9]{5}(-[a-hjkmnp-z2-9]{5}){3}$/)
})
