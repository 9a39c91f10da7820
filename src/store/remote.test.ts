import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkOf } from './remote.ts'

for (const [remote, network] of [
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
  ['', ''],
  ['not an address', 'not an address'],
] as const) {
  test(`${remote || 'nothing'} counts as ${network || 'nothing'}`, () => assert.equal(networkOf(remote), network))
}

test('a long text is cut', () => assert.equal(networkOf('x'.repeat(10_000)).length, 64))
