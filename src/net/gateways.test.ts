import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { defaultGateways, gatewaysOf4, gatewaysOf6 } from './gateways.ts'

const ROUTE = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth1\t0000000A\t0100140A\t0003\t0\t0\t0\t000000FF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`
const ZERO = '0'.repeat(32)
const ROUTE6 = `fd000000000000000000000000000000 40 ${ZERO} 00 ${ZERO} 00000100 00000001 00000000 00000001     eth0
${ZERO} 00 ${ZERO} 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003     eth0
20010db8000000000000000000000000 20 ${ZERO} 00 fd000000000000000000000000000009 00000400 00000003 00000000 00000003     eth0
${ZERO} 00 ${ZERO} 00 ${ZERO} ffffffff 00000001 00000000 00200200       lo
`

test('the gateways of default routes, and no others', () => {
  assert.deepEqual(gatewaysOf4(ROUTE, true), ['172.18.0.1'])
  assert.deepEqual(gatewaysOf4(ROUTE.replace('010012AC', 'AC120001'), false), ['172.18.0.1'])
  assert.deepEqual(gatewaysOf6(ROUTE6), ['fd00::1'])
  for (const none of ['', '\n\n', 'x y z', ROUTE.slice(0, 90)]) assert.deepEqual([...gatewaysOf4(none), ...gatewaysOf6(none)], [])
})

test('from the files of the kernel; where there are none, none', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-gateways-'))
  try {
    assert.deepEqual(defaultGateways(folder), [])
    writeFileSync(join(folder, 'route'), ROUTE)
    writeFileSync(join(folder, 'ipv6_route'), ROUTE6.repeat(30))
    const gateways = defaultGateways(folder)
    assert.equal(gateways.length, 16)
    assert.ok(gateways.includes('fd00::1'))
  } finally {
    rmSync(folder, { recursive: true })
  }
  for (const gateway of defaultGateways()) assert.match(gateway, /^[\d.]+$|^[\da-f:]+$/)
})
