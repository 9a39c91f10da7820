import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Dns, DnsTrouble, NoSuchName } from '../../net/dns/dns.ts'
import type { Visit } from '../visit.ts'
import { clientNameOf } from './client-name.ts'

let asked = 0
const zones: Record<string, readonly string[]> = {
  '1.2.0.192.in-addr.arpa PTR': ['liar.example.test', 'mx.example.test'],
  'mx.example.test A': ['192.0.2.9', '192.0.2.1'],
  'liar.example.test A': ['198.51.100.1'],
  '2.2.0.192.in-addr.arpa PTR': ['liar.example.test', 'none.example.test'],
  [`1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa PTR`]: ['six.example.test'],
  'six.example.test AAAA': ['2001:DB8:0::1'],
}
const dns = {
  validates: false,
  async ask(name: string, type: string) {
    asked++
    if (name.startsWith('9.')) throw new DnsTrouble('no answer')
    if (name.startsWith('8.')) return new Promise(() => undefined)
    const records = zones[`${name} ${type}`]
    if (!records) throw new NoSuchName(name)
    return { records, secure: false, name }
  },
} as unknown as Dns
const nameOf = (remote: string) => clientNameOf({ remote } as Visit, dns)

test('a name counts that has the address', async () => {
  assert.equal(await nameOf('192.0.2.1'), 'mx.example.test')
  assert.equal(await nameOf('2001:db8::1'), 'six.example.test')
  assert.equal(await nameOf('192.0.2.2'), undefined)
  assert.equal(await nameOf('192.0.2.3'), undefined)
})

test('a DNS in trouble, or that says nothing, is no name', async () => {
  assert.equal(await nameOf('192.0.2.9'), undefined)
  const started = performance.now()
  assert.equal(await nameOf('192.0.2.8'), undefined)
  assert.ok(performance.now() - started < 4_000)
})

test('it is asked once for a connection', async () => {
  const visit = { remote: '192.0.2.3' } as Visit
  const before = asked
  await Promise.all([clientNameOf(visit, dns), clientNameOf(visit, dns)])
  await clientNameOf(visit, dns)
  assert.equal(asked, before + 1)
})
