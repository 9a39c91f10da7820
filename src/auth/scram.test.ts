import assert from 'node:assert/strict'
import { test } from 'node:test'
import { saslPrep } from './saslprep.ts'
import { formatVerifier, makeVerifier, newSalting, parseVerifier, proves, sameSalting, serverSignature } from './scram.ts'

const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')

test('the example of RFC 7677 §3', async () => {
  const verifier = await makeVerifier('pencil', { iterations: 4096, salt: SALT })
  assert.ok(verifier)
  const nonce = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const message = `n=user,r=rOprNGfwEbeRWgbNEkqO,${nonce},s=${SALT.toString('base64')},i=4096,c=biws,${nonce}`
  const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64')
  assert.ok(proves(verifier, message, proof))
  assert.equal(serverSignature(verifier, message).toString('base64'), '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
  for (const [what, text, octets] of [
    ['another message', `${message} `, proof],
    ['another proof', message, Buffer.from(proof.map((o, i) => (i === 31 ? o ^ 1 : o)))],
    ['a short proof', message, proof.subarray(1)],
    ['a long proof', message, Buffer.concat([proof, proof])],
    ['none', message, Buffer.alloc(0)],
    ['the stored key instead', message, verifier.storedKey],
  ] as const)
    assert.equal(proves(verifier, text, octets), false, what)
})

test('a verifier as text, there and back', async () => {
  const verifier = (await makeVerifier('secret', { ...newSalting(), iterations: 4096 }))!
  const text = formatVerifier(verifier)
  assert.deepEqual(parseVerifier(text), verifier)
  const [, count, , stored] = text.split(/[$:]/) as [string, string, string, string]
  for (const bad of [
    '',
    'secret',
    text.slice(1),
    `${text}=`,
    text.replace('SHA-256', 'SHA-1'),
    text.replace(`$${count}:`, '$4095:'),
    text.replace(`$${count}:`, '$99999999:'),
    text.replace(`$${count}:`, '$04096:x'),
    text.replace(stored, stored.slice(4)),
    text.replace(stored, `${stored.slice(0, -2)}!=`),
    text.replace(/\$[^$]*\$/, '$4096:AAAA$'),
  ])
    assert.equal(parseVerifier(bad), undefined, bad)
  assert.ok(sameSalting(verifier, { iterations: 4096, salt: Buffer.from(verifier.salt) }))
  assert.equal(sameSalting(verifier, newSalting()), false)
})

for (const [what, text, expected] of [
  ['a soft hyphen goes: RFC 4013 §3', 'I\u00adX', 'IX'],
  ['no change', 'user', 'user'],
  ['case stays', 'USER', 'USER'],
  ['NFKC of a Latin letter', '\u00aa', 'a'],
  ['NFKC of a Roman number', '\u2168', 'IX'],
  ['a control', '\u0007', undefined],
  ['spaces', 'a\u00a0b\u3000c', 'a b c'],
  ['nothing left', '\u00ad', undefined],
  ['private use', '\ue000', undefined],
  ['unassigned', '\u0378', undefined],
  ['half a pair', '\ud800', undefined],
  ['direction', 'a\u202eb', undefined],
  ['an emoji', '🐎', '🐎'],
] as const)
  test(`SASLprep: ${what}`, () => assert.equal(saslPrep(text), expected))
