import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readCluster, readSentinel } from './layout.ts'
import { slotOf } from './slots.ts'
import { whereIs } from './where.ts'

const plain = { tls: false, prefix: 'postern' }

describe('the address of Redis', () => {
  for (const [url, where] of [
    ['redis://h', { kind: 'one', at: { host: 'h', port: 6379 }, db: 0, ...plain }],
    ['redis://127.0.0.1:7000/3', { kind: 'one', at: { host: '127.0.0.1', port: 7000 }, db: 3, ...plain }],
    [
      'rediss://u:p%40w@[::1]:7000',
      { kind: 'one', at: { host: '::1', port: 7000 }, db: 0, tls: true, prefix: 'postern', username: 'u', password: 'p@w' },
    ],
    ['redis://:a@b@h/', { kind: 'one', at: { host: 'h', port: 6379 }, db: 0, ...plain, password: 'a@b' }],
    ['redis://h?prefix=mail-2', { kind: 'one', at: { host: 'h', port: 6379 }, db: 0, tls: false, prefix: 'mail-2' }],
    ['/run/redis.sock', { kind: 'one', at: { path: '/run/redis.sock' }, db: 0, ...plain }],
    ['/run/redis.sock?prefix=x', { kind: 'one', at: { path: '/run/redis.sock' }, db: 0, tls: false, prefix: 'x' }],
    [
      'redis+cluster://u:p@a:1,b,[2001:db8::1]:3',
      {
        kind: 'cluster',
        seeds: [
          { host: 'a', port: 1 },
          { host: 'b', port: 6379 },
          { host: '2001:db8::1', port: 3 },
        ],
        ...plain,
        username: 'u',
        password: 'p',
      },
    ],
    ['rediss+cluster://a:1/?prefix=x', { kind: 'cluster', seeds: [{ host: 'a', port: 1 }], tls: true, prefix: 'x' }],
    [
      'redis+sentinel://:p@a,b:2/mymaster/4?sentinel_password=s%20s',
      {
        kind: 'sentinel',
        sentinels: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 2 },
        ],
        name: 'mymaster',
        db: 4,
        sentinel: { password: 's s' },
        ...plain,
        password: 'p',
      },
    ],
  ] as const)
    test(url, () => assert.deepEqual(whereIs(url), where))

  for (const url of [
    ...['', 'nonsense', 'http://h', 'h:6379', 'redis:h', 'redis://', 'redis://user:SECRET@', 'redis:///1', 'REDIS://h'],
    ...['redis://h:0', 'redis://h:65536', 'redis://h:SECRET', 'redis://a,b', 'redis://h/x', 'redis://h/1/2', 'redis://h/1/2/3', 'redis://h/123456'],
    ...['redis://user@h', 'redis://:%zz@h', 'redis://h?SECRET=1', 'redis://h?prefix=a&prefix=b', 'redis://h?prefix=', 'redis://h#SECRET'],
    ...[
      'redis://h?prefix=a:b',
      'redis://h?prefix=%7Ba%7D',
      'redis://h?prefix=a*',
      `redis://h?prefix=${'x'.repeat(33)}`,
      'redis://h?sentinel_password=SECRET',
    ],
    ...[
      'redis+cluster://',
      'redis+cluster://a,,b',
      'redis+cluster://a/1',
      'redis+cluster://a:1,b:SECRET',
      'rediss+unix://a',
      'redis+cluster+sentinel://a',
    ],
    ...['redis+sentinel://a', 'redis+sentinel://a/', 'redis+sentinel://a/my%20name', 'redis+sentinel://a/name/x', 'redis+sentinel://a/n/1/2'],
    ...[
      `redis://${'h'.repeat(300)}`,
      `redis+cluster://${Array(65).fill('h').join(',')}`,
      `redis://:${'x'.repeat(9_000)}@h`,
      'redis://:SECRET\n@h\r\n',
    ],
  ])
    test(`${url.slice(0, 60)} is none, and is not repeated`, () =>
      assert.throws(
        () => whereIs(url),
        (err: unknown) =>
          err instanceof Error && /^the address of Redis is none: .* redis:\/\/.*socket$/.test(err.message) && !/SECRET/.test(err.message),
      ))
})

test('the slot of a key is that of the specification', () => {
  // CRC16 of "123456789" is 0x31C3.
  for (const [key, slot] of [
    ['123456789', 0x31c3],
    ['', 0],
    ['foo', 12_182],
    ['{foo}bar', 12_182],
    ['x{foo}{bar}', 12_182],
    ['{}foo', slotOf('{}foo')],
    ['foo{', slotOf('foo{')],
  ] as const)
    assert.equal(slotOf(key), slot, key)
  assert.notEqual(slotOf('{}foo'), slotOf('foo'))
})

describe('what nodes and sentinels say', () => {
  const INFO = 'cluster_state:ok\r\ncluster_current_epoch:7\r\ncluster_my_epoch:1\r\n'
  const asked = { host: '192.0.2.9', port: 6379 }
  const halves = [
    [0, 8_191, ['192.0.2.1', 7000, 'id', []], ['192.0.2.2', 7001, 'id']],
    [8_192, 16_383, [null, 7002, 'id']],
  ]

  test('a Cluster’s slots are at their primaries', () => {
    const told = readCluster(INFO, halves, asked)
    assert.equal(told?.epoch, 7)
    assert.ok(told.layout.whole)
    assert.deepEqual([...told.layout.nodes.keys()], ['192.0.2.1:7000', '192.0.2.9:7002'])
    assert.equal(told.layout.nodeOf('foo'), '192.0.2.9:7002')
    for (const node of told.layout.nodes.keys()) assert.equal(told.layout.nodeOf(`postern:heartbeat${told.layout.pulseOf(node)}`), node)
  })

  test('the same in another order is the same, another node for a slot is not', () => {
    const mark = readCluster(INFO, halves, asked)?.layout.mark
    assert.equal(readCluster(INFO, halves.toReversed(), asked)?.layout.mark, mark)
    assert.notEqual(readCluster(INFO, [...halves, [5, 5, ['192.0.2.3', 7000]]], asked)?.layout.mark, mark)
  })

  test('slots without a node are known to be', () => {
    const told = readCluster(INFO, halves.slice(0, 1), asked)
    assert.equal(told?.layout.whole, false)
    assert.equal(told?.layout.nodeOf('foo'), undefined)
  })

  for (const [name, info, slots] of [
    ['nothing', undefined, undefined],
    ['no epoch', 'cluster_state:ok', halves],
    ['no slots', INFO, []],
    ['a number', INFO, 7],
    ['rubbish', INFO, ['x', 1, null]],
    ['a slot beyond', INFO, [[0, 16_384, ['h', 1]]]],
    ['a slot before', INFO, [[-1, 3, ['h', 1]]]],
    ['a host that is none', INFO, [[0, 3, ['a b', 1]]]],
    ['a port that is none', INFO, [[0, 3, ['h', 0]]]],
    ['too many nodes', INFO, Array.from({ length: 2_000 }, (_, i) => [i, i, ['h', i + 1]])],
  ] as const)
    test(`${name} is no Cluster`, () => assert.equal(readCluster(info, slots, asked), undefined))

  test('a sentinel says where the primary is, and since which epoch', () => {
    const told = readSentinel(['name', 'x', 'ip', '192.0.2.1', 'port', '7000', 'flags', 'master', 'config-epoch', '3'])
    assert.equal(told?.epoch, 3)
    assert.equal(told.layout.nodeOf('anything'), '192.0.2.1:7000')
    for (const reply of [null, 'OK', [], ['ip', 'a b', 'port', '1'], ['ip', 'h', 'port', 'x'], ['ip', 'h', 'port', '1', 'config-epoch', 'x']])
      assert.equal(readSentinel(reply), undefined)
  })
})
