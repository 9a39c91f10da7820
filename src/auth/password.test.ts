import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashPassword, MAX_PASSWORD_OCTETS, NOBODYS_HASH, preparePassword, verifyPassword } from './password.ts'
import { BadHash } from './phc.ts'

test('a password fits its own hash only', async () => {
  const phc = await hashPassword('correct horse')
  assert.match(phc, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.equal(await verifyPassword(phc, 'correct horse'), true)
  assert.equal(await verifyPassword(phc, 'correct horse '), false)
  assert.equal(await verifyPassword(phc, ''), false)
  assert.notEqual(await hashPassword('correct horse'), phc)
})

// Made by the reference program: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1
test("another program's hash is checked", async () => {
  const phc = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  assert.equal(await verifyPassword(phc, 'password'), true)
  assert.equal(await verifyPassword(phc, 'Password'), false)
})

test('é is é, however it is typed, and so are spaces', async () => {
  const phc = await hashPassword('caf\u00e9 noir')
  assert.equal(await verifyPassword(phc, 'cafe\u0301\u00a0noir'), true)
  assert.equal(await verifyPassword(phc, 'cafe noir'), false)
})

for (const [name, password, octets] of [
  ['empty', '', undefined],
  ['as long as may be', 'x'.repeat(MAX_PASSWORD_OCTETS), MAX_PASSWORD_OCTETS],
  ['one too long', 'x'.repeat(MAX_PASSWORD_OCTETS + 1), undefined],
  ['too long in octets', 'é'.repeat(MAX_PASSWORD_OCTETS / 2 + 1), undefined],
  ['half a surrogate pair', 'x\ud800', undefined],
  ['NUL', 'a\0b', 3],
] as const) {
  test(`a password that is ${name}`, () => assert.equal(preparePassword(password)?.length, octets))
}

test('what cannot be hashed is refused', () => assert.rejects(hashPassword(''), RangeError))
test('a foreign hash is refused', () => assert.rejects(verifyPassword('$6$salt$hash', 'x'), BadHash))
test("nobody's hash fits nothing", async () => assert.equal(await verifyPassword(NOBODYS_HASH, 'password'), false))
