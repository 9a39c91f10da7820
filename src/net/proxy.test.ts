import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Networks, plainAddress } from './address.ts'
import { BadProxyHeader, crc32c, MAX_V1, MAX_V2, parseProxyHeader } from './proxy.ts'

const START = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const be16 = (n: number): Buffer => Buffer.of(n >> 8, n & 255)
const v2 = (command: number, family: number, block: Buffer): Buffer => Buffer.concat([START, Buffer.of(command, family), be16(block.length), block])
const tlv = (type: number, value: Buffer): Buffer => Buffer.concat([Buffer.of(type), be16(value.length), value])
const IPV4 = Buffer.from('c0000207 c0000219 d431 0019'.replaceAll(' ', ''), 'hex')
const ipv6 = (source: string): Buffer => Buffer.from(`${source}20010db8000000000000000000000002d4310019`, 'hex')
const IPV6 = ipv6('20010db8000100020003000000000007')

const client = (header: string | Buffer): string | undefined => {
  const octets = Buffer.from(header as string, 'latin1')
  const parsed = parseProxyHeader(octets)
  assert.equal(parsed?.length, octets.length)
  return parsed.client
}

const GOOD: readonly (readonly [name: string, header: string | Buffer, client: string | undefined])[] = [
  ['TCP4', 'PROXY TCP4 192.0.2.7 192.0.2.25 54321 25\r\n', '192.0.2.7'],
  ['TCP4, the longest', 'PROXY TCP4 203.155.255.255 255.255.255.255 65535 65535\r\n', '203.155.255.255'],
  ['TCP4, port 0', 'PROXY TCP4 192.0.2.7 192.0.2.25 0 0\r\n', '192.0.2.7'],
  ['TCP6', 'PROXY TCP6 2001:DB8:0::7 2001:db8::19 54321 25\r\n', '2001:db8::7'],
  ['TCP6, mapped', 'PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.25 54321 25\r\n', '192.0.2.7'],
  ['UNKNOWN, short', 'PROXY UNKNOWN\r\n', undefined],
  ['UNKNOWN with words', 'PROXY UNKNOWN 127.0.0.1 what ever\r\n', undefined],
  [`UNKNOWN, ${MAX_V1} octets`, `PROXY UNKNOWN ${'f'.repeat(MAX_V1 - 16)}\r\n`, undefined],
  ['v2 IPv4', v2(0x21, 0x11, IPV4), '192.0.2.7'],
  ['v2 IPv6', v2(0x21, 0x21, IPV6), '2001:db8:1:2:3::7'],
  ['v2 IPv6, mapped', v2(0x21, 0x21, ipv6('00000000000000000000ffffc0000207')), '192.0.2.7'],
  ['v2 with TLVs', v2(0x21, 0x11, Buffer.concat([IPV4, tlv(4, Buffer.alloc(0)), tlv(0xee, Buffer.alloc(300, 7)), tlv(0x20, START)])), '192.0.2.7'],
  ['v2, as long as it may be', v2(0x21, 0x21, Buffer.concat([IPV6, tlv(4, Buffer.alloc(MAX_V2 - 16 - 36 - 3))])), '2001:db8:1:2:3::7'],
  ['v2 LOCAL', v2(0x20, 0x00, Buffer.alloc(0)), undefined],
  ['v2 LOCAL with anything', v2(0x20, 0xff, Buffer.alloc(99, 3)), undefined],
  ['v2 PROXY, unspecified', v2(0x21, 0x00, Buffer.alloc(5)), undefined],
]

for (const [name, header, expected] of GOOD) {
  test(`${name}: read whole, at every length before that more is asked for, and nothing is taken of what follows`, () => {
    assert.equal(client(header), expected)
    const octets = Buffer.from(header as string, 'latin1')
    for (let length = 0; length < octets.length; length++) assert.equal(parseProxyHeader(octets.subarray(0, length)), undefined, `${length} octets`)
    const followed = Buffer.concat([octets, Buffer.from('\x16\x03\x01PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n', 'latin1')])
    assert.deepEqual(parseProxyHeader(followed), { length: octets.length, client: expected })
  })
}

test('the checksum of a header is checked where there is one', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  for (const [family, addresses] of [
    [0x11, IPV4],
    [0x21, IPV6],
  ] as const) {
    const header = v2(0x21, family, Buffer.concat([addresses, tlv(4, Buffer.alloc(3)), tlv(3, Buffer.alloc(4)), tlv(5, Buffer.alloc(3))]))
    const at = 16 + addresses.length + 6 + 3
    assert.throws(() => parseProxyHeader(header), /checksum/)
    header.writeUInt32BE(crc32c(header), at)
    assert.ok(client(header))
    for (const wrong of [17, header.length - 1]) {
      const damaged = Buffer.from(header)
      damaged[wrong]! ^= 1
      assert.throws(() => parseProxyHeader(damaged), /checksum/)
    }
  }
})

const LINES = [
  'PROXY  TCP4 192.0.2.7 192.0.2.25 1 25\r\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25 1 25 \r\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25  1 25\r\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25 1\r\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25 1 25 25\r\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25 01 25\r\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25 +1 25\r\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25 1 65536\r\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25 1e3 25\r\n',
  'PROXY TCP4 192.0.2.07 192.0.2.25 1 25\r\n',
  'PROXY TCP4 192.0.2 192.0.2.25 1 25\r\n',
  'PROXY TCP4 0xc0000207 192.0.2.25 1 25\r\n',
  'PROXY TCP4 192.0.2.7 2001:db8::19 1 25\r\n',
  'PROXY TCP4 2001:db8::7 2001:db8::19 1 25\r\n',
  'PROXY TCP4 192.0.2.7 mail.example.org 1 25\r\n',
  'PROXY TCP4\t192.0.2.7\t192.0.2.25\t1\t25\r\n',
  'PROXY TCP4 192.0.2.7\0 192.0.2.25 1 25\r\n',
  'PROXY TCP6 192.0.2.7 192.0.2.25 1 25\r\n',
  'PROXY TCP6 fe80::1%lo 2001:db8::19 1 25\r\n',
  'PROXY TCP6 2001:db8::7::1 2001:db8::19 1 25\r\n',
  'PROXY TCP6 [2001:db8::7] 2001:db8::19 1 25\r\n',
  'PROXY tcp4 192.0.2.7 192.0.2.25 1 25\r\n',
  'PROXY UDP4 192.0.2.7 192.0.2.25 1 25\r\n',
  'PROXY UNKNOWNS\r\n',
  'PROXY unknown\r\n',
  'PROXY \r\n',
  'PROXY\r\n',
  'proxy TCP4 192.0.2.7 192.0.2.25 1 25\r\n',
  ' PROXY TCP4 192.0.2.7 192.0.2.25 1 25\r\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25 1 25\n',
  'PROXY TCP4 192.0.2.7 192.0.2.25 1 25\r',
  'PROXY TCP4 192.0.2.7 192.0.2.25 1 25\r\r\n',
  `PROXY UNKNOWN ${'f'.repeat(MAX_V1 - 15)}\r\n`,
  'PROXY '.padEnd(MAX_V1, 'x'),
  'EHLO mail.example.org\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'GET / HTTP/1.1\r\n\r\n',
  '\r\n\r\nEHLO',
]

const BLOCKS: readonly (readonly [name: string, header: Buffer])[] = [
  ['version 1 in the binary form', v2(0x11, 0x11, IPV4)],
  ['version 3', v2(0x31, 0x11, IPV4)],
  ['an unknown command', v2(0x22, 0x11, IPV4)],
  ['UDP', v2(0x21, 0x12, IPV4)],
  ['a UNIX socket', v2(0x21, 0x31, Buffer.alloc(216, 1))],
  ['an unknown family', v2(0x21, 0x41, IPV6)],
  ['an unknown transport', v2(0x21, 0x13, IPV4)],
  ['half unspecified', v2(0x21, 0x10, IPV4)],
  ['addresses cut short', v2(0x21, 0x11, IPV4.subarray(1))],
  ['IPv6 with the room of IPv4', v2(0x21, 0x21, IPV4)],
  ['a TLV without its length', v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.of(4, 0)]))],
  ['a TLV beyond the end', v2(0x21, 0x11, Buffer.concat([IPV4, Buffer.of(4, 0, 2, 1)]))],
  ['a checksum of three octets', v2(0x21, 0x11, Buffer.concat([IPV4, tlv(3, Buffer.alloc(3))]))],
  ['too long', v2(0x20, 0x00, Buffer.alloc(MAX_V2 - 15))],
  ['the longest there is, announced only', Buffer.concat([START, Buffer.of(0x20, 0x00, 255, 255)])],
]

test('what is no header is refused, at the latest at its end', () => {
  for (const line of LINES)
    assert.throws(() => parseProxyHeader(Buffer.from(line.endsWith('25\r') ? `${line}x` : line, 'latin1')), BadProxyHeader, JSON.stringify(line))
  for (const [name, header] of BLOCKS) assert.throws(() => parseProxyHeader(header), BadProxyHeader, name)
})

test('a source that no client can have is refused', () => {
  for (const source of ['127.0.0.1', '127.255.0.9', '0.0.0.0', '0.1.2.3', '224.0.0.1', '239.1.2.3', '255.255.255.255', '240.0.0.1'])
    for (const line of [`PROXY TCP4 ${source} 192.0.2.25 1 25\r\n`, `PROXY TCP6 ::ffff:${source} ::1 1 25\r\n`])
      assert.throws(() => parseProxyHeader(Buffer.from(line)), /no client can have/, line)
  for (const source of ['::1', '::', '::ffff:7f00:1', 'ff02::1', '::127.0.0.1', '0:0:0:0:0:FFFF:127.0.0.1'])
    assert.throws(() => parseProxyHeader(Buffer.from(`PROXY TCP6 ${source} ::1 1 25\r\n`)), /no client can have/, source)
  assert.throws(() => parseProxyHeader(v2(0x21, 0x11, Buffer.concat([Buffer.of(127, 0, 0, 1), IPV4.subarray(4)]))), /no client can have/)
  assert.throws(() => parseProxyHeader(v2(0x21, 0x21, ipv6('00000000000000000000ffff7f000001'))), /no client can have/)
  assert.throws(() => parseProxyHeader(v2(0x21, 0x21, ipv6('00000000000000000000000000000001'))), /no client can have/)
})

test('20,000 headers of random octets, half of them almost right: an answer or a refusal, never another error', () => {
  let seed = 7
  const random = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n
  const outcomes = { read: 0, more: 0, refused: 0 }
  for (let i = 0; i < 20_000; i++) {
    const [, header] = GOOD[random(GOOD.length)]!
    const octets = i % 2 ? Buffer.from(header as string, 'latin1') : Buffer.from(Array.from({ length: random(200) }, () => random(256)))
    for (let n = random(4); n > 0 && octets.length > 0; n--) octets[random(Math.min(octets.length, 60))] = random(256)
    try {
      outcomes[parseProxyHeader(octets) ? 'read' : 'more']++
    } catch (err) {
      assert.ok(err instanceof BadProxyHeader, String(err))
      outcomes.refused++
    }
  }
  assert.ok(outcomes.refused > 10_000 && outcomes.read > 1_000, JSON.stringify(outcomes))
})

test('addresses and networks in whatever form they are written', () => {
  for (const [text, plain] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['fe80::1%lo', 'fe80::1'],
    ['', undefined],
    ['192.0.2', undefined],
    [undefined, undefined],
  ] as const)
    assert.equal(plainAddress(text), plain)

  const some = new Networks(['192.0.2.7', '10.1.0.0/16', '::ffff:172.16.0.0/108', '2001:DB8:5::/48', '::ffff:198.51.100.1'])
  for (const inside of ['192.0.2.7', '10.1.255.1', '172.31.0.1', '2001:db8:5:1::', '198.51.100.1']) assert.ok(some.has(inside), inside)
  for (const outside of ['192.0.2.8', '10.2.0.1', '172.32.0.1', '2001:db8:6::', '::1', '127.0.0.1']) assert.ok(!some.has(outside), outside)
  assert.ok(!new Networks([]).has('127.0.0.1'))
  assert.throws(() => new Networks(['mail.example.org']), /no address/)
})
