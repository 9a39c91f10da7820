import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigRefused } from './complain.ts'
import { checkConfig, parseConfig } from './load.ts'
import type { Config, Words } from './schema.ts'

const words: Words = {
  address: (text) => (/^[\w.]+@[\w.-]+$/.test(text) ? text.toLowerCase() : undefined),
  domain: (text) => (/^[\w.-]+$/.test(text) ? text.toLowerCase() : undefined),
  isHash: () => true,
  isAppHash: () => true,
  scramSalting: () => undefined,
  capabilities: { disable: new Set(), enable: new Set() },
}
const check = (text: string): Config =>
  checkConfig(parseConfig('postern.yaml', `hostname: mail.example.test\ndomains: [example.test]\n${text}`), words).config

test('agreeing is all that is needed', () => {
  assert.deepEqual(check('tls: { acme: { agree_terms: true, email: Me@example.org } }').tls, {
    acme: { agree_terms: true, email: 'me@example.org', directory: 'https://acme-v02.api.letsencrypt.org/directory', names: [] },
  })
})

for (const [what, text, place, said] of [
  ['half a certificate', 'tls: {cert: a}', '3:6', 'tls has cert and no key: it needs both, or acme instead'],
  ['a key without one', 'tls: {key: a}', '3:6', 'tls has key and no cert: it needs both, or acme instead'],
  ['no certificate at all', 'tls: {}', '3:6', 'tls needs cert and key, or acme'],
  ['two ways to one', 'tls: {cert: a, acme: {agree_terms: true}}', '3:6', 'tls has acme and a certificate in files: keep one of them'],
  ['terms not agreed to', 'tls: {acme: {agree_terms: false}}', '3:27', 'tls.acme.agree_terms must be true: certificates are only for'],
  ['terms passed over', 'tls: {acme: {email: me@example.org}}', '3:13', 'tls.acme.agree_terms is missing: it must be true'],
  ['no address', 'tls: {acme: {agree_terms: true, email: me}}', '3:40', 'tls.acme.email must be an address'],
  [
    'an authority in the clear',
    "tls: {acme: {agree_terms: true, directory: 'http://a/'}}",
    '3:44',
    'tls.acme.directory must be the https:// URL of an ACME',
  ],
  [
    'half an external account',
    'tls: {acme: {agree_terms: true, external_account: {kid: a}}}',
    '3:51',
    'tls.acme.external_account.hmac_file is missing',
  ],
  ['names that are none', 'tls: {acme: {agree_terms: true, names: ["a b"]}}', '3:41', 'tls.acme.names[1] must be a domain'],
  ['a key of nowhere', 'tls: {acme: {agree_terms: true, mail: a}}', '3:33', 'tls.acme.mail is no setting; did you mean email?'],
  ['nobody there to be asked', 'tls: {acme: {agree_terms: true}}\nlisteners: {https: {enabled: false}}', '4:30', 'tls.acme needs the listener https'],
] as const)
  test(`refused: ${what}`, () => {
    assert.throws(
      () => check(text),
      (err) => {
        assert.ok(err instanceof ConfigRefused)
        assert.ok(err.message.startsWith(`postern.yaml:${place}: ${said}`), err.message)
        return true
      },
    )
  })
