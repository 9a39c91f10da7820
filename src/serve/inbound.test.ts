import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkConfig, parseConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import type { Dns } from '../net/dns/dns.ts'
import { inboundOf } from './inbound.ts'
import { words } from './words.ts'

const EXAMPLE = readFileSync(join(import.meta.dirname, '..', '..', 'config', 'postern.example.yaml'), 'utf8')
const dns: Dns = { validates: false, ask: () => Promise.reject(new Error('not asked')) }
const keysFor = async () => []
const configOf = (inbound: string): Config =>
  checkConfig(parseConfig('x.yaml', `hostname: mx.a.test\ndomains: [a.test, b.test]\n${inbound}`), words).config

test('without a section what is forged is refused, for everybody; the example shows that', () => {
  for (const config of [configOf(''), checkConfig(parseConfig('x.yaml', EXAMPLE), words).config])
    for (const domain of config.domains) assert.equal(inboundOf(config, { dns, hidden: [], keysFor })?.rules.dmarc(domain), 'reject')
})

test('each domain its own, sealers and own addresses', () => {
  const parts = inboundOf(configOf('inbound: {dmarc: junk, domains: {B.test: mark}, trusted_sealers: [List.test], exempt: [198.51.100.0/24]}'), {
    dns,
    hidden: ['172.17.0.1'],
    keysFor,
  })!
  assert.deepEqual(['a.test', 'b.test'].map(parts.rules.dmarc), ['junk', 'mark'])
  assert.deepEqual([...parts.rules.trustedSealers], ['list.test'])
  assert.deepEqual(['127.0.0.1', '127.8.8.8', '::1', '172.17.0.1', '192.0.2.1', '2001:db8::1'].map(parts.isOwn), [
    true,
    true,
    true,
    false,
    false,
    false,
  ])
  assert.deepEqual(['172.17.0.1', '198.51.100.7', '192.0.2.1'].map(parts.isHidden!), [true, true, false])
})

test('it can be switched off', () => {
  assert.equal(inboundOf(configOf('inbound: {authenticate: false}'), { dns, hidden: [], keysFor }), undefined)
})
