import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConfig, parseConfig } from '../config/load.ts'
import type { Dns } from '../net/dns/dns.ts'
import { scanOf, scanRules } from './scan.ts'
import { words } from './words.ts'

const rulesOf = (text: string) =>
  scanRules(checkConfig(parseConfig('postern.yaml', `hostname: mail.example.test\ndomains: [example.test]\n${text}`), words), {
    rspamdPassword: undefined,
  })
const dns = {} as Dns

test('nobody looks where nobody is named', () => {
  assert.deepEqual(rulesOf(''), [])
  assert.deepEqual(rulesOf('scan: {}'), [])
  assert.equal(scanOf([], dns, []), undefined)
})

test('what is left out is as the example says', () => {
  const [spam, virus] = rulesOf('scan: {rspamd: {url: "http://127.0.0.1:11333"}, clamav: {socket: /run/clamd}}')
  for (const rule of [spam!, virus!]) {
    assert.equal(rule.scanner.maxSize, 25 * 2 ** 20)
    assert.equal(rule.onFailure, 'accept')
    assert.equal(rule.action(undefined), 'reject')
    assert.equal(rule.action('example.test'), 'reject')
  }
  assert.deepEqual([spam!.scanner.name, spam!.submission, virus!.scanner.name, virus!.submission], ['rspamd', false, 'clamav', true])
})

test('rules by domain, whatever the case; hidden addresses', () => {
  const [rule] = rulesOf('scan: {clamav: {host: a, action: junk, domains: {Example.TEST: mark}, max_size: 1 MiB, on_failure: defer}}')
  assert.equal(rule!.action('example.test'), 'mark')
  assert.equal(rule!.action('constructor'), 'junk')
  assert.deepEqual([rule!.scanner.maxSize, rule!.onFailure], [2 ** 20, 'defer'])
  const parts = scanOf([rule!], dns, ['172.17.0.1'])!
  assert.deepEqual([parts.isHidden!('172.17.0.1'), parts.isHidden!('192.0.2.1')], [true, false])
})
