/** What `postern doctor` says where reports are collected, and the DNS sends them elsewhere. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Finding, Seen } from '../../src/cli/checks/check.ts'
import { dmarcCheck, tlsReportsCheck } from '../../src/cli/checks/policies.ts'
import { fakeDns } from '../e2e/outbound/peer.ts'

async function said(rua: string, to: string | undefined): Promise<string[]> {
  const zones = { '_dmarc.example.test': { TXT: [`v=DMARC1; p=reject; rua=${rua}`] }, '_smtp._tls.example.test': { TXT: [`v=TLSRPTv1; rua=${rua}`] } }
  const config = { reports: to === undefined ? undefined : { to } }
  const seen = { config, keys: [], world: { dns: fakeDns(zones) } } as unknown as Seen
  const findings: Finding[] = [...(await dmarcCheck(seen, 'example.test')), ...(await tlsReportsCheck(seen, 'example.test'))]
  return findings.map(({ verdict, words }) => `${verdict} ${words}`)
}

const ELSEWHERE = 'warning reports do not come to reports@example.test, which "reports.to" names. See "postern dns example.test"'
const FINE = ['ok reject', 'ok reports are asked for']

test('reports that come to the address of the config, and those that do not', async () => {
  for (const [rua, to, expected] of [
    ['mailto:postmaster@example.test', undefined, FINE],
    ['mailto:postmaster@example.test', 'reports@example.test', [ELSEWHERE, ELSEWHERE]],
    ['mailto:Reports@Example.test', 'reports@example.test', FINE],
    ['mailto:x@example.test,mailto:reports@example.test', 'reports@example.test', FINE],
    ['mailto:re%70orts@example.test', 'reports@example.test', FINE],
    ['mailto:%zz@example.test', 'reports@example.test', [ELSEWHERE, ELSEWHERE]],
  ] as const)
    assert.deepEqual(await said(rua, to), expected, rua)
})
