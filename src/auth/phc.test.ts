import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BadHash, formatPhc, parsePhc } from './phc.ts'

const SALT = 'c29tZXNhbHQ'
const TAG = 'GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo'
const good = `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$${TAG}`

test('a hash is read and written', () => {
  const hash = parsePhc(good)
  assert.deepEqual([hash.memory, hash.passes, hash.parallelism, hash.salt.toString(), hash.tag.length], [19456, 2, 1, 'somesalt', 32])
  assert.equal(formatPhc(hash), good)
})

for (const [name, text, says] of [
  ['nothing', '', /no password hash/],
  ['a plain password', 'hunter2', /no password hash/],
  ['bcrypt', '$2y$10$abcdefghijklmnopqrstuuNGFdkQpdcpXf.2YH6U5NVe3XcbeTsSm', /bcrypt/],
  ['sha512-crypt', '$6$salt$hash', /crypt\(3\)/],
  ['yescrypt', '$y$j9T$salt$hash', /yescrypt/],
  ['a Dovecot scheme', `{ARGON2ID}${good}`, /\{SCHEME\}/],
  ['argon2i', good.replace('argon2id', 'argon2i'), /argon2i or argon2d/],
  ['no version', good.replace('$v=19', ''), /version 19/],
  ['an old version', good.replace('v=19', 'v=16'), /version 19/],
  ['no tag', good.slice(0, good.lastIndexOf('$')), /cut short/],
  ['a field too many', `${good}$x`, /five fields/],
  ['parameters in another order', good.replace('m=19456,t=2,p=1', 't=2,m=19456,p=1'), /m=…,t=…,p=…/],
  ['a parameter of 0', good.replace('t=2', 't=0'), /m=…,t=…,p=…/],
  ['4 GiB', good.replace('m=19456', 'm=4194304'), /too much/],
  ['a thousand passes', good.replace('t=2', 't=1000'), /too much/],
  ['too little memory', good.replace('m=19456,t=2,p=1', 'm=16,t=2,p=4'), /8 times p/],
  ['padding', good.replace(SALT, `${SALT}=`), /base64/],
  ['rubbish in the tag', good.replace(TAG, `${TAG.slice(0, -2)}!!`), /base64/],
  ['a short salt', good.replace(SALT, 'c2FsdA'), /4 octets/],
  ['a short tag', good.replace(TAG, SALT), /8 octets/],
  ['a megabyte', `$argon2id$${'a'.repeat(1_000_000)}`, /too long/],
] as const) {
  test(`${name} is refused in words`, () =>
    assert.throws(
      () => parsePhc(text),
      (err: unknown) => err instanceof BadHash && says.test(err.message) && !(text.length > 8 && err.message.includes(text)),
    ))
}
