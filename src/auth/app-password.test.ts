import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import type { AppPassword } from '../store/accounts.ts'
import { findAppPassword, generateAppPassword, hashAppPassword, isAppHash, isFor, looksLikeAppPassword } from './app-password.ts'

const one = (name: string, password: string): AppPassword => ({ name, hash: hashAppPassword(password), scopes: ['imap'], disable: [] })

test('made up ones differ, have the form, and are found among others', () => {
  const made = Array.from({ length: 20 }, generateAppPassword)
  assert.equal(new Set(made).size, 20)
  for (const password of made) assert.ok(looksLikeAppPassword(password), password)
  const kept = made.map((password, i) => one(`n${i}`, password))
  for (const [i, password] of made.entries()) assert.equal(findAppPassword(kept, password)?.name, `n${i}`)
  assert.equal(findAppPassword(kept, generateAppPassword()), undefined)
  assert.equal(findAppPassword([], made[0]!), undefined)
})

test('the form is exact', () => {
  const good = generateAppPassword()
  for (const bad of [
    '',
    'app-',
    good.toUpperCase(),
    ` ${good}`,
    `${good}\n`,
    good.slice(0, -1),
    `${good}a`,
    good.replace('app-', ''),
    good.replaceAll('-', ''),
  ])
    assert.equal(looksLikeAppPassword(bad), false, bad)
})

test('the hash is HMAC-SHA-256 under its salt', () => {
  const salt = Buffer.from('sixteen octets!!')
  const tag = createHmac('sha256', salt).update('secret').digest()
  const hash = `$sha256$${salt.toString('base64').replaceAll('=', '')}$${tag.toString('base64').replaceAll('=', '')}`
  assert.ok(isAppHash(hash))
  assert.equal(findAppPassword([{ name: 'x', hash, scopes: [], disable: [] }], 'secret')?.name, 'x')
  assert.notEqual(hashAppPassword('secret'), hashAppPassword('secret'))
  const [, , s, t] = hash.split('$') as [string, string, string, string]
  for (const bad of [
    '',
    'secret',
    `$sha256$${s}`,
    `$sha256$$${t}`,
    `$sha256$${s}$${t}$`,
    `$sha512$${s}$${t}`,
    `$sha256$${s}=$${t}`,
    `$sha256$${s}$${t.slice(1)}`,
    `x${hash}`,
  ]) {
    assert.equal(isAppHash(bad), false, bad)
    assert.equal(findAppPassword([{ name: 'x', hash: bad, scopes: [], disable: [] }], 'secret'), undefined)
  }
})

test('scopes', () => {
  const imap = one('x', 'y')
  for (const service of ['imaps', 'pop3s', 'submission', 'submissions', 'mx'] as const) assert.equal(isFor(imap, service), service === 'imaps')
  const all = { ...imap, scopes: ['imap', 'pop3', 'smtp'] as const }
  for (const service of ['imaps', 'pop3s', 'submission', 'submissions', 'mx'] as const) assert.equal(isFor(all, service), service !== 'mx')
})
