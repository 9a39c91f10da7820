import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkConfig, parseConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { silentLog } from '../log.ts'
import type { Dns } from '../net/dns/dns.ts'
import type { Greylist, GreylistRules } from '../store/greylist.ts'
import { matching, screenOf } from './screen.ts'
import { words } from './words.ts'

const EXAMPLE = readFileSync(join(import.meta.dirname, '..', '..', 'config', 'postern.example.yaml'), 'utf8')
const dns: Dns = { validates: false, ask: () => Promise.reject(new Error('not asked')) }
const configOf = (inbound: string): Config =>
  checkConfig(parseConfig('x.yaml', `hostname: mx.a.test\ndomains: [a.test]\ninbound: ${inbound}`), words).config
const greylist: Greylist = { greet: async () => ({ is: 'full' }) }
const screened = (config: Config) => screenOf({ config, dns, greylist, exempt: new Set(['198.51.100.1']), log: silentLog() })

test('nobody is asked and nobody waits, unless the config says so', () => {
  for (const inbound of ['', '{}', '{greylisting: {}}', '{greylisting: {enabled: false, delay: 1 min}}', '{dnsbl: []}', '{exempt: [192.0.2.1]}'])
    assert.equal(screened(configOf(inbound)), undefined, inbound)
  assert.equal(screened(checkConfig(parseConfig('x.yaml', EXAMPLE), words).config)?.greylisting, undefined)
  const lists = screened(configOf('{dnsbl: [{zone: a.test, action: junk}]}'))
  assert.deepEqual([lists?.lists !== undefined, lists?.greylisting !== undefined], [true, false])
  const grey = screened(configOf('{greylisting: {enabled: true}}'))
  assert.deepEqual([grey?.lists !== undefined, grey?.greylisting !== undefined], [false, true])
})

test('who is exempt: this host, whom no rate is held against, and networks that the config names', () => {
  const { isExempt } = screened(configOf('{greylisting: {enabled: true}, exempt: [192.0.2.0/24, "2001:db8::/32", 203.0.113.7]}'))!
  const addresses = [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '198.51.100.1',
    '192.0.2.9',
    '2001:db8::9',
    '203.0.113.7',
    '203.0.113.8',
    '2001:db9::1',
    '192.0.3.1',
  ]
  assert.deepEqual(addresses.filter(isExempt), addresses.slice(0, 7))
})

test('times of greylisting, as the config has them and without', async () => {
  const rulesOf = async (text: string): Promise<GreylistRules> => {
    let seen: GreylistRules | undefined
    const spy: Greylist = {
      async greet(_letter, rules) {
        seen = rules
        return { is: 'passed' }
      },
    }
    const screen = screenOf({
      config: configOf(`{authenticate: false, greylisting: ${text}}`),
      dns,
      greylist: spy,
      exempt: new Set(),
      log: silentLog(),
    })
    await screen!.greylisting!.check('ann@a.test', { remote: '192.0.2.1', transaction: { from: 'x@b.test' } } as never)
    return seen!
  }
  assert.deepEqual(await rulesOf('{enabled: true}'), { delay: 300, window: 172_800, remember: 3_024_000, trustAfter: 5 })
  assert.deepEqual(await rulesOf('{enabled: true, delay: 1 min, retry_within: 1 d, remember: 7 d, trust_after: 0}'), {
    ...{ delay: 60, window: 86_400, remember: 604_800, trustAfter: 0 },
  })
  assert.throws(
    () => configOf('{greylisting: {enabled: true, delay: 5 h, retry_within: 10 h}}'),
    /retry_within must be at least 6 hours longer than "delay"/,
  )
  assert.throws(() => configOf('{greylisting: {enabled: true, delay: 2 d}}'), /retry_within is missing: it must be at least 6 hours/)
  assert.throws(() => configOf('{greylisting: {trust_after: -1}}'), /trust_after must be a number of hours up to 1000/)
})

test('answers of a list', () => {
  const counts = matching([
    [
      [127, 127],
      [0, 0],
      [0, 255],
      [1, 3],
    ],
  ])
  assert.deepEqual(['127.0.0.1', '127.0.99.3', '127.0.0.4', '127.1.0.1', 'nonsense', ''].map(counts), [true, true, false, false, false, false])
})
